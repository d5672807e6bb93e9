"""COCO panoptic: a JSON file that lists the segments of each picture, beside a folder of PNG files with their ids.

The id of a segment is red + 256 green + 65536 blue. Both things and stuff are classes, in the order of their ids.
Pixels of no segment are ignored: panoptic annotations call them void.
"""

import functools

import numpy as np

from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import IGNORED, Export, Sample, coco_categories, colored, read_json, split_of
from keras_liteseg.datasets.pictures import Problem

TITLE = "COCO panoptic (JSON and PNG files of segment ids)"


def recognised(source):
    return any(b'"segments_info"' in path.read_bytes() for path in source.files("*panoptic*.json", "panoptic*.json"))


def read(source):
    contents = {path: read_json(path) for path in source.files("*panoptic*.json")}
    categories = coco_categories(contents)
    numbers = {identity: number for number, identity in enumerate(sorted(categories))}
    samples = []
    for path, content in contents.items():
        split = split_of(path.stem)
        images = {image["id"]: image for image in content["images"]}
        masks = {mask.name: mask for mask in source.files("*.png") if path.stem in mask.parts}
        for entry in content["annotations"]:
            picture = source.find(images[entry["image_id"]]["file_name"], (path.stem.removeprefix("panoptic_"),))
            mask = masks.get(entry["file_name"], path.with_suffix("") / entry["file_name"])
            draw = functools.partial(_draw, mask, _labels(path, entry["segments_info"], numbers))
            samples.append(Sample(str(source.relative(picture).with_suffix("")), picture, split, draw))
    classes = [colored(categories[key]["name"], categories[key].get("color")) for key in sorted(categories)]
    return Export(classes, samples, ["Pixels of no segment (id 0) are ignored."], drawn=False)


def _labels(path, segments, numbers):
    """Return {id of a segment: number of its class} of a picture."""
    labels = {0: IGNORED}
    for segment in segments:
        category = segment["category_id"]
        if category not in numbers:
            raise Problem(path, f"has a segment of category {category}, which it does not list", "export it again")
        labels[segment["id"]] = numbers[category]
    return labels


def _draw(path, labels, size):
    channels = np.asarray(rasters.open_raster(path).convert("RGB")).astype(np.int64)
    identities = channels @ (1, 256, 65536)
    found, inverse = np.unique(identities, return_inverse=True)
    strange = sorted(set(found.tolist()) - set(labels))
    if strange:
        raise Problem(path, f"holds segment {strange[0]}, which its JSON file does not list", "export both again")
    return np.array([labels[int(value)] for value in found], np.int16)[inverse].reshape(identities.shape)
