"""Drawing shapes exactly as the annotation tools do. All masks are bool (height, width)."""

import contextlib

import cv2
import numpy as np
from PIL import Image, ImageDraw

from keras_liteseg.datasets.pictures import Problem


@contextlib.contextmanager
def drawing(path, shape, cure="export it again"):
    """Tell whatever goes wrong inside as a `Problem` of the file at `path` with a shape, named in a few words."""
    try:
        yield
    except Exception as error:  # OpenCV, Pillow and zlib have their own, and a shape may hold anything
        why = " ".join(str(error).split())
        raise Problem(path, f"has {shape}, which cannot be drawn ({why})", cure) from error


def coco_polygon(points, size):
    """Fill a polygon by the rule of pycocotools, which CVAT and Label Studio hand their polygons to.

    The outline is sampled at a fifth of a pixel; a pixel is inside where its centre is. The square (10, 10) to
    (20, 20) has 100 pixels. This is rleFrPoly of pycocotools 2.0.11, step by step.

    Args:
        points: x and y of the corners, float (n, 2), in pixels.
        size: (height, width).
    """
    height, width = size
    corners = np.trunc(5 * np.asarray(points, np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
    x, y = _outline(corners)
    steps = np.flatnonzero(x[1:] != x[:-1])
    before, after = x[steps], x[steps + 1]
    columns = (np.where(after < before, after, after - 1) + 0.5) / 5 - 0.5
    inside = (np.floor(columns) == columns) & (columns >= 0) & (columns <= width - 1)
    rows = (np.minimum(y[steps], y[steps + 1]) + 0.5) / 5 - 0.5
    rows = np.ceil(np.clip(rows, 0, height))
    toggles = (columns * height + rows)[inside].astype(np.int64)
    flat = np.zeros(height * width, np.uint8)
    if len(toggles):
        first, last = toggles.min(), toggles.max() if len(toggles) % 2 == 0 else len(flat)
        odd = np.bincount(toggles - first)[: last - first] & 1
        flat[first : first + len(odd)] = np.bitwise_xor.accumulate(odd.astype(np.uint8))
        flat[first + len(odd) : last] = 1  # after the last of an odd number of toggles
    return flat.reshape(width, height).T.astype(bool)


def _outline(corners):
    """Return x and y of points along the closed outline, at every unit of the longer direction of each edge."""
    start, end = corners, np.roll(corners, -1, axis=0)
    wide = np.abs(end - start)[:, 0] >= np.abs(end - start)[:, 1]
    long = np.where(wide, 0, 1)
    edges = np.arange(len(corners))
    flipped = start[edges, long] > end[edges, long]
    low, high = np.where(flipped[:, None], end, start), np.where(flipped[:, None], start, end)
    length = high[edges, long] - low[edges, long]
    slope = (high - low)[edges, 1 - long] / np.maximum(length, 1)
    edge = np.repeat(edges, length + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(length + 1) - length - 1, length + 1)
    step = np.where(flipped[edge], length[edge] - step, step)
    along = low[edge, long[edge]] + step
    across = np.trunc(low[edge, 1 - long[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(wide[edge], along, across), np.where(wide[edge], across, along)


def coco_rle(counts, size):
    """Return the mask of run lengths of COCO: down the columns, beginning with zeros.

    Args:
        counts: list of the lengths, or pycocotools' text of them.
        size: (height, width).

    Raises:
        ValueError: the runs do not add up to the size.
    """
    return runs(_decoded(counts) if isinstance(counts, str) else counts, size[::-1]).T


def runs(counts, size):
    """Return the mask of run lengths along the rows, beginning with zeros.

    Raises:
        ValueError: the runs do not add up to the size.
    """
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"its runs add up to {sum(counts)} pixels and not to {size[0] * size[1]}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size)


def _decoded(text):
    """Return the run lengths of pycocotools' text: numbers of 5 bits a letter, from the third on as differences."""
    counts, place = [], 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            letter = ord(text[place]) - 48
            value |= (letter & 31) << shift
            more = bool(letter & 32)
            place, shift = place + 1, shift + 5
            if not more and letter & 16:
                value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def pillow(size, draw):
    """Return the mask on which `draw`, a function of a Pillow drawing, has drawn with 1."""
    mask = Image.new("L", size[::-1])
    draw(ImageDraw.Draw(mask))
    return np.asarray(mask, bool)


def opencv_polygon(outlines, size, holes=()):
    """Fill polygons of whole pixels by the rule of OpenCV, borders included; then clear the holes likewise."""
    mask = np.zeros(size, np.uint8)
    for polygons, value in ((outlines, 1), (holes, 0)):
        for polygon in polygons:
            cv2.fillPoly(mask, [np.asarray(polygon, np.int32)], value)
    return mask.astype(bool)


def opencv_ellipse(center, radii, degrees, size):
    """Fill an ellipse as CVAT does: centre and radii rounded to whole pixels, by the rule of OpenCV."""
    mask = np.zeros(size, np.uint8)
    center, radii = ((round(x), round(y)) for x, y in (center, radii))
    cv2.ellipse(mask, center, radii, degrees, 0, 360, 1, thickness=-1)
    return mask.astype(bool)


def ellipse(center, radii, degrees, size):
    """Fill an ellipse where the centre of a pixel is inside of it; `degrees` as for `rotated`."""
    rows, columns = np.indices(size).reshape(2, -1) + 0.5
    x, y = ((rotated(np.stack([columns, rows], -1), center, -degrees) - center) / radii).T
    return (x * x + y * y <= 1).reshape(size)


def rotated(points, center, degrees):
    """Return points (n, 2) turned clockwise (as seen, y down) round a centre."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (np.asarray(points, np.float64) - center) @ turn.T + center


def box(left, top, right, bottom):
    """Return the corners of a box."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def paste(mask, left, top, size):
    """Return a mask of `size` that holds a smaller one, cut off where it reaches over the borders."""
    whole = np.zeros(size, bool)
    x, y = max(-left, 0), max(-top, 0)
    part = mask[y : max(size[0] - top, 0), x : max(size[1] - left, 0)]
    whole[top + y : top + y + part.shape[0], left + x : left + x + part.shape[1]] = part
    return whole
