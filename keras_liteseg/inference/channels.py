"""Resizing maps of many classes, of which OpenCV takes 128 at a time."""

import cv2
import numpy as np

_MOST = 128


def resize_channels(values, size):
    """Return values, float32 (height, width, channels), resized bilinearly to `size` (height, width)."""
    groups = [np.ascontiguousarray(values[..., first : first + _MOST]) for first in range(0, values.shape[-1], _MOST)]
    # OpenCV drops the axis of a single channel.
    resized = [cv2.resize(group, size[::-1], interpolation=cv2.INTER_LINEAR).reshape(*size, -1) for group in groups]
    return resized[0] if len(resized) == 1 else np.concatenate(resized, axis=-1)
