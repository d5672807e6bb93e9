"""The confusion matrix as a picture."""

import numpy as np
from PIL import Image, ImageDraw

from keras_liteseg.drawing.text import FAINT, INK, draw_text, draw_upright, width_of

RIGHT, WRONG = (8, 76, 140), (196, 78, 4)
"""Full colours of the diagonal and of the other cells: blue and orange, which colour-blind people can tell apart."""
GREY = (236, 236, 238)
CELL, SMALL_CELL = 44, 14
MOST_NUMBERS = 40
TEXT, NUMBER = 16, 14
GAP = 12
ROWS, SHARE = "ground truth", "share of the ground truth"


def confusion_picture(matrix, classes):
    """Draw a confusion matrix whose rows (ground truth) add up to 100 %.

    Blue cells count pixels that were assigned the right class, orange cells those that were assigned another one. The
    number in a cell is its share of the row in percent; it is left out where it rounds to 0. The row of a class that
    does not occur in the ground truth is grey. The column on the right is the share of each class in the ground truth.
    With more than `MOST_NUMBERS` classes, the cells are too small for numbers.

    Args:
        matrix: pixels, integers (num_classes, num_classes), rows ground truth, columns predictions.
        classes: a `ClassList`.

    Returns:
        RGB, uint8 (height, width, 3).
    """
    count = len(classes)
    in_truth = matrix.sum(axis=1)
    shares = matrix / np.maximum(in_truth, 1)[:, None]
    cell = CELL if count <= MOST_NUMBERS else SMALL_CELL
    text = TEXT if count <= MOST_NUMBERS else SMALL_CELL - 2
    names = max(width_of(name, text) for name in classes.names) + GAP
    left = 3 * GAP + max(names, width_of(ROWS, TEXT))
    top = 5 * GAP + TEXT + max(names, width_of(SHARE, text) + GAP)
    side = cell * count
    column = width_of("100.0 %", NUMBER) + GAP
    title = "What the pixels of each class were predicted as, in percent of the class"
    width = max(left + side + GAP + column + GAP, width_of(title, TEXT + 4) + 2 * GAP)
    canvas = Image.new("RGB", (width, top + side + 2 * GAP), "white")
    draw = ImageDraw.Draw(canvas)

    draw_text(canvas, (GAP, 2 * GAP), title, TEXT + 4)
    draw_text(canvas, (left, 3 * GAP + TEXT), "predicted as", TEXT, FAINT)
    draw_text(canvas, (left - GAP, top - GAP), ROWS, TEXT, FAINT, "rm")
    draw_upright(canvas, (left + side + GAP + column // 2, top - GAP), SHARE, text, FAINT)
    draw.rectangle((left - 1, top - 1, left + side - 1, top + side - 1), GREY)  # shows between the cells
    for row, name in enumerate(classes.names):
        y = top + row * cell
        middle = y + cell // 2
        draw_upright(canvas, (left + row * cell + cell // 2, top - GAP), name, text)
        draw_text(canvas, (left - GAP, middle), name, text, INK if in_truth[row] else FAINT, "rm")
        share = f"{100 * in_truth[row] / max(in_truth.sum(), 1):.1f} %"
        draw_text(canvas, (left + side + GAP + column, middle), share, min(text, NUMBER), FAINT, "rm")
        if not in_truth[row]:
            draw_text(canvas, (left + GAP, middle), "absent", min(text, NUMBER), FAINT)
            continue
        for col in range(count):
            x, color = left + col * cell, _color(shares[row, col], row == col)
            draw.rectangle((x, y, x + cell - 2, y + cell - 2), color)
            if cell == CELL:
                number = _number(shares[row, col])
                draw_text(canvas, (x + cell // 2, middle), number, NUMBER, _readable_on(color), "mm")
    return np.array(canvas)


def _color(share, right):
    """Return a colour from white for 0 to the full colour for 1; the square root makes small confusions visible."""
    strength = share**0.5
    return tuple(round(255 + (channel - 255) * strength) for channel in (RIGHT if right else WRONG))


def _number(share):
    """Return a share in whole percent: '' where it rounds to 0, and 100 only for an exact 1."""
    percent = round(100 * share)
    return "" if percent == 0 else str(percent if share == 1 else min(percent, 99))


def _readable_on(color):
    red, green, blue = color
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else INK
