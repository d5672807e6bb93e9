"""Ultralytics: data.yaml, images/SPLIT, and labels/SPLIT with polygons or masks/SPLIT with class numbers.

A line of a label file is a class and the corners of a polygon, as shares of width and height. Polygons are drawn as
Ultralytics draws them: corners cut to whole pixels, OpenCV's rule, the smaller on top of the larger.
"""

import collections
import functools
import pathlib

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.formats import rasters, shapes
from keras_liteseg.datasets.formats.base import UNLABELED, Export, Sample, named, numbered, read_lines
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem
from keras_liteseg.errors import UserError
from keras_liteseg.yaml_text import parse_yaml

TITLE = "Ultralytics (data.yaml with polygons or masks)"


def recognised(source):
    return bool(_config(source))


def _config(source):
    """Return (path, content) of the YAML file that describes the set, or None."""
    for path in source.files("*.yaml", "*.yml"):
        try:
            content = parse_yaml(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(content, dict) and "names" in content and ("train" in content or "val" in content):
            return path, content
    return None


def read(source):
    path, content = _config(source)
    names = content["names"]
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise UserError(f"{path} numbers its classes {sorted(names)}; they must run from 0 without gaps.")
        names = [names[number] for number in sorted(names)]
    masks = str(content.get("masks_dir") or "masks")
    samples, boxes, notes = [], 0, []
    kinds = collections.Counter()
    for split in ("train", "val", "test"):
        for picture in _pictures(path, content, content.get(split)):
            mask, labels = _beside(picture, masks, ".png"), _beside(picture, "labels", ".txt")
            if mask.is_file() or (content.get("masks_dir") and not labels.is_file()):
                draw = functools.partial(_from_mask, mask, len(names))
                kinds["masks"] += 1
            else:
                polygons, without = _polygons(labels, len(names))
                boxes += without
                kinds["polygons"] += len(polygons)
                draw = functools.partial(_draw, polygons)
            samples.append(Sample(f"{split}/{picture.stem}", picture, split, draw))
    if boxes and not kinds["polygons"]:
        raise UserError(f"The labels of {path} are boxes only; a segmentation cannot be learnt from them.")
    if boxes:
        notes.append(f"Left out {boxes} boxes.")
    if kinds["polygons"]:
        notes.append("Where polygons overlap, the smaller one is on top.")
    if kinds["masks"]:
        notes.append(f"Value {IGNORE_LABEL} of the masks is ignored.")
    return Export(named(names), samples, notes, drawn=len(samples) > kinds["masks"])


def _pictures(config, content, entries):
    """Return the sorted pictures of a split: a folder, a text file of paths, or a list of these."""
    found = []
    for entry in [entries] if isinstance(entries, str) else entries or []:
        for root in (config.parent / str(content.get("path") or ""), config.parent):
            place = root / entry
            if not place.exists():  # Roboflow writes ../train/images where train/images is meant
                place = root / pathlib.PurePosixPath(
                    *[part for part in pathlib.PurePosixPath(entry).parts if part != ".."]
                )
            if place.exists():
                break
        else:
            raise UserError(f"{config} names {entry}, which is not there; give the folder that holds it.")
        if place.is_file():
            found += [root / line.strip() for line in read_lines(place) if line.strip()]
        else:
            found += [path for path in place.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(found)


def _beside(picture, folder, suffix):
    """Return the path in `folder` that belongs to a picture: the last 'images' of its path is exchanged."""
    parts = list(picture.with_suffix(suffix).parts)
    if "images" not in parts:
        return picture.with_suffix(suffix)
    parts[len(parts) - 1 - parts[::-1].index("images")] = folder
    return pathlib.Path(*parts)


def _polygons(path, count):
    """Return (list of (class, float32 (n, 2) of shares), number of boxes) of a label file; without one, nothing."""
    polygons, boxes = [], 0
    for line in read_lines(path) if path.is_file() else ():
        words = line.split()
        if not words:
            continue
        try:
            number, shares = int(float(words[0])), np.array(words[1:], np.float32)
        except ValueError as error:
            raise Problem(path, f"has the line '{line[:60]}'", "a line is a class number and coordinates") from error
        if not 0 <= number < count:
            raise Problem(path, f"has the class {number} of {count} from 0", "correct names in the YAML file")
        if len(shares) == 4:
            boxes += 1
        elif len(shares) < 6 or len(shares) % 2:
            raise Problem(path, f"has a polygon of {len(shares)} coordinates", "give pairs of x and y, three or more")
        else:
            polygons.append((number, shares.reshape(-1, 2)))
    return polygons, boxes


def _draw(polygons, size):
    drawn = []
    for number, shares in polygons:
        mask = shapes.opencv_polygon([shares * np.array(size[::-1], np.float32)], size)
        drawn.append((mask.sum(), number, mask))
    labels = np.full(size, UNLABELED, np.int16)
    for _, number, mask in sorted(drawn, key=lambda entry: -entry[0]):
        labels[mask] = number
    return labels


def _from_mask(path, count, size):
    return rasters.by_table(path, rasters.numbers(path), numbered(count))
