"""Label maps from a network's output, at the size of the picture.

Scores are resized bilinearly before the argmax, which is most of the time that a frame takes when it is written down
like that. The same labels come from far less work:

- Scales are positive and the same for all classes, so that integers have the argmax of the floats that they stand for.
- A resized score lies between those of the four pixels around it. Where all four have the same class, that class wins
  in between too, whatever the scores are. Only along the borders, a few of a hundred pixels, are scores resized at all.
- The classes of a pixel lie side by side, where an argmax finds them one at a time; transposed, a processor compares
  many pixels at once.
"""

import cv2
import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.inference.tensors import dequantize

# Pixels that are handled at once: their scores, for a few dozen classes, stay in the processor's cache.
_STRIP, _CHUNK = 32768, 4096
_MIXED = 255  # no class, see `IGNORE_LABEL`


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
        self._make: _ClassMap | _Winners | _Enlarged
        if len(shape) == 2:
            self._make = _ClassMap(shape, self.size, aligned)
            return
        if aligned and tuple(shape[:2]) != tuple(aligned):
            self._align = AlignedCorners(shape, details, aligned)
            shape, details = (*aligned, shape[2]), {"dtype": np.dtype(np.float32), "quantization": (0.0, 0)}
        self._make = _Winners() if tuple(shape[:2]) == self.size else _Enlarged(shape, details, self.size)

    def __call__(self, output, out):
        """Write the labels of an output into `out`, uint8 of the size, in one piece."""
        self._make(self._align(output) if self._align else output, out)


class _Winners:
    """The class of the highest score of each pixel, the first of equal ones."""

    def __init__(self):
        self._planes = self._marks = np.empty(0)

    def __call__(self, scores, out):
        """Write the argmax over the last axis of `scores` (..., classes) into `out`, uint8."""
        classes = scores.shape[-1]
        scores, out = scores.reshape(-1, classes), out.reshape(-1)
        strip = min(_STRIP, len(out))
        if self._planes.shape != (strip * classes,) or self._planes.dtype != scores.dtype:
            self._planes, self._marks = np.empty(strip * classes, scores.dtype), np.empty(strip, bool)
        for start in range(0, len(out), strip):
            part = scores[start : start + strip]
            planes = self._planes[: part.size].reshape(classes, len(part))
            argmax_planes(cv2.transpose(part, dst=planes), out[start : start + strip], self._marks[: len(part)])


def argmax_planes(planes, out, marks):
    """Write the index of the first of the highest of `planes` (classes, pixels), at least one, into `out`, uint8
    (pixels). `planes` are overwritten, and so are `marks`, bool (pixels)."""
    best, numbers = planes[0], marks.view(np.uint8)
    out.fill(0)
    for index in range(1, len(planes)):
        np.greater(planes[index], best, out=marks)
        np.maximum(planes[index], best, out=best)
        # No later class has a smaller number, so that the maximum is the last one that was higher than all before.
        np.multiply(numbers, np.uint8(index), out=numbers)
        np.maximum(numbers, out, out=out)


