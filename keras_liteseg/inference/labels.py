"""Label maps from a network's output, at the size of the picture.

Scores are resized bilinearly before the argmax, which is most of the time that a frame takes when it is written down
like that. The same labels come from far less work:

- Scales are positive and the same for all classes, so that integers have the argmax of the floats that they stand for.
- Only along the borders of classes, a few of a hundred pixels, are scores resized, and of most of these three numbers
  in place of all classes; see `keras_liteseg.inference.enlarging`.
- Many pixels are compared at once; see `keras_liteseg.inference.ranking`.
"""

import cv2
import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.inference.enlarging import Enlarged, blend
from keras_liteseg.inference.ranking import Winners
from keras_liteseg.inference.spread import Spread
from keras_liteseg.inference.tensors import dequantize

_STRIP = 32768  # pixels that are handled at once: their scores, for a few dozen classes, stay in the processor's cache


class LabelMaker:
    """Labels at one size from a network's outputs of one shape, with memory that is taken once.

    They are those of `keras_liteseg.inference.predictor.labels_at` with NumPy and OpenCV, to the last one where the
    output is of integers and of 5 classes or more. Elsewhere labels may differ where two scores are equal but for their
    last bits, which OpenCV rounds in other ways for fewer classes.

    Not for several threads at once.

    Args:
        shape: of the output, (height, width, classes) of scores or (height, width) of classes.
        details: its number type and scale, as LiteRT's `get_output_details` has them.
        size: (height, width) of the label maps.
        aligned: input (height, width) of the network where the output is brought to that first with its corners in
            place, see `Metadata.align_corners`; None where not.

    Raises:
        UserError: the shape is that of something else.
    """

    def __init__(self, shape, details, size, aligned=None):
        if len(shape) not in (2, 3):
            raise UserError(
                f"The output of the network has the shape {tuple(shape)}; wanted are scores or a class map."
            )
        self.size = tuple(size)
        self._align: AlignedCorners | None = None
        self._make: _ClassMap | _SameSize | Enlarged
        if len(shape) == 2:
            self._make = _ClassMap(shape, self.size, aligned)
            return
        if aligned and tuple(shape[:2]) != tuple(aligned):
            self._align = AlignedCorners(shape, details, aligned)
            shape, details = (*aligned, shape[2]), {"dtype": np.dtype(np.float32), "quantization": (0.0, 0)}
        if tuple(shape[:2]) == self.size:
            self._make = _SameSize(shape, details["dtype"])
        else:
            self._make = Enlarged(shape, details, self.size)

    def __call__(self, output, out):
        """Write the labels of an output into `out`, uint8 of the size, in one piece."""
        self._make(self._align(output) if self._align else output, out)


class _SameSize:
    """The class of the highest score of each pixel, the first of equal ones."""

    def __init__(self, shape, dtype):
        self._winners, self._classes = Winners(shape[0] * shape[1], shape[2], dtype), shape[2]

    def __call__(self, scores, out):
        self._winners(scores.reshape(-1, self._classes), out.reshape(-1))


class _ClassMap:
    """A class map by nearest neighbour, as OpenCV's INTER_NEAREST_EXACT."""

    def __init__(self, shape, size, aligned):
        self._bytes = np.empty(shape, np.uint8)
        self._spread = Spread(
            shape,
            *(
                self._nearest(source, between, target)
                for source, between, target in zip(shape, aligned or shape, size, strict=True)
            ),
        )

    @staticmethod
    def _nearest(source, between, target):
        """Return the index of the source for each of `target` rows or columns; the corners of `between` are aligned."""
        index = np.arange(between, dtype=np.int32)
        if between != source:
            index = (_aligned_position(source, between) + 0.5).astype(np.int32)
        return cv2.resize(index[None], (target, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0].astype(np.intp)

    def __call__(self, classes, out):
        np.copyto(self._bytes, classes, casting="unsafe")
        self._spread(self._bytes, out)


class AlignedCorners:
    """Scores as floats at another size, their corner pixels still in the corners, which OpenCV cannot do."""

    def __init__(self, shape, details, size):
        height, width, classes = shape
        self._details = details
        *self._rows, down = _aligned_corners(height, size[0])
        *self._columns, across = _aligned_corners(width, size[1])
        # A weight for each number of a row, because short runs of equal ones take several times as long.
        self._down, self._across = down[:, None], across.repeat(classes)
        self._floats = np.empty(shape, np.float32)
        self._tall = np.empty((2, size[0], width * classes), np.float32)
        self._result = np.empty((size[0], size[1] * classes), np.float32)
        self._strip = max(1, _STRIP // size[1])
        self._right = np.empty((self._strip, size[1] * classes), np.float32)

    def __call__(self, scores):
        """Return the scores at the other size, in memory that the next call overwrites."""
        height, width, classes = scores.shape
        values = dequantize(scores, self._details, self._floats).reshape(height, -1)
        tall, below = self._tall
        _take_two(values, 0, self._rows, tall, below)
        blend(tall, below, self._down)
        for top in range(0, len(tall), self._strip):
            part = tall[top : top + self._strip].reshape(-1, width, classes)
            result, right = self._result[top : top + len(part)], self._right[: len(part)]
            pixels = (len(part), -1, classes)
            _take_two(part, 1, self._columns, result.reshape(pixels), right.reshape(pixels))
            blend(result, right, self._across)
        return self._result.reshape(len(tall), -1, classes)


def _take_two(values, axis, places, one, other):
    for place, out in zip(places, (one, other), strict=True):
        values.take(place, axis=axis, out=out, mode="clip")


def _aligned_corners(source, target):
    """Return what `half_pixel` returns, for aligned corners."""
    position = _aligned_position(source, target)
    lower = position.astype(np.intp)
    return lower, np.minimum(lower + 1, source - 1), np.float32(position - lower)


def _aligned_position(source, target):
    return np.arange(target) * ((source - 1) / max(target - 1, 1))
