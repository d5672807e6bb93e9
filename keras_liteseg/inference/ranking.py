"""The highest scores of each pixel.

The classes of a pixel lie side by side, where a processor compares them one at a time; transposed, many pixels at once.
"""

import cv2
import numpy as np

_BYTES = 2**20  # of scores that are handled at once: they stay in the processor's cache


class Winners:
    """The class of the highest score of each pixel, the first of equal ones, and the two highest scores after it.

    Args:
        pixels: number of pixels.
        classes: number of classes.
        dtype: of the scores.
    """

    def __init__(self, pixels, classes, dtype):
        self._classes, self._dtype = classes, np.dtype(dtype)
        self._strip = max(1, min(pixels, _BYTES // (classes * self._dtype.itemsize)))
        self._planes = np.empty(self._strip * classes, dtype)
        self._marks = np.empty(self._strip, bool)
        self._spare = np.empty((2, self._strip), dtype)

    def __call__(self, scores, out, after=None):
        """Write the labels of `scores` (pixels, classes) into `out`, uint8 (pixels).

        Args:
            scores: the scores.
            out: memory for the labels.
            after: memory for the second and the third highest score, (2, pixels) of their type; None leaves them out.
                The lowest number of the type stands for one that does not exist.
        """
        for start in range(0, len(out), self._strip):
            strip = slice(start, start + self._strip)
            part = scores[strip]
            planes = self._planes[: part.size].reshape(self._classes, len(part))
            cv2.transpose(part, dst=planes)
            if after is None:
                argmax_planes(planes, out[strip], self._marks[: len(part)])
            else:
                self._rank(planes, out[strip], *after[:, strip])

    def _rank(self, planes, out, second, third):
        best, marks = planes[0], self._marks[: len(out)]
        lower, lowest = self._spare[:, : len(out)]
        out.fill(0)
        second.fill(_lowest(self._dtype))
        third.fill(_lowest(self._dtype))
        for index in range(1, len(planes)):
            plane = planes[index]
            _number_higher(plane, best, index, out, marks)
            np.minimum(plane, best, out=lower)
            np.maximum(plane, best, out=best)
            np.minimum(lower, second, out=lowest)
            np.maximum(lower, second, out=second)
            np.maximum(lowest, third, out=third)


def argmax_planes(planes, out, marks):
    """Write the index of the first of the highest of `planes` (classes, pixels), at least one, into `out`, uint8
    (pixels). `planes` are overwritten, and so are `marks`, bool (pixels)."""
    best = planes[0]
    out.fill(0)
    for index in range(1, len(planes)):
        _number_higher(planes[index], best, index, out, marks)
        np.maximum(planes[index], best, out=best)


def _number_higher(plane, best, index, out, marks):
    """Write `index` into `out` where `plane` is higher than `best`."""
    numbers = marks.view(np.uint8)
    np.greater(plane, best, out=marks)
    np.multiply(numbers, np.uint8(index), out=numbers)
    # No class before has a larger number, so that the maximum is the last one that was higher than all before.
    np.maximum(numbers, out, out=out)


def _lowest(dtype):
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
