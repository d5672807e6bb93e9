"""How much the labels of a video flicker."""

import math
import reprlib

import cv2
import numpy as np

from keras_liteseg.drawing.overlay import require_same_size
from keras_liteseg.errors import UserError
from keras_liteseg.inference.predictor import require_image


class Flicker:
    """Share of labels that change from one frame to the next where the picture does not.

    The picture counts as unchanged at a pixel where no channel changes by more than `most` after a light blur, which
    keeps noise from counting as change.

    Args:
        most: difference of the blurred channels, of 255.
    """

    def __init__(self, most=8):
        self._most = most
        self._before = None
        self._still = self._changed = 0

    def update(self, image, labels):
        """Add a frame, uint8 (height, width, 3), and its label map (height, width), of one size for all frames.

        Raises:
            UserError: one of them is something else, or they differ in size from one another or from the frame before.
        """
        require_image(image)
        if not isinstance(labels, np.ndarray):
            raise UserError(f"The label map is {reprlib.repr(labels)}; give an array, (height, width).")
        require_same_size(image, labels)
        if self._before is not None and self._before[1].shape != labels.shape:
            raise UserError(
                f"The frame has {image.shape[0]}x{image.shape[1]} pixels and the one before "
                f"{'x'.join(map(str, self._before[1].shape))}; begin another Flicker for another video."
            )
        blurred = cv2.GaussianBlur(image, (5, 5), 0)
        if self._before is not None:
            blurred_before, labels_before = self._before
            still = cv2.absdiff(blurred, blurred_before).max(axis=2) <= self._most
            self._still += int(np.count_nonzero(still))
            self._changed += int(np.count_nonzero(still & (labels != labels_before)))
        self._before = blurred, labels.copy()

    @property
    def share(self):
        """Changed labels by all labels whose pixel is unchanged, 0 to 1; nan where there is none."""
        return self._changed / self._still if self._still else math.nan
