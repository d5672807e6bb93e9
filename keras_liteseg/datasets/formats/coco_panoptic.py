"""COCO panoptic: a JSON file that lists the segments of each picture, beside a folder of PNG files with their ids.

The id of a segment is red + 256 green + 65536 blue. Both things and stuff are classes, in the order of their ids.
Pixels of no segment are ignored: panoptic annotations call them void.
"""

import functools

import numpy as np

from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import IGNORED, Export, Sample, colored, read_json, split_of
from keras_liteseg.datasets.pictures import Problem

TITLE = "COCO panoptic (JSON and PNG files of segment ids)"


def recognised(source):
    return any(b'"segments_info"' in path.read_bytes() for path in source.files("*panoptic*.json", "panoptic*.json"))


def read(source):
    samples, categories = [], {}
    for path in source.files("*panoptic*.json"):
        content = read_json(path)
        categories |= {category["id"]: category for category in content["categories"]}
        numbers = {identity: number for number, identity in enumerate(sorted(categories))}
        split = split_of(path.stem)
        images = {image["id"]: image for image in content["images"]}
        masks = {mask.name: mask for mask in source.files("*.png") if path.stem in mask.parts}
        for entry in content["annotations"]:
            picture = source.find(images[entry["image_id"]]["file_name"], (path.stem.removeprefix("panoptic_"),))
            mask = masks.get(entry["file_name"], path.with_suffix("") / entry["file_name"])
            draw = functools.partial(_draw, mask, entry["segments_info"], numbers)
            samples.append(Sample(str(source.relative(picture).with_suffix("")), picture, split, draw))
    classes = [colored(categories[key]["name"], categories[key].get("color")) for key in sorted(categories)]
    return Export(classes, samples, ["Pixels of no segment (id 0) are ignored."], drawn=False)


def _draw(path, segments, numbers, size):
    channels = np.asarray(rasters.open_raster(path).convert("RGB")).astype(np.int64)
    identities = channels @ (1, 256, 65536)
    known = {0: IGNORED} | {segment["id"]: numbers[segment["category_id"]] for segment in segments}
    found, inverse = np.unique(identities, return_inverse=True)
    strange = sorted(set(found.tolist()) - set(known))
    if strange:
        raise Problem(path, f"holds segment {strange[0]}, which its JSON file does not list", "export both again")
    return np.array([known[int(value)] for value in found], np.int16)[inverse].reshape(identities.shape)
