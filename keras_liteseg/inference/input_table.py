"""Pictures as a network's input, by a table instead of arithmetic."""

import cv2
import numpy as np

from keras_liteseg.datasets.augment import resize_image
from keras_liteseg.inference.predictor import prepare
from keras_liteseg.inference.shrinking import Shrinking
from keras_liteseg.inference.tensors import to_tensor


class InputTable:
    """Writes images into a network's input.

    A byte of a channel always becomes the same number, so for 8-bit RGB all 256 are computed once, by `prepare` and
    `to_tensor`, and every picture has exactly the numbers that these two would give. Other images go through the two.

    Args:
        metadata: the network's `Metadata`.
        details: of the input, as LiteRT's `get_input_details` has them: shape, number type and scale.
    """

    def __init__(self, metadata, details):
        self._size = tuple(int(length) for length in details["shape"][1:3])
        self._metadata, self._details = metadata, details
        if metadata.image_format.is_rgb:
            self._table = _as_bytes(byte_table(metadata, details)[None])
            self._is_one = bool((self._table == self._table[..., :1]).all())  # for all channels
            self._memory = np.empty((*self._size, 3), np.uint8)
            self._source, self._shrinking = None, None

    def write(self, image, batch):
        """Write an image (h, w, channels) of any size into all of `batch`, the input's type (pictures, height, width,
        channels)."""
        if self._metadata.image_format.is_rgb:
            resized, numbers, table = self._resized(image), _as_bytes(batch[0]), self._table
            if self._is_one:  # which takes half of the time
                rows = len(resized)
                resized, numbers, table = resized.reshape(rows, -1), numbers.reshape(rows, -1), table[0, :, 0]
            cv2.LUT(resized, table, dst=numbers)
        else:
            batch[0] = to_tensor(prepare(image, self._size, self._metadata), self._details)[0]
        batch[1:] = batch[0]

    def _resized(self, image):
        source = image.shape[:2]
        if source != self._source:
            self._shrinking = Shrinking(source, self._size) if Shrinking.applies(source, self._size) else None
            self._source = source
        if self._shrinking is None:
            return resize_image(image, self._size, self._memory)
        self._shrinking(image, self._memory)
        return self._memory


def byte_table(metadata, details):
    """Return what each byte of red, green and blue becomes in an input, (256, 3) of the input's type.

    Args:
        metadata, details: as `InputTable` has them.
    """
    values = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    return to_tensor(prepare(values, (1, 256), metadata), details)[0, 0]


def _as_bytes(array):
    """Return an int8 array as uint8 of the same bits, the only bytes that OpenCV's tables know."""
    return array.view(np.uint8) if array.dtype == np.int8 else array
