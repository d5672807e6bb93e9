"""Label maps as pictures. All pictures are RGB, uint8 (height, width, 3); all label maps integers (height, width)."""

import pathlib

import cv2
import numpy as np
from PIL import Image

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path

SIGNAL = (255, 64, 32)
"""Colour of the pixels that `highlight` points out."""

PNG = {"compress_level": 4}
"""Pillow's options for PNG: as small as by default, level 6, on photographs, in a third of the time."""

JPEG = {"quality": 90, "subsampling": 0}
"""Pillow's options for JPEG; at half the resolution, colours would run over the outlines."""

_STRIP = 1024  # rows that are drawn at once

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def colorize(labels, classes):
    """Return the label map in the colours of a `ClassList`, black where it is `IGNORE_LABEL`.

    Raises:
        UserError: a label that is neither a class nor `IGNORE_LABEL`.
    """
    palette = np.zeros((IGNORE_LABEL + 1, 1, 3), np.uint8)
    palette[: len(classes), 0] = classes.colors
    return cv2.applyColorMap(_checked(labels, classes), palette)


def overlay(image, labels, classes, opacity=0.55):
    """Return `image` under the colours of `labels`, with each region outlined in the full colour of its class.

    Pixels of `IGNORE_LABEL` show the image alone. Halves are rounded to either side.

    Args:
        opacity: of the colours inside the outline, 0 to 1.

    Raises:
        UserError: image and label map differ in size, or a label is not a class.
    """
    require_same_size(image, labels)
    labels = _checked(labels, classes)
    result = np.empty_like(image)
    # In strips, so that large pictures take no more memory than their result.
    for top in range(0, len(labels), _STRIP):
        part, shown = result[top : top + _STRIP], labels[top : top + _STRIP]
        colors = colorize(shown, classes)
        cv2.addWeighted(image[top : top + _STRIP], 1 - opacity, colors, opacity, 0, dst=part)
        # Both sides of every edge between labels, but not the rim of the map.
        start = max(0, top - 1)
        edges = cv2.morphologyEx(labels[start : top + _STRIP + 1], cv2.MORPH_GRADIENT, _CROSS)
        cv2.copyTo(colors, edges[top - start :][: len(part)], part)
        if shown.max() == IGNORE_LABEL:
            cv2.copyTo(image[top : top + _STRIP], cv2.compare(shown, IGNORE_LABEL, cv2.CMP_EQ), part)
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


def save_image(path, rgb):
    """Write a picture as PNG or JPEG, by the suffix of `path`.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"Cannot write {path}: the suffix of a picture must be .png, .jpg or .jpeg.")
    with atomic_path(path) as temporary:
        Image.fromarray(rgb).save(temporary, **(PNG if suffix == ".png" else JPEG))


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
