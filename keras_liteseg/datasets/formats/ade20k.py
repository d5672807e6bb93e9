"""ADE20K with all of its classes: NAME.jpg, NAME_seg.png, and NAME.json (2021) or NAME_atr.txt (2016).

Red and green of NAME_seg.png are the class, red / 10 * 256 + green, and blue tells the objects of a picture apart: the
formula of the data set's own loader. 0 is what nobody has drawn. The names stand beside each picture, in the JSON file
by class, in the text file by object. The data set's index is a pickle, which could run programs: it is not read.
"""

import collections
import functools
import json
import re

import numpy as np

from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import UNLABELED, Export, Sample, named, split_of
from keras_liteseg.datasets.pictures import Problem

TITLE = "ADE20K with all classes (NAME_seg.png)"
_MASK = "_seg.png"


def recognised(source):
    return any(_listed(path) for path in source.files(f"*{_MASK}")[:20])


def _listed(mask):
    """Return the file that names the objects of a mask, or None."""
    stem = mask.name.removesuffix(_MASK)
    return next((path for end in (".json", "_atr.txt") if (path := mask.with_name(stem + end)).is_file()), None)


def read(source):
    found, named_by = collections.Counter(), {}
    for mask in source.files(f"*{_MASK}"):
        path = _listed(mask)
        if path is None:
            raise Problem(mask, "has neither a .json nor an _atr.txt file beside it", "add it, or remove the mask")
        named_by[mask] = _by_class(path) if path.suffix == ".json" else _by_object(path)
        found.update(set(named_by[mask].values()))
    numbers = {name: number for number, name in enumerate(sorted(found))}
    samples = []
    for mask, names in named_by.items():
        stem = mask.name.removesuffix(_MASK)
        picture = mask.with_name(f"{stem}.jpg")
        draw = functools.partial(_draw, mask, names, numbers, _listed(mask).suffix == ".json")
        folders = mask.relative_to(source.root).parts[:-1]
        samples.append(Sample("/".join([*folders, stem]), picture, split_of(*folders), draw))
    notes = []
    parts = len(source.files("*_parts_*.png")) + len(source.files("instance_*.png"))
    if parts:
        notes.append(f"Left out {parts} masks of parts and of single objects.")
    return Export(named(numbers), samples, notes, drawn=True)


def _by_class(path):
    """Return {class: name} of the whole objects of a JSON file."""
    try:
        # Descriptions in some of the files are in Latin-1; names are ASCII.
        objects = json.loads(path.read_text(encoding="latin-1"), strict=False)["annotation"]["object"]
        return {int(each["name_ndx"]): each["name"] for each in objects if not each["parts"]["part_level"]}
    except (KeyError, TypeError, ValueError) as error:
        raise Problem(path, f"is no annotation of ADE20K ({error!r})", "take the file of the data set") from error


def _by_object(path):
    """Return {object: name} of the whole objects of a text file: number # part level # occluded # name # ..."""
    names = {}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        cells = [cell.strip() for cell in line.split("#")]
        if len(cells) < 4 or not re.fullmatch(r"\d+", cells[0]) or not re.fullmatch(r"\d+", cells[1]):
            raise Problem(path, f"has the line '{line[:60]}'", "take the file of the data set")
        if cells[1] == "0":
            names[int(cells[0])] = cells[3]
    return names


def _draw(path, names, numbers, by_class, size):
    red, green, blue = np.moveaxis(np.asarray(rasters.open_raster(path).convert("RGB")).astype(np.int32), -1, 0)
    classes = red // 10 * 256 + green
    # The objects of a text file are numbered in the order of their blue, from 1; 0 is nothing.
    keys = classes if by_class else np.unique(np.append(0, blue), return_inverse=True)[1][1:].reshape(blue.shape)
    keys = np.where(classes == 0, 0, keys)
    found, inverse = np.unique(keys, return_inverse=True)
    strange = [int(key) for key in found if key and int(key) not in names]
    if strange:
        what = "class" if by_class else "object"
        raise Problem(path, f"holds {what} {strange[0]}, which the file beside it does not name", "take both anew")
    table = [numbers[names[int(key)]] if key else UNLABELED for key in found]
    return np.array(table, np.int16)[inverse].reshape(classes.shape)
