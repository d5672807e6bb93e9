"""CVAT for images 1.1: annotations.xml with polygons, boxes, ellipses and masks.

Shapes are drawn by their z_order, then in the order of the file, as CVAT's own exporters draw them: polygons and
boxes by the rule of pycocotools, ellipses by that of OpenCV. A mask is run lengths along the rows of its box.
"""

import collections
import functools
import pathlib
import xml.etree.ElementTree as ElementTree

import numpy as np

from keras_liteseg.datasets.formats import shapes
from keras_liteseg.datasets.formats.base import UNLABELED, Export, Sample, colored, hex_color, split_of
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

TITLE = "CVAT for images 1.1 (annotations.xml)"
_DRAWN = ("polygon", "box", "ellipse", "mask")


def recognised(source):
    return bool(_files(source))


def _files(source):
    found = []
    for path in source.files("*.xml"):
        with path.open("rb") as file:
            if b"<annotations>" in file.read(200):
                found.append(path)
    return found


def read(source):
    classes, samples, left_out = {}, [], collections.Counter()
    files = _files(source)
    for path in files:
        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise Problem(path, f"cannot be read as XML ({error})", "export it again") from error
        if root.find("track") is not None:
            raise UserError(f"{path} is 'CVAT for video'; export it from CVAT as 'CVAT for images 1.1'.")
        for label in root.iterfind("meta//labels/label"):
            if label.find("parent") is None or not label.findtext("parent"):
                name = label.findtext("name")
                classes.setdefault(name, colored(name, hex_color(label.findtext("color"))))
        for image in root.iterfind("image"):
            name, subset = image.get("name"), image.get("subset") or ""
            marks = [mark for mark in image if mark.tag in _DRAWN]
            left_out.update(f"shapes of the kind {mark.tag}" for mark in image if mark.tag not in (*_DRAWN, "tag"))
            for mark in marks:
                if mark.get("label") not in classes:
                    raise Problem(
                        path, f"has a shape of '{mark.get('label')}', which it does not list", "export it again"
                    )
            picture = source.find(name, (subset,))
            draw = functools.partial(_draw, path, image, sorted(marks, key=_z_order), tuple(classes))
            split = split_of(subset) or split_of(*pathlib.PurePosixPath(name).parts[:-1])
            samples.append(Sample(str(source.relative(picture).with_suffix("")), picture, split, draw))
    notes = [f"Left out {count} {what}." for what, count in left_out.items()]
    notes.append("Where shapes overlap, that of the higher z_order is on top, then the later one.")
    return Export(list(classes.values()), samples, notes, drawn=True)


def _z_order(mark):
    return int(mark.get("z_order", 0))


def _draw(path, image, marks, names, size):
    size = int(image.get("height") or size[0]), int(image.get("width") or size[1])
    labels = np.full(size, UNLABELED, np.int16)
    for mark in marks:
        with shapes.drawing(path, f"a shape ({mark.tag}) on {image.get('name')}"):
            labels[_mask(mark, size)] = names.index(mark.get("label"))
    return labels


def _mask(mark, size):
    def value(name):
        return float(mark.get(name))

    degrees = float(mark.get("rotation", 0))
    if mark.tag == "polygon":
        points = [[float(number) for number in point.split(",")] for point in mark.get("points").split(";")]
        return shapes.coco_polygon(points, size)
    if mark.tag == "box":
        corners = shapes.box(value("xtl"), value("ytl"), value("xbr"), value("ybr"))
        return shapes.coco_polygon(shapes.rotated(corners, corners.mean(axis=0), degrees), size)
    if mark.tag == "ellipse":
        return shapes.opencv_ellipse((value("cx"), value("cy")), (value("rx"), value("ry")), degrees, size)
    counts = [int(number) for number in mark.get("rle").split(",")]
    small = shapes.runs(counts, (int(mark.get("height")), int(mark.get("width"))))
    return shapes.paste(small, int(mark.get("left")), int(mark.get("top")), size)
