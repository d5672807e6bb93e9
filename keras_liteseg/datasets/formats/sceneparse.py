"""SceneParse150, the benchmark on ADE20K: objectInfo150.txt, images/SPLIT, annotations/SPLIT.

0 is "other objects" and ignored; k is the k-th class of the list.
"""

import csv
import functools
import re

from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import IGNORED, Export, Sample, named, split_of, table_of
from keras_liteseg.datasets.pictures import Problem

TITLE = "SceneParse150 (ADE20K)"
_LIST = "objectInfo150.txt"


def recognised(source):
    return bool(source.files(_LIST))


def read(source):
    path = source.files(_LIST)[0]
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    if not rows or not {"Idx", "Name"} <= rows[0].keys():
        raise Problem(path, "has no columns Idx and Name", "take the file of the data set")
    numbers = [int(row["Idx"]) for row in rows]
    if numbers != list(range(1, len(rows) + 1)):
        raise Problem(path, "does not number the classes from 1", "take the file of the data set")
    table = table_of({0: IGNORED} | {number: number - 1 for number in numbers})
    samples = []
    for mask in (mask for mask in source.files("*.png") if "annotations" in mask.relative_to(source.root).parts):
        split = mask.parent.name
        picture = source.find(f"{mask.stem}.jpg", (split, "images"))
        samples.append(Sample(f"{split}/{mask.stem}", picture, split_of(split), functools.partial(_draw, mask, table)))
    notes = ["Value 0 ('other') is ignored; 1 is the first class."]
    names = [row["Name"].strip() for row in rows]
    short = [re.split("[,;]", name)[0] for name in names]  # of "building, edifice"
    return Export(named(short if len(set(short)) == len(short) else names), samples, notes, drawn=False)


def _draw(path, table, size):
    return rasters.by_table(path, rasters.numbers(path), table)
