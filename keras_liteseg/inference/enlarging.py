"""The argmax of scores that are resized bilinearly, without resizing most of them."""

import math

import cv2
import numpy as np

from keras_liteseg.inference.ranking import Winners, argmax_planes
from keras_liteseg.inference.spread import Spread
from keras_liteseg.inference.tensors import dequantize

_AT_ONCE, _EXACT_AT_ONCE = 20480, 2048  # pixels whose numbers stay in the processor's cache
_MIXED = 255  # no class, see `IGNORE_LABEL`
_DOUBT = 2.0**-16  # of the range of scores: many times what floats of 32 bits are rounded by


class Enlarged:
    """Labels of scores that are resized bilinearly, as OpenCV's INTER_LINEAR resizes.

    Four pixels of the scores are the corners of a cell, and the pixels of the label map in it are blends of them. Where
    all four have the same class, that class wins in between too, whatever the scores are. Where their classes are two,
    A and B, no other class is higher in between than the blend of what is highest at each corner without A and B, so
    that three numbers tell who wins. Few pixels are left, those of other cells and those where the numbers are too near
    to tell; they are resized in the order of OpenCV's operations, because equal scores are told apart by how they are
    rounded.

    Args:
        shape: of the scores, (height, width, classes).
        details: their number type and scale.
        size: (height, width) of the labels.
    """

    def __init__(self, shape, details, size):
        height, width, classes = shape
        self._shape, self._size, self._details = tuple(shape), tuple(size), details
        self._winners = Winners(height * width, classes, details["dtype"])
        self._after = np.empty((2, height * width), details["dtype"])
        self._labels, self._cells, self._marks = np.empty((3, height, width), np.uint8)
        self._rows, self._columns = half_pixel(height, size[0]), half_pixel(width, size[1], columns=True)
        self._spread = Spread((height, width), self._rows[0], self._columns[0])
        self._down, self._across = _Inside(self._rows, height), _Inside(self._columns, width)
        self._empty = self._down.empty[:, None] | self._across.empty
        outside = np.zeros(size, bool)
        outside[: self._down.before], outside[:, : self._across.before] = True, True
        self._outside = np.flatnonzero(outside)
        inside = self._down.most * self._across.most
        self._many = max(1, _AT_ONCE // inside)
        self._blends = np.empty(2 * self._many * inside, np.float32)
        self._places = np.empty(self._many * inside, np.intp)

    def __call__(self, scores, out):
        """Write the labels of `scores` into `out`, uint8 of the size."""
        scores, out_pixels = scores.reshape(-1, self._shape[2]), out.reshape(-1)
        self._winners(scores, self._labels.reshape(-1), self._after)
        self._mark_mixed()
        self._spread(self._cells, out)
        self._resize(self._outside[out_pixels[self._outside] == _MIXED], scores, out_pixels)
        mixed = np.flatnonzero(np.equal(self._cells, _MIXED, out=self._marks.view(bool)))
        for start in range(0, len(mixed), self._many):
            self._resize(self._decide(scores, mixed[start : start + self._many], out_pixels), scores, out_pixels)

    def _resize(self, pixels, scores, out):
        for start in range(0, len(pixels), _EXACT_AT_ONCE):
            part = pixels[start : start + _EXACT_AT_ONCE]
            out[part] = self._resized(scores, part)

    def _mark_mixed(self):
        """Keep the label of each pixel that has it in common with those on its right, below, and between these."""
        labels, cells, marks = self._labels, self._cells, self._marks
        cells[:, -1] = labels[:, -1]
        _unlike(labels[:, :-1], labels[:, 1:], cells[:, :-1], marks[:, :-1])
        _unlike(cells[:-1], cells[1:], cells[:-1], marks[:-1])
        np.copyto(cells, 0, where=self._empty)

    def _decide(self, scores, cells, out):
        """Write the labels of the pixels in some cells, their numbers from the top left, into `out` as far as three
        numbers tell, and return the numbers of the other pixels."""
        row = cells // self._shape[1]
        column = cells - row * self._shape[1]
        right, below = self._across.next.take(column), self._down.next.take(row) * self._shape[1]
        corners = np.stack([cells, cells + right, cells + below, cells + right + below])
        labels = self._labels.reshape(-1).take(corners)
        one, other = labels.min(0), labels.max(0)
        are_two = ((labels == one) | (labels == other)).all(0)
        second, third = (each.take(corners) for each in self._after)
        corners *= self._shape[2]
        a, b = (scores.reshape(-1).take(corners + label) for label in (one, other))
        rest = third if self._shape[2] > 2 else second
        rest = np.where(np.minimum(a, b) == second, rest, second)
        # A without B, and A without the others, at each corner.
        apart = np.empty((2, *corners.shape), np.float32)
        np.subtract(a, b, out=apart[0], dtype=np.float32)
        np.subtract(a, rest, out=apart[1], dtype=np.float32)
        apart[0] *= are_two
        ahead, without_rest = self._blended(apart, row, column)
        found = one + (other - one) * (ahead < 0)
        without_rest -= np.minimum(ahead, 0)  # of A or of B, whichever is higher
        doubt = self._doubt(a, b, rest)
        decided = np.abs(ahead) > doubt
        decided &= without_rest > doubt
        places = self._places[: found.size].reshape(found.shape)
        down, across = self._down.places.take(row, 1) * self._size[1], self._across.places.take(column, 1)
        np.add(down[:, None], across, out=places)
        out[places] = found
        return places[~decided]

    def _blended(self, corners, row, column):
        """Return two numbers at the corners of cells, (2, 4, cells), as those of the pixels inside, (2, rows, columns,
        cells), in memory that the next call overwrites."""
        left, right = corners[:, 0::2, None], corners[:, 1::2, None]
        sides = (right - left) * self._across.weights.take(column, 1)
        sides += left
        upper, lower = sides[:, 0, None], sides[:, 1, None]
        weights = self._down.weights.take(row, 1)[:, None]
        shape = (2, len(weights), sides.shape[2], len(column))
        inside = self._blends[: math.prod(shape)].reshape(shape)
        np.multiply(lower - upper, weights, out=inside)
        inside += upper
        return inside

    def _doubt(self, *scores):
        """Return the difference of two numbers below which they are too near to tell which one is higher."""
        if self._details["dtype"] == np.float32:
            return 2 * _DOUBT * max(np.abs(each).max() for each in scores)
        limits = np.iinfo(self._details["dtype"])
        return _DOUBT * (limits.max - limits.min)

    def _resized(self, scores, pixels):
        """Return the labels of single pixels, their numbers from the top left, from scores (pixels, classes)."""
        rows, columns = np.divmod(pixels, self._size[1])
        lower, upper, down = (part.take(rows) for part in self._rows)
        left, right, across = (part.take(columns) for part in self._columns)
        lower, upper = lower * self._shape[1], upper * self._shape[1]
        corners = np.stack([lower + left, lower + right, upper + left, upper + right])
        planes = cv2.transpose(scores.take(corners.reshape(-1), axis=0)).reshape(-1, 4, len(pixels))
        floats = dequantize(planes, self._details, np.empty(planes.shape, np.float32))
        # Left and right, above and below; then above and below.
        blend(floats[:, 0::2], floats[:, 1::2], across)
        blend(floats[:, 0], floats[:, 2], down)
        found = np.empty(len(pixels), np.uint8)
        argmax_planes(floats[:, 0], found, np.empty(len(pixels), bool))
        return found


class _Inside:
    """The pixels inside of cells along one axis.

    Args:
        positions: what `half_pixel` returns.
        length: number of cells.

    Attributes:
        before: number of pixels before the first cell, outside of the scores. They have one corner, the first.
        most: the largest number of pixels that a cell has.
        places: of its pixels, integers (most, cells); where a cell has fewer, the last one again.
        weights: of the corner after them, float32 (most, cells).
        next: 1 for each cell, 0 for the last one, which has no corner after it.
        empty: bool (cells), whether a cell has no pixel.
    """

    def __init__(self, positions, length):
        lower, upper, weight = positions
        self.before = np.count_nonzero(upper == 0) if length > 1 else 0
        counts = np.bincount(lower[self.before :], minlength=length)
        self.most, self.empty = int(counts.max()), counts == 0
        numbers = np.minimum(np.arange(self.most)[:, None], np.maximum(counts - 1, 0))
        self.places = np.minimum(self.before + np.cumsum(counts) - counts + numbers, len(lower) - 1)
        self.weights = weight[self.places]
        self.next = (np.arange(length) < length - 1).astype(np.intp)


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


def blend(one, other, weight):
    """Write the mean of both into `one`, with `weight` for `other`, which is overwritten too."""
    one *= 1 - weight
    other *= weight
    one += other


def _unlike(one, other, out, marks):
    """Write `one` into `out`, but `_MIXED` where it differs from `other`."""
    np.not_equal(one, other, out=marks.view(bool))
    np.multiply(marks, np.uint8(_MIXED), out=marks)
    np.maximum(one, marks, out=out)
