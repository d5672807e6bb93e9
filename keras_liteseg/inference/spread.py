"""Maps of bytes at other sizes."""

import cv2
import numpy as np


class Spread:
    """Repeats or leaves out rows and columns of a map of bytes.

    Args:
        shape: of the map, (height, width).
        rows, columns: numbers of those that the result has.
    """

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
