"""One image, its ground truth, its prediction and the wrong pixels, side by side."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from keras_liteseg.datasets.augment import resize_image
from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.drawing.overlay import highlight, overlay
from keras_liteseg.drawing.text import FAINT, draw_text, width_of

CAPTIONS = ("picture", "ground truth", "prediction", "wrong pixels")
LEAST, MOST = 320, 640
"""The smallest width of a panel, and its largest width and height, in pixels; images are resized to fit."""
GAP, TITLE, TEXT = 10, 20, 16


def failure_picture(title, image, truth, labels, classes):
    """Draw an image, the same image under its ground truth and under its prediction, and the pixels where these differ.

    Ignored pixels of the ground truth have no colour in the second panel, and never count as wrong in the last. The
    names of the classes that occur are below the panels.

    Args:
        title: line above the panels.
        image: uint8 (height, width, 3).
        truth, labels: label maps of ground truth and prediction, uint8 (height, width).
        classes: a `ClassList`.

    Returns:
        RGB, uint8 (height, width, 3).
    """
    occurring = sorted({*np.unique(truth), *np.unique(labels)} - {IGNORE_LABEL})
    height, width = size = _panel_size(image.shape[:2])
    # Resized before drawing, because reducing an overlay would blur its outlines.
    image = resize_image(image, size)
    truth, labels = (cv2.resize(each, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT) for each in (truth, labels))
    wrong = (truth != labels) & (truth != IGNORE_LABEL)
    panels = (image, overlay(image, truth, classes), overlay(image, labels, classes), highlight(image, wrong))

    top = 2 * GAP + TITLE + TEXT + GAP
    full_width = len(panels) * (width + GAP) + GAP
    legend = _legend(occurring, classes, full_width - 2 * GAP)
    lines = 1 + max((line for _, line, _ in legend), default=0)
    canvas = Image.new("RGB", (full_width, top + height + GAP + lines * (TEXT + GAP) + GAP // 2), "white")
    draw_text(canvas, (GAP, GAP + TITLE // 2), title, TITLE)
    for place, (caption, panel) in enumerate(zip(CAPTIONS, panels)):
        x = GAP + place * (width + GAP)
        draw_text(canvas, (x, top - TEXT // 2 - GAP // 2), caption, TEXT, FAINT)
        canvas.paste(Image.fromarray(panel), (x, top))
    for x, line, label in legend:
        y = top + height + GAP + line * (TEXT + GAP)
        ImageDraw.Draw(canvas).rectangle((GAP + x, y, GAP + x + TEXT, y + TEXT), classes.colors[label])
        draw_text(canvas, (GAP + x + TEXT + GAP // 2, y + TEXT // 2), classes.names[label], TEXT)
    return np.array(canvas)


def _panel_size(size):
    """Return the (height, width) of a panel for an image of `size`, in its proportions."""
    height, width = size
    scale = min(max(1.0, LEAST / width), MOST / width, MOST / height)
    return max(1, round(scale * height)), max(1, round(scale * width))


def _legend(labels, classes, width):
    """Return [(x, line, label)]: where the swatch of each class goes, in lines of at most `width`."""
    places, x, line = [], 0, 0
    for label in labels:
        needed = TEXT + GAP // 2 + width_of(classes.names[label], TEXT) + 2 * GAP
        if x and x + needed > width:
            x, line = 0, line + 1
        places.append((x, line, int(label)))
        x += needed
    return places
