"""Pictures of 8 bits at a smaller size, as OpenCV's INTER_AREA has them, in half of its time.

OpenCV adds one pixel after the other where the size does not shrink by a whole number, such as 1280 to 480. Here all
pixels that lie above the same number of new ones are a row of a matrix, and their new ones come of a product.
"""

import fractions

import cv2
import numpy as np

_LARGEST = 16  # pixels in a row of which new ones are made; of more, most of the matrix would be zeros
_AT_ONCE = 2**17  # numbers that stay in the processor's cache


class Shrinking:
    """Averages over the area of each new pixel.

    Args:
        source, size: (height, width) before and after, for which `applies` is true.
    """

    def __init__(self, source, size):
        (self._rows, self._new_rows), (self._columns, self._new_columns) = _ratios(source, size)
        self._down = _weights(self._rows, self._new_rows)
        # The channels lie side by side.
        self._across = np.kron(_weights(self._columns, self._new_columns), np.eye(3)).T.astype(np.float32)
        if self._new_rows == 1:
            self._across /= self._rows  # which is a sum then, see `_shrink_rows`
        self._strip = max(1, _AT_ONCE // (self._rows * source[1] * 3))
        self._floats = np.empty((self._strip, self._rows, source[1] * 3), np.float32)
        self._low = np.empty((self._strip, self._new_rows, source[1] * 3), np.float32)
        self._small = np.empty((self._strip * self._new_rows, size[1] * 3), np.float32)

    @staticmethod
    def applies(source, size):
        """Return whether pictures shrink from `source` to `size`, (height, width), to the same numbers as in OpenCV and
        in less time.

        Numbers are the same where all weights are exact floats, so that nothing is rounded but the result, and where no
        average can be half way between two numbers, so that its last bits do not matter.
        """
        (rows, new_rows), (columns, new_columns) = _ratios(source, size)
        shares = rows * columns
        is_exact = shares & (shares - 1) == 0 or shares % 2 == 1
        shrinks = rows >= new_rows and columns >= new_columns
        return shrinks and (new_rows, new_columns) != (1, 1) and max(rows, columns) <= _LARGEST and is_exact

    def __call__(self, image, out):
        """Write an image, uint8 (height, width, 3), at the other size into `out`, uint8, in one piece."""
        parts = image.reshape(-1, self._rows, self._low.shape[2])
        out = out.reshape(len(parts) * self._new_rows, -1)
        for start in range(0, len(parts), self._strip):
            low = self._shrink_rows(parts[start : start + self._strip])
            small = self._small[: len(low)]
            np.matmul(
                low.reshape(len(low), -1, len(self._across)),
                self._across,
                out=small.reshape(len(low), -1, self._across.shape[1]),
            )
            first = start * self._new_rows
            cv2.convertScaleAbs(small, dst=out[first : first + len(low)])

    def _shrink_rows(self, parts):
        """Return (parts, rows, numbers) of bytes with fewer rows, float32 (parts * new rows, numbers)."""
        low = self._low[: len(parts)]
        if self._new_rows > 1:
            floats = self._floats[: len(parts)]
            np.copyto(floats, parts)
            np.matmul(self._down, floats, out=low)
            return low.reshape(-1, low.shape[2])
        low = low[:, 0]
        if self._rows == 1:
            np.copyto(low, parts[:, 0])
            return low
        cv2.add(parts[:, 0], parts[:, 1], dst=low, dtype=cv2.CV_32F)
        for row in range(2, self._rows):
            low += parts[:, row]
        return low


def _ratios(source, size):
    """Return the numbers of rows and of columns, each as whole numbers (before, after) that are as small as can be."""
    return [fractions.Fraction(*lengths).as_integer_ratio() for lengths in zip(source, size, strict=True)]


def _weights(before, after):
    """Return the share of each of `before` pixels in each of `after`, float32 (after, before)."""
    # In units of 1 / (before * after).
    starts, new_starts = np.arange(before) * after, np.arange(after)[:, None] * before
    common = np.minimum(starts + after, new_starts + before) - np.maximum(starts, new_starts)
    return (common.clip(0) / before).astype(np.float32)
