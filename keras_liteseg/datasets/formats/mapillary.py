"""Mapillary Vistas 1.2 and 2.0: config_v*.json, SPLIT/images, SPLIT/v*/labels with palette masks of class numbers.

Classes that the configuration does not evaluate ("unlabeled", and some of the vehicle that the camera is on) are
ignored.
"""

import functools
import re

from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import IGNORED, Export, Sample, colored, read_json, split_of, table_of
from keras_liteseg.errors import UserError

TITLE = "Mapillary Vistas"


def recognised(source):
    return bool(_configs(source))


def _configs(source):
    return [
        path
        for path in source.files("config*.json")
        if isinstance(read_json(path), dict) and "labels" in read_json(path)
    ]


def read(source):
    config = _configs(source)[-1]
    version = (re.search(r"v\d+\.\d+", config.stem) or [""])[0]
    entries = read_json(config)["labels"]
    kept = [number for number, entry in enumerate(entries) if entry.get("evaluate", True)]
    table = table_of({255: IGNORED} | dict.fromkeys(range(len(entries)), IGNORED))
    table[kept] = range(len(kept))
    colors = [entry["color"] for entry in entries]
    masks = [path for path in source.files("*.png") if path.parent.name == "labels"]
    masks = [path for path in masks if path.parent.parent.name in (version, "training", "validation", "testing")]
    if not masks:
        raise UserError(f"There is no SPLIT/{version}/labels/*.png beside {config}; give the folder of both.")
    samples = []
    for mask in masks:
        split = next(parent.name for parent in mask.parents if split_of(parent.name))
        picture = source.find(mask.stem, (split, "images"), stem=True)
        draw = functools.partial(_draw, mask, colors, table)
        samples.append(Sample(f"{split}/{mask.stem}", picture, split_of(split), draw))
    ignored = [entry["readable"] for entry in entries if not entry.get("evaluate", True)]
    notes = [f"The labels are those of {config.name}."]
    if ignored:
        notes.append(f"Ignored, as that file says: {', '.join(ignored)}.")
    classes = [colored(entries[number]["readable"], entries[number]["color"]) for number in kept]
    return Export(classes, samples, notes, drawn=False)


def _draw(path, colors, table, size):
    return rasters.by_table(path, rasters.numbers(path, colors), table)