class _Enlarged:
    """The argmax of scores that are resized bilinearly, as OpenCV's INTER_LINEAR resizes."""

    def __init__(self, shape, details, size):
        self._shape, self._size, self._details = tuple(shape), size, details
        self._winners = _Winners()
        height, width, classes = shape
        self._labels = np.empty((height, width), np.uint8)
        self._cells, self._marks = np.empty((height, width), np.uint8), np.empty((height, width), np.uint8)
        self._rows, self._columns = half_pixel(height, size[0]), half_pixel(width, size[1], columns=True)
        self._spread = _Spread((height, width), self._rows[0], self._columns[0])
        self._mixed = np.empty((max(1, _STRIP * 8 // size[1]), size[1]), bool)
        self._found, self._marks_of_few = np.empty(_CHUNK, np.uint8), np.empty(_CHUNK, bool)
        # For every pixel four corners: where they are, their scores, and these by class, as they come and as floats.
        numbers = 4 * classes * _CHUNK
        self._memory = (
            np.empty(4 * _CHUNK, np.intp),
            np.empty(numbers, details["dtype"]),
            np.empty(numbers, details["dtype"]),
            np.empty(numbers, np.float32),
        )

    def __call__(self, scores, out):
        self._winners(scores, self._labels)
        self._mark_mixed()
        self._spread(self._cells, out)
        scores = scores.reshape(-1, self._shape[2])
        strip = len(self._mixed)
        for top in range(0, self._size[0], strip):
            rows = out[top : top + strip]
            mixed = np.flatnonzero(np.equal(rows, _MIXED, out=self._mixed[: len(rows)]))
            labels = rows.reshape(-1)
            for start in range(0, len(mixed), _CHUNK):
                pixels = mixed[start : start + _CHUNK]
                found = self._found[: len(pixels)]
                self._solve(scores, pixels + top * self._size[1], found)
                labels[pixels] = found

    def _mark_mixed(self):
        """Keep the label of each pixel that has it in common with those on its right, below, and between these."""
        labels, cells, marks = self._labels, self._cells, self._marks
        cells[:, -1] = labels[:, -1]
        self._unlike(labels[:, :-1], labels[:, 1:], cells[:, :-1], marks[:, :-1])
        self._unlike(cells[:-1], cells[1:], cells[:-1], marks[:-1])

    @staticmethod
    def _unlike(one, other, out, marks):
        """Write `one` into `out`, but `_MIXED` where it differs from `other`."""
        np.not_equal(one, other, out=marks.view(bool))
        np.multiply(marks, np.uint8(_MIXED), out=marks)
        np.maximum(one, marks, out=out)

    def _solve(self, scores, pixels, out):
        """Write the labels of single pixels, their numbers from the top left, into `out`, from the scores (pixels,
        classes) of the four around each.

        The order of the operations is OpenCV's, because equal scores are told apart by how they are rounded.
        """
        count, width = len(pixels), self._shape[1]
        rows, columns = np.divmod(pixels, self._size[1])
        lower, upper, down = (part.take(rows) for part in self._rows)
        left, right, across = (part.take(columns) for part in self._columns)
        corners, near, planes, floats = (array[: array.size // _CHUNK * count] for array in self._memory)
        corners = corners.reshape(4, count)
        for place, row, column in zip(corners, (lower, lower, upper, upper), (left, right) * 2, strict=True):
            np.multiply(row, width, out=place)
            place += column
        near, planes, floats = near.reshape(4 * count, -1), planes.reshape(-1, 4 * count), floats.reshape(-1, 4, count)
        scores.take(corners.reshape(-1), axis=0, out=near, mode="clip")
        cv2.transpose(near, dst=planes)
        dequantize(planes.reshape(floats.shape), self._details, floats)
        # Left and right, above and below; then above and below.
        _blend(floats[:, 0::2], floats[:, 1::2], across)
        _blend(floats[:, 0], floats[:, 2], down)
        argmax_planes(floats[:, 0], out, self._marks_of_few[:count])


class _Spread:
    """Repeats or leaves out rows and columns of a map of bytes."""

    def __init__(self, shape, rows, columns):
        self._rows, self._columns = rows, columns
        height, width = shape
        self._turned = np.empty((width, height), np.uint8)
        self._wide = np.empty((len(columns), height), np.uint8)
        self._back = np.empty((height, len(columns)), np.uint8)

    def __call__(self, values, out):
        """Write `values[rows][:, columns]` into `out`, whole rows at a time: single bytes take ten times as long."""
        cv2.transpose(values, dst=self._turned)
        self._turned.take(self._columns, axis=0, out=self._wide, mode="clip")
        cv2.transpose(self._wide, dst=self._back)
        self._back.take(self._rows, axis=0, out=out, mode="clip")


class _ClassMap:
    """A class map by nearest neighbour, as OpenCV's INTER_NEAREST_EXACT."""

    def __init__(self, shape, size, aligned):
        self._bytes = np.empty(shape, np.uint8)
        self._spread = _Spread(
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
        _blend(tall, below, self._down)
        for top in range(0, len(tall), self._strip):
            part = tall[top : top + self._strip].reshape(-1, width, classes)
            result, right = self._result[top : top + len(part)], self._right[: len(part)]
            pixels = (len(part), -1, classes)
            _take_two(part, 1, self._columns, result.reshape(pixels), right.reshape(pixels))
            _blend(result, right, self._across)
        return self._result.reshape(len(tall), -1, classes)


def _take_two(values, axis, places, one, other):
    for place, out in zip(places, (one, other), strict=True):
        values.take(place, axis=axis, out=out, mode="clip")


def _blend(one, other, weight):
    """Write the mean of both into `one`, with `weight` for `other`, which is overwritten too."""
    one *= 1 - weight
    other *= weight
    one += other


def half_pixel(source, target, columns=False):
    """Return for each of `target` rows or columns that are resized from `source`: (the one before it, the one after it,
    weight of the latter, float32), as OpenCV has them. It keeps the weights of rows outside of the picture and not
    those of columns, which shows in the last bit."""
    position = np.float32((np.arange(target) + 0.5) * (source / target) - 0.5)
    lower = np.floor(position).astype(np.intp)
    weight = position - lower.astype(np.float32)
    if columns:
        weight[(lower < 0) | (lower >= source - 1)] = 0
    return lower.clip(0, source - 1), (lower + 1).clip(0, source - 1), weight


def _aligned_corners(source, target):
    """Return what `half_pixel` returns, for aligned corners."""
    position = _aligned_position(source, target)
    lower = position.astype(np.intp)
    return lower, np.minimum(lower + 1, source - 1), np.float32(position - lower)


def _aligned_position(source, target):
    return np.arange(target) * ((source - 1) / max(target - 1, 1))
