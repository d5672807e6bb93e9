"""Labels for pictures that are larger than a network's input, tile by tile, at the picture's own resolution.

Tiles of the input's size overlap, because along its border a tile lacks what lies beyond it. Over the whole overlap the
scores of one tile pass into those of the next, evenly: the nearer to the border of a tile, the less its scores count.
Beside the picture and its label map, memory holds the scores of one tile and of a narrow strip, as long as the picture
is wide, in which one row of tiles passes into the next.
"""

import collections

import numpy as np

from keras_liteseg.choices import is_finite
from keras_liteseg.errors import UserError
from keras_liteseg.inference.predictor import labels_at, logits_at, require_image
from keras_liteseg.metadata import OutputType
from keras_liteseg.progress import progress_bar

OVERLAP = 1 / 4
"""Share of a tile's height and width that the next one has in common with it; `benchmarks.tiles` compares others."""

_STEP = 64  # the stride of every network here divides it: tiles have their features where the whole picture has them


class TiledPredictor:
    """A predictor that goes over a picture in tiles of a network's input, in place of resizing the picture.

        >>> from keras_liteseg import load_dataset, load_predictor
        >>> from keras_liteseg.inference.tiles import TiledPredictor
        >>> predictor = TiledPredictor(load_predictor("lps_net_tiny", input_size=(64, 128)))
        >>> predictor.labels(load_dataset("street_scenes", size=(100, 300)).image(0)).shape
        (100, 300)

    A picture that is lower or narrower than a tile is continued by its mirror image.

    Args:
        predictor: a `Predictor` that gives logits or probabilities.
        overlap: share of a tile's height and width, 0 to 0.5, that the next tile has in common with it, or more.
        progress: whether to show a progress bar on a terminal for a picture that takes more than a second.

    Attributes:
        metadata: the network's `Metadata`.
        size: (height, width) of a tile.
        run: that of `predictor`, for one tile.
        network_seconds: how long the network took for all tiles of the last image.

    Raises:
        UserError: the predictor gives class maps, which cannot be blended, or it or `overlap` is something else.
    """

    def __init__(self, predictor, overlap=OVERLAP, progress=False):
        if not is_finite(overlap) or not 0 <= overlap <= 0.5:
            raise UserError(f"overlap is {overlap!r}; it must be a share of the tile from 0 to 0.5.")
        if not hasattr(predictor, "logits"):
            raise UserError(f"The predictor is {predictor!r}; load one with keras_liteseg.load_predictor.")
        self.metadata, self.size, self.run = predictor.metadata, tuple(predictor.size), predictor.run
        output_type = self.metadata.output_type
        if output_type and OutputType(output_type).is_class_map:
            raise UserError(
                f"A file of '{self.metadata.model}' that gives class maps has no scores to blend between tiles; leave "
                "out --tiles, or export the network again with --output_type logits."
            )
        self._predictor, self._overlap, self._progress = predictor, overlap, progress

    def labels(self, image):
        """Return the label map, uint8 (height, width), of an image (height, width, channels).

        Raises:
            UserError: `image` is something else.
        """
        require_image(image, self.metadata.image_format)
        height, width = image.shape[:2]
        image = _continued(image, self.size)
        labels = np.empty(image.shape[:2], np.uint8)
        rows, columns = (tiles_along(*each, self._overlap) for each in zip(labels.shape, self.size, strict=True))
        self.network_seconds = 0.0
        above = None
        shown = {"desc": "tiles", "leave": False, "delay": 1}
        with progress_bar(self._progress, total=len(rows) * len(columns), **shown) as bar:
            for row in rows:
                left = None
                for column in columns:
                    scores = self._scores(image, row, column)
                    if above is None:
                        above = np.empty((row.stop - row.end, labels.shape[1], scores.shape[-1]), np.float32)
                    # First from left to right, so that the strip between rows holds what is blended that way already.
                    _fade(left, scores.swapaxes(0, 1), column.faded)
                    left = scores[:, column.own :].swapaxes(0, 1).copy()
                    scores, across = scores[:, : column.own], slice(column.first, column.end)
                    _fade(above[:, across], scores, row.faded)
                    above[: row.stop - row.end, across] = scores[row.own :]
                    labels[row.first : row.end, across] = labels_at(scores[: row.own], (row.own, column.own))
                    bar.update()
        return np.ascontiguousarray(labels[:height, :width])

    def _scores(self, image, row, column):
        """Return the scores of a tile where they count, float32 (rows, columns, classes), in memory of their own."""
        height, width = self.size
        tile = image[row.start : row.start + height, column.start : column.start + width]
        scores = logits_at(self._predictor.logits(np.ascontiguousarray(tile)), self.size)
        self.network_seconds += self._predictor.network_seconds
        counted = (slice(each.first - each.start, each.stop - each.start) for each in (row, column))
        return np.array(scores[tuple(counted)], np.float32)


class Tile(collections.namedtuple("Tile", "start first faded end stop")):
    """A tile along one axis of a picture, in pixels of the picture.

    Attributes:
        start: where it begins.
        first, stop: where it counts.
        faded: from `first` on, how many pixels the tile before it counts in too.
        end: where the tile after it begins to count.
    """

    @property
    def own(self):
        """How many pixels are complete with this tile, those from `first` to `end`."""
        return self.end - self.first


def tiles_along(length, tile, overlap):
    """Return the `Tile`s of `tile` pixels along an axis of `length` pixels, at least `tile`.

    Each begins a fixed step after the one before, the last at the end of the picture, wherever that is.

    Args:
        overlap: least share of a tile, 0 to 0.5, that two have in common.
    """
    step = tile - round(overlap * tile)
    step = step // _STEP * _STEP or step
    starts = [*range(0, length - tile, step), length - tile]
    # Less than the overlap where the last tiles are so near that a pixel would lie between three.
    fade = min([round(overlap * tile), *((after - before) // 2 for before, after in zip(starts, starts[2:]))])
    firsts = [0, *((before + tile + start - fade) // 2 for before, start in zip(starts, starts[1:]))]
    ends, stops = [*firsts[1:], length], [*(first + fade for first in firsts[1:]), length]
    return [
        Tile(start, first, fade if start else 0, end, stop)
        for start, first, end, stop in zip(starts, firsts, ends, stops, strict=True)
    ]


def _fade(before, scores, count):
    """Let the first `count` rows of `scores` come out of those of `before`."""
    if count:
        weight = ((np.arange(count, dtype=np.float32) + 0.5) / count)[:, None, None]
        scores[:count] = before * (1 - weight) + scores[:count] * weight


def _continued(image, size):
    """Return an image of at least `size` (height, width): where it is smaller, its mirror image follows on."""
    lower, right = (max(0, wanted - length) for wanted, length in zip(size, image.shape, strict=False))
    # Not by OpenCV, which drops the axis of a single channel.
    return np.pad(image, ((0, lower), (0, right), (0, 0)), "symmetric") if lower or right else image
