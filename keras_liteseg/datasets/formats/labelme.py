"""labelme: one JSON file per picture with polygons, rectangles, circles, lines, points and masks.

Shapes are drawn in their order, later ones on top, with Pillow as labelme does: borders included, lines 10 pixels
wide, a point as a disc of radius 5. `__ignore__` is ignored and `_background_` the background.
"""

import base64
import collections
import functools
import io
import math

import numpy as np
from PIL import Image

from keras_liteseg.datasets.formats import shapes
from keras_liteseg.datasets.formats.base import (
    IGNORED,
    UNLABELED,
    Export,
    Sample,
    is_background,
    named,
    read_class_list,
    read_json,
    split_of,
)
from keras_liteseg.datasets.pictures import Problem

TITLE = "labelme (a JSON file per picture)"
_IGNORE = "__ignore__"
_DRAWN = ("polygon", "rectangle", "oriented_rectangle", "circle", "line", "linestrip", "point", "mask")


def recognised(source):
    """Tell by the first few JSON files."""
    return any(_is_labelme(read_json(path)) for path in source.files("*.json")[:20])


def _is_labelme(content):
    return isinstance(content, dict) and "shapes" in content and "imagePath" in content


def read(source):
    contents = {path: read_json(path) for path in source.files("*.json")}
    contents = {path: content for path, content in contents.items() if _is_labelme(content)}
    found = collections.Counter(shape["label"] for content in contents.values() for shape in content["shapes"])
    notes = []
    classes = source.classes or _listed(source, notes)
    if not classes:
        names = sorted(name for name in found if name != _IGNORE)
        classes = named(sorted(names, key=lambda name: not is_background(name)))
        notes.append(
            "The classes are the labels that occur, by the alphabet; labels.txt or --classes sets another order."
        )
    numbers = {entry["name"]: number for number, entry in enumerate(classes)} | {_IGNORE: IGNORED}
    if found[_IGNORE]:
        notes.append(f"{found[_IGNORE]} shapes of {_IGNORE} are ignored.")
    samples, left_out = [], collections.Counter()
    for path, content in contents.items():
        for shape in content["shapes"]:
            if shape["label"] not in numbers:
                raise Problem(
                    path,
                    f"has a shape of '{shape['label']}', which the list of classes lacks",
                    "add it to the list, and to --ignore if it is not to be a class",
                )
            if (shape.get("shape_type") or "polygon") not in _DRAWN:
                left_out[f"shapes of the kind {shape['shape_type']}, which have no area"] += 1
        picture = path.parent / content["imagePath"].replace("\\", "/")
        if not picture.is_file():
            picture = source.find(content["imagePath"], path.relative_to(source.root).parts)
        image = (
            base64.b64decode(content["imageData"]) if content.get("imageData") and not picture.is_file() else picture
        )
        name = str(path.relative_to(source.root).with_suffix(""))
        draw = functools.partial(_draw, path, content, numbers)
        samples.append(Sample(name, image, split_of(*path.relative_to(source.root).parts[:-1]), draw))
    notes += [f"Left out {count} {what}." for what, count in left_out.items()]
    return Export(classes, samples, notes, drawn=True)


def _listed(source, notes):
    for path in source.files("labels.txt"):
        notes.append(f"The classes are those of {path.name}.")
        return read_class_list(path)
    return None


def _draw(path, content, numbers, size):
    size = content.get("imageHeight") or size[0], content.get("imageWidth") or size[1]
    labels = np.full(size, UNLABELED, np.int16)
    for shape in content["shapes"]:
        if (shape.get("shape_type") or "polygon") in _DRAWN:
            with shapes.drawing(path, f"a shape of '{shape['label']}'", "correct it"):
                labels[_mask(shape, size)] = numbers[shape["label"]]
    return labels


def _mask(shape, size):
    kind, points = shape.get("shape_type") or "polygon", [tuple(point) for point in shape["points"]]
    if kind == "mask":
        small = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))) > 0
        left, top = (round(value) for value in points[0])
        return shapes.paste(small, left, top, size)
    if kind in ("polygon", "oriented_rectangle"):
        return shapes.pillow(size, lambda draw: draw.polygon(points, fill=1, outline=1))
    if kind == "rectangle":
        corners = [tuple(np.min(points, axis=0)), tuple(np.max(points, axis=0))]
        return shapes.pillow(size, lambda draw: draw.rectangle(corners, fill=1, outline=1))
    if kind in ("line", "linestrip"):
        return shapes.pillow(size, lambda draw: draw.line(points, fill=1, width=10, joint="curve"))
    (x, y), radius = points[0], 5 if kind == "point" else math.dist(*points)
    return shapes.pillow(
        size, lambda draw: draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1, outline=1)
    )
