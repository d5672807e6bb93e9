"""How much the labels of a video flicker."""

import math

import cv2
import numpy as np

from keras_liteseg.drawing.overlay import require_same_size


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
            UserError: image and label map differ in size.
        """
        require_same_size(image, labels)
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
