"""COCO JSON: polygons and run lengths, as COCO, LVIS, CVAT, Roboflow and many converters write it.

Categories are classes in the order of their ids, which may have gaps. Polygons and run lengths are drawn as pycocotools
draws them, in the order of the file, later ones on top: COCO defines no order, and this is what CVAT shows. Crowd
regions are drawn too, because CVAT writes what was painted with its brush as such.
"""

import collections
import functools

import numpy as np

from keras_liteseg.datasets.formats import shapes
from keras_liteseg.datasets.formats.base import UNLABELED, Export, Sample, coco_categories, named, read_json, split_of
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

TITLE = "COCO JSON with polygons or run lengths"


def recognised(source):
    return bool(_files(source))


def _files(source):
    """Return {path: content} of the JSON files of COCO's form with pixels."""
    found = {}
    for path in source.files("*.json"):
        if _begins_like_coco(path):
            content = read_json(path)
            if _is_coco(content):
                found[path] = content
    return found


def _is_coco(content):
    lists = isinstance(content, dict) and all(isinstance(content.get(key), list) for key in _KEYS)
    return lists and not any("segments_info" in entry for entry in content["annotations"][:1])


_KEYS = ("images", "annotations", "categories")


def _begins_like_coco(path):
    """Tell whether a JSON file may be one, without reading all of thousands of other files."""
    return path.stat().st_size > 200_000 or all(f'"{key}"'.encode() in path.read_bytes() for key in _KEYS)


def read(source):
    contents = _files(source)
    names = {identity: category["name"] for identity, category in coco_categories(contents).items()}
    notes = []
    used = {entry["category_id"] for content in contents.values() for entry in content["annotations"]}
    if 0 in names and 0 not in used and any(path.name == "_annotations.coco.json" for path in contents):
        notes.append(f"Left out the category '{names.pop(0)}': Roboflow's group of all classes, without annotations.")
    numbers = {identity: number for number, identity in enumerate(sorted(names))}
    samples, left_out = [], collections.Counter()
    for path, content in contents.items():
        split = split_of(*path.relative_to(source.root).with_suffix("").parts)
        annotations = collections.defaultdict(list)
        listed = {image["id"] for image in content["images"]}
        for entry in content["annotations"]:
            if entry["category_id"] not in numbers:
                raise Problem(
                    path,
                    f"has an annotation of category {entry['category_id']}, which it does not list",
                    "export it again",
                )
            if entry["image_id"] not in listed:
                left_out["annotations of pictures that the file does not list"] += 1
            elif entry.get("segmentation"):
                annotations[entry["image_id"]].append(entry)
            else:
                left_out["annotations without an outline (boxes or points alone)"] += 1
        if not annotations and any(entry["image_id"] in listed for entry in content["annotations"]):
            raise UserError(f"{path} holds boxes only and no outlines; a segmentation cannot be learnt from it.")
        for image in content["images"]:
            near = (*path.relative_to(source.root).parts, path.stem, path.stem.removeprefix("instances_"))
            picture = source.find(_file_name(image), near)
            draw = functools.partial(_draw, path, image, annotations.get(image["id"], []), numbers)
            samples.append(Sample(str(source.relative(picture).with_suffix("")), picture, split, draw))
    notes += [f"Left out {count} {what}." for what, count in left_out.items()]
    if any("neg_category_ids" in image for content in contents.values() for image in content["images"]):
        notes.append(
            "LVIS draws a class on the pictures that were looked through for it, and others may show it too: "
            "--unlabeled ignore does not teach that it is absent there."
        )
    notes.append("Where annotations overlap, the later one in the file is on top.")
    return Export(named(names[identity] for identity in sorted(names)), samples, notes, drawn=True)


def _file_name(image):
    """Return the name of a picture; LVIS gives its address alone, with the split as its folder."""
    return image.get("file_name") or "/".join(image["coco_url"].split("/")[-2:])


def _draw(path, image, annotations, numbers, size):
    size = (image.get("height") or size[0], image.get("width") or size[1])
    labels = np.full(size, UNLABELED, np.int16)
    for entry in annotations:
        with shapes.drawing(path, f"annotation {entry.get('id')}"):
            labels[segmentation(entry["segmentation"], size)] = numbers[entry["category_id"]]
    return labels


def segmentation(value, size):
    """Return the mask of a segmentation of COCO: a list of polygons, or run lengths as numbers or text.

    Raises:
        ValueError: it is of another size.
    """
    if isinstance(value, dict):
        if list(value["size"]) != list(size):
            raise ValueError(f"its size is {value['size']} and that of its picture {list(size)}")
        return shapes.coco_rle(value["counts"], size)
    polygons = [shapes.coco_polygon(points, size) for points in value if len(points) >= 6]
    return np.logical_or.reduce(polygons) if polygons else np.zeros(size, bool)
