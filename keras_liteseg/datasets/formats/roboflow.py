"""Roboflow's "Semantic Segmentation Masks": _classes.csv, and NAME_mask.png beside each picture."""

import functools

from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import IGNORED, Export, Sample, named, pixel_values, split_of, table_of
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

TITLE = "Roboflow 'Semantic Segmentation Masks'"


def recognised(source):
    return bool(source.files("_classes.csv"))


def read(source):
    names, samples = {}, []
    for path in source.files("_classes.csv"):
        listed = pixel_values(path)
        if listed is None:
            raise UserError(
                f"{path} belongs to Roboflow's multi-label classification, which has no masks; export the project as "
                f"'Semantic Segmentation Masks'."
            )
        if names and listed != names:
            raise Problem(path, "lists other classes than those of the other splits", "export the project again")
        names = listed
        numbers = {value: number for number, value in enumerate(sorted(names))}
        table = table_of({255: IGNORED} | numbers)
        for mask in sorted(path.parent.glob("*_mask.png")):
            stem = mask.stem.removesuffix("_mask")
            picture = source.find(stem, path.parent.relative_to(source.root).parts, stem=True)
            draw = functools.partial(_draw, mask, table)
            samples.append(Sample(f"{path.parent.name}/{stem}", picture, split_of(path.parent.name), draw))
    notes = ["The values are those of _classes.csv."]
    return Export(named(names[value] for value in sorted(names)), samples, notes, drawn=False)


def _draw(path, table, size):
    return rasters.by_table(path, rasters.numbers(path), table)
