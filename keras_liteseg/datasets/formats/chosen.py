"""Some of the classes of an export, chosen by name."""

import collections
import dataclasses
import functools

import numpy as np

from keras_liteseg.datasets.formats.base import IGNORED, UNLABELED, is_background
from keras_liteseg.errors import UserError, suggestion


def chosen(export, classes):
    """Return a `base.Export` with these classes alone, in their order; pixels of the others are `UNLABELED`.

    Args:
        export: a `base.Export` that names its classes.
        classes: list of {'name': text, 'color': [red, green, blue] or missing}; of "building, edifice" the first word
            will do where no other class begins with it. A background that the export has not is that of the pixels on
            which nobody has drawn.

    Raises:
        UserError: the export has no class of a name.
    """
    numbers = {entry["name"]: number for number, entry in enumerate(export.classes)}
    firsts = collections.Counter(name.split(",")[0] for name in numbers)
    spoken = {
        name.split(",")[0]: number for name, number in numbers.items() if firsts[name.split(",")[0]] == 1
    } | numbers
    table = np.full(len(numbers) - min(UNLABELED, IGNORED), UNLABELED, np.int16)
    table[IGNORED] = IGNORED
    kept = []
    for place, entry in enumerate(classes):
        number = spoken.get(entry["name"])
        if number is None and not is_background(entry["name"]):
            raise UserError(
                f"The export has no class '{entry['name']}'; {suggestion(entry['name'], spoken)} "
                "--classes chooses among its classes."
            )
        if number is not None:
            table[number] = place
        kept.append((export.classes[number] if number is not None else {}) | entry)
    others = len(numbers) - np.count_nonzero(table[: len(numbers)] != UNLABELED)
    note = f"Chosen: {len(numbers) - others} of {len(numbers)} classes; pixels of the others count as not drawn."
    samples = [dataclasses.replace(each, labels=functools.partial(_labels, each, table)) for each in export.samples]
    drawn = export.drawn or others > 0
    return dataclasses.replace(export, classes=kept, samples=samples, notes=[*export.notes, note], drawn=drawn)


def _labels(sample, table, size):
    return table[sample.labels(size)]
