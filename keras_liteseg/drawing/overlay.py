"""Label maps as pictures. All pictures are RGB, uint8 (height, width, 3); all label maps integers (height, width)."""

import cv2
import numpy as np
from PIL import Image

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path, require_writable, suffix_of

SIGNAL = (255, 64, 32)
"""Colour of the pixels that `highlight` points out."""

PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
"""OpenCV's options for PNG: as small as by Pillow's level 4, in less than half of the time."""

JPEG = {"quality": 90, "subsampling": 0}
"""Pillow's options for JPEG; at half the resolution, colours would run over the outlines."""

_BAND = 2**18  # pixels that are handled at once: they stay in the processor's cache, whatever the picture's size
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def colorize(labels, classes):
    """Return the label map in the colours of a `ClassList`, black where it is `IGNORE_LABEL`.

    Raises:
        UserError: a label that is neither a class nor `IGNORE_LABEL`.
    """
    return cv2.applyColorMap(_checked(labels, classes), _palette(classes))


def _palette(classes):
    palette = np.zeros((IGNORE_LABEL + 1, 1, 3), np.uint8)
    palette[: len(classes), 0] = classes.colors
    return palette


def overlay(image, labels, classes, opacity=0.55, out=None):
    """Return `image` under the colours of `labels`, with each region outlined in the full colour of its class.

    Pixels of `IGNORE_LABEL` show the image alone. Halves are rounded to either side.

    Args:
        opacity: of the colours inside the outline, 0 to 1.
        out: memory for the result, as large as `image`, which it may be; without, the result is a new array.

    Raises:
        UserError: image and label map differ in size, or a label is not a class.
    """
    require_same_size(image, labels)
    labels, palette = _checked(labels, classes), _palette(classes)
    result = np.empty(image.shape, np.uint8) if out is None else out
    height, width = labels.shape
    band = max(1, _BAND // max(1, width))
    for top in range(0, height, band):
        bottom, above = min(top + band, height), max(top - 1, 0)
        rows, under, drawn = labels[top:bottom], image[top:bottom], result[top:bottom]
        colors = cv2.applyColorMap(rows, palette)
        if rows.max(initial=0) == IGNORE_LABEL:
            cv2.copyTo(under, cv2.compare(rows, IGNORE_LABEL, cv2.CMP_EQ), colors)
        # Both sides of every edge between labels, but not the rim of the map.
        edges = cv2.morphologyEx(labels[above : bottom + 1], cv2.MORPH_GRADIENT, _CROSS)[top - above :][: len(rows)]
        cv2.addWeighted(under, 1 - opacity, colors, opacity, 0, dst=drawn)
        cv2.copyTo(colors, edges, drawn)
    return result


def highlight(image, where):
    """Return `image` in pale grey with the pixels of `where`, bool (height, width), in `SIGNAL`.

    Raises:
        UserError: image and `where` differ in size.
    """
    require_same_size(image, where)
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)[..., None]
    pale = np.broadcast_to(130 + 0.45 * grey, image.shape)
    strength = np.asarray(where, np.float32)[..., None]
    return np.rint((1 - strength) * pale + strength * np.array(SIGNAL)).astype(np.uint8)


def require_picture(path):
    """Find out before long work that `save_image` cannot write a picture after it.

    Raises:
        UserError: it cannot.
    """
    _picture_suffix(path)
    require_writable(path)


def _picture_suffix(path):
    suffix = suffix_of(path)
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"Cannot write {path}: the suffix of a picture must be .png, .jpg or .jpeg.")
    return suffix


def save_image(path, rgb):
    """Write a picture as PNG or JPEG, by the suffix of `path`.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    suffix = _picture_suffix(path)
    with atomic_path(path) as temporary:
        if suffix == ".png":
            # Into memory first, because OpenCV itself says nothing of a full disk.
            pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if rgb.ndim == 3 else rgb
            temporary.write_bytes(cv2.imencode(".png", pixels, PNG + _png_filter(rgb))[1])
        else:
            Image.fromarray(rgb).save(temporary, **JPEG)


def _png_filter(pixels):
    """Return the option for the filter that makes a picture or a label map small."""
    if not hasattr(cv2, "IMWRITE_PNG_FILTER"):  # older releases of OpenCV always take the same
        return []
    return [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH if pixels.ndim == 3 else cv2.IMWRITE_PNG_FILTER_UP]


def _checked(labels, classes):
    """Return a label map as uint8; raise a UserError where a label is neither a class nor `IGNORE_LABEL`."""
    labels = np.asarray(labels)
    if labels.dtype == np.uint8 and labels.max(initial=0) < len(classes):
        return labels
    counted = labels[labels != IGNORE_LABEL]
    if counted.size and not 0 <= counted.min() <= counted.max() < len(classes):
        raise UserError(
            f"A label map has labels from {counted.min()} to {counted.max()}, but there are {len(classes)} classes; "
            f"labels go from 0 to {len(classes) - 1}, and {IGNORE_LABEL} is for pixels without a class."
        )
    return labels.astype(np.uint8)


def require_same_size(image, labels):
    """Raise a UserError when an image and a label map differ in height or width."""
    if image.shape[:2] != labels.shape:
        raise UserError(
            f"The image has {image.shape[0]}x{image.shape[1]} pixels and the label map "
            f"{'x'.join(map(str, labels.shape))}; resize one of them to the other."
        )
