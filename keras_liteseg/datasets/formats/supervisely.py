"""Supervisely's own format: meta.json, DATASET/img/NAME and DATASET/ann/NAME.json.

Objects are drawn in their order, later ones on top, as Supervisely draws them: polygons of whole pixels by the rule of
OpenCV, holes with their borders cleared. A bitmap is a PNG packed with zlib in base64; its origin is (x, y).
"""

import base64
import collections
import functools
import io
import zlib

import numpy as np
from PIL import Image

from keras_liteseg.datasets.formats import shapes
from keras_liteseg.datasets.formats.base import UNLABELED, Export, Sample, colored, hex_color, read_json, split_of
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

TITLE = "Supervisely (meta.json, ann and img folders)"
_DRAWN = ("bitmap", "polygon", "rectangle")


def recognised(source):
    return any(
        "classes" in content for content in map(read_json, source.files("meta.json")) if isinstance(content, dict)
    )


def read(source):
    meta = read_json(source.files("meta.json")[0])
    classes = [colored(entry["title"], hex_color(entry.get("color"))) for entry in meta["classes"]]
    numbers = {entry["name"]: number for number, entry in enumerate(classes)}
    annotations = [path for path in source.files("*.json") if path.parent.name == "ann"]
    if not annotations:
        raise UserError(
            f"{source.root} has no folder 'ann'; the masks that Supervisely exports have a colour per object: "
            f"export in 'Supervisely format'."
        )
    samples, left_out = [], collections.Counter()
    for path in annotations:
        content = read_json(path)
        left_out.update(entry["geometryType"] for entry in content["objects"] if entry["geometryType"] not in _DRAWN)
        objects = [entry for entry in content["objects"] if entry["geometryType"] in _DRAWN]
        for entry in objects:
            if entry["classTitle"] not in numbers:
                raise Problem(
                    path, f"has an object of '{entry['classTitle']}', which meta.json lacks", "export it again"
                )
        picture = path.parent.parent / "img" / path.stem
        if not picture.is_file():
            picture = source.find(path.stem, (path.parent.parent.name,))
        draw = functools.partial(_draw, path, content["size"], objects, numbers)
        name = str(path.parent.parent.relative_to(source.root) / picture.stem)
        samples.append(Sample(name, picture, split_of(*path.relative_to(source.root).parts[:-2]), draw))
    notes = [f"Left out {count} objects of the kind {kind}." for kind, count in left_out.items()]
    return Export(classes, samples, notes, drawn=True)


def _draw(path, declared, objects, numbers, size):
    size = declared["height"], declared["width"]
    labels = np.full(size, UNLABELED, np.int16)
    for entry in objects:
        with shapes.drawing(path, f"an object of '{entry['classTitle']}'"):
            labels[_mask(entry, size)] = numbers[entry["classTitle"]]
    return labels


def _mask(entry, size):
    if entry["geometryType"] == "bitmap":
        bitmap = entry["bitmap"]
        image = Image.open(io.BytesIO(zlib.decompress(base64.b64decode(bitmap["data"]))))
        small = np.asarray(image.getchannel("A") if image.mode in ("RGBA", "LA") else image) > 0
        return shapes.paste(small, bitmap["origin"][0], bitmap["origin"][1], size)
    outline = np.rint(np.array(entry["points"]["exterior"], np.float64))
    if entry["geometryType"] == "rectangle":
        outline = shapes.box(*outline.min(axis=0), *outline.max(axis=0))
    holes = [np.rint(np.array(hole, np.float64)) for hole in entry["points"].get("interior") or ()]
    return shapes.opencv_polygon([outline], size, holes)
