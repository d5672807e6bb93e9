"""Images of any kind as a screen shows them."""

import numpy as np


def viewable(image, image_format):
    """Return an image (height, width, channels) as RGB, uint8 (height, width, 3).

    8-bit RGB stays as it is. Of other images, one channel or the first of two becomes grey, and the first three of
    more become red, green and blue. Numbers of 16 bits are stretched so that the 1st and the 99th percentile of the
    image are black and white.

    Args:
        image_format: the `ImageFormat` of the image.
    """
    if image_format.is_rgb:
        return image
    shown = image[..., :3] if image_format.channels >= 3 else image[..., :1].repeat(3, axis=2)
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown)
    low, high = np.percentile(shown, (1, 99))
    return np.rint(np.clip((shown - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)
