"""Predictions drawn over pictures, videos and what a camera sees."""

import collections
import itertools
import pathlib
import sys
import time

import numpy as np
from tqdm import tqdm

from keras_liteseg.datasets.pictures import Problem, read_rgb
from keras_liteseg.drawing.overlay import overlay, save_image
from keras_liteseg.errors import UserError
from keras_liteseg.inference.video import video_writer


class Painter:
    """Draws a network's labels over images and keeps the time.

    Args:
        predictor: a `keras_liteseg.inference.predictor.Predictor`.
        opacity: of the colours, 0 to 1.
    """

    def __init__(self, predictor, opacity):
        self._predictor, self._opacity = predictor, opacity
        predictor.run(np.zeros((1, *predictor.size, 3), np.float32))  # builds the network, which is not to be timed
        self._images, self._network_seconds = 0, 0.0
        self._start = time.perf_counter()

    def __call__(self, image):
        """Return (label map, overlay) of an RGB image: uint8 (height, width) and (height, width, 3)."""
        labels = self._predictor.labels(image)
        self._network_seconds += self._predictor.network_seconds
        self._images += 1
        return labels, overlay(image, labels, self._predictor.metadata.classes, self._opacity)

    def speed(self):
        """Return a line about the time per image: of the network alone, and of all from reading to writing."""
        if not self._images:
            return "no image was predicted"
        network = self._network_seconds / self._images
        total = (time.perf_counter() - self._start) / self._images
        return (
            f"{1 / network:.1f} frames/s ({1000 * network:.1f} ms) the network alone, "
            f"{1 / total:.1f} frames/s ({1000 * total:.1f} ms) end to end"
        )


def name_results(pictures, folder):
    """Return {name: path} of pictures, whose results are to be NAME.png and NAME_labels.png.

    A name is the path below the folder without the suffix. The suffix is kept where two pictures would have a result
    in common: `a.jpg` and `a.png`, or `a.png` and `a_labels.png`. Upper and lower case are one, as they are on some
    disks.

    Args:
        pictures: list of paths.
        folder: the folder that all of them are below.

    Raises:
        UserError: pictures would have a result in common even so.
    """
    short = {path: str(path.relative_to(folder).with_suffix("")) for path in pictures}
    shared = {path for paths in _shared_results(short) for path in paths}
    names = {path: str(path.relative_to(folder)) if path in shared else name for path, name in short.items()}
    for first, second, *_ in _shared_results(names):
        raise UserError(f"{first} and {second} would have the same result; rename one of them.")
    return {name: path for path, name in names.items()}


def _shared_results(names):
    """Return the lists of pictures, of {path: name}, that have a result in common."""
    found = collections.defaultdict(list)
    for path, name in names.items():
        for result in _results(name):
            found[result.casefold()].append(path)
    return [paths for paths in found.values() if len(paths) > 1]


def _results(name):
    return f"{name}.png", f"{name}_labels.png"


def draw_pictures(pictures, painter, output):
    """Write the overlay and the label map of each picture that can be read.

    Ctrl-C ends this with what is there.

    Args:
        pictures: {name: path}, see `name_results`.
        painter: a `Painter`.
        output: folder that gets NAME.png and NAME_labels.png.

    Returns:
        (Number of pictures predicted, list of the `Problem` of each that cannot be read, whether Ctrl-C ended it).

    Raises:
        UserError: a result cannot be written or would replace a picture.
    """
    output = pathlib.Path(output)
    sources = {path.resolve() for path in pictures.values()}
    for name in pictures:
        for path in (output / result for result in _results(name)):
            if path.resolve() in sources:
                raise UserError(f"The result {path} would replace one of the pictures; choose another --output_dir.")
    written, problems = 0, []
    try:
        for name, path in tqdm(pictures.items(), "predicting", disable=None, file=sys.stderr):
            try:
                _draw_picture(path, painter, [output / result for result in _results(name)])
                written += 1
            except Problem as problem:
                problems.append(problem)
    except KeyboardInterrupt:
        return written, problems, True
    return written, problems, False


def _draw_picture(path, painter, results):
    # No picture is kept longer than it is needed: large ones would be too many.
    labels, drawn = painter(read_rgb(path))
    for result, picture in zip(results, (drawn, labels), strict=True):
        save_image(result, picture)


def draw_video(frames, painter, path):
    """Write the overlays of all frames as a video that lasts as long.

    The video has the frame rate that the source declares. Where frames come at other times, of a video of variable
    rate or of a camera whose network is slow, they are repeated or left out so that each is seen when it was. Ctrl-C
    ends the video with what is there.

    Args:
        frames: `keras_liteseg.inference.video.Frames`.
        painter: a `Painter`.
        path: the .mp4 file.

    Returns:
        (Number of frames predicted, whether Ctrl-C ended it).

    Raises:
        UserError: there is no frame, or the video cannot be written.
    """
    first = next(frames, None)
    if first is None:
        raise UserError(f"No frame of {frames.name} can be read; it may be damaged.")
    predicted = written = 0
    drawn = None
    progress = tqdm(total=frames.count, desc="predicting", unit=" frames", disable=None, file=sys.stderr)
    with video_writer(path, frames.rate, first.shape[:2]) as write, progress:

        def show_until(seconds):
            nonlocal written
            for _ in range(round(seconds * frames.rate) - written):
                write(drawn)
                written += 1

        try:
            for frame in itertools.chain([first], frames):
                show_until(frames.seconds)
                _, drawn = painter(frame)
                predicted += 1
                progress.update()
        except KeyboardInterrupt:
            if drawn is None:
                raise
            show_until(frames.seconds + 1 / frames.rate)
            return predicted, True
        show_until(frames.end)
    return predicted, False
