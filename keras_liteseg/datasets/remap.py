"""Other classes for a data set: merged, renamed, reordered or left out."""

import numpy as np
import yaml

from keras_liteseg.classes import difference, listed
from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList, SegmentationDataset
from keras_liteseg.errors import UserError, suggestion


def remap(dataset, label_map):
    """Return `dataset` with the classes of `label_map`.

    Args:
        dataset: a `SegmentationDataset`.
        label_map: {new class: old class or list of old classes}, by name. The new classes come in this order, each in
            the colour of its first old class. Old classes that are not mentioned are ignored.

    Raises:
        UserError: `label_map` has another form, names a class that is not there, or names one twice.
    """
    if not isinstance(label_map, dict) or not label_map:
        raise UserError(f"label_map is {label_map!r}; write for example {{road: [road, lane], vehicle: [car, bus]}}.")
    known = dataset.classes.names
    table = np.full(256, IGNORE_LABEL, np.uint8)
    taken, colors = {}, []
    for train_id, (name, group) in enumerate(label_map.items()):
        group = [group] if isinstance(group, str) else group
        if not isinstance(name, str) or not isinstance(group, list) or not group:
            raise UserError(f"label_map has '{name}: {group}'; wanted a new class with a list of old classes.")
        for old in group:
            if old not in known:
                raise UserError(
                    f"label_map gives '{name}' the class '{old}', which {dataset.name} does not have; "
                    f"{suggestion(str(old), known)}"
                )
            if old in taken:
                raise UserError(f"label_map gives the class '{old}' to '{taken[old]}' and '{name}'; name it once.")
            taken[old] = name
            table[known.index(old)] = train_id
        colors.append(dataset.classes.colors[known.index(group[0])])
    remapped = Remapped(dataset, ClassList(tuple(label_map), tuple(colors)), table)
    remapped.label_map = {name: [group] if isinstance(group, str) else list(group) for name, group in label_map.items()}
    return remapped


def map_to(dataset, classes):
    """Return the text of a `label_map` that gives `dataset` the classes of another list, or None where there is none.

    Classes are found by name; where the lists are equally long, those that are left are paired in their order, for a
    person to look at.
    """
    groups = dataset.label_map or {name: [name] for name in dataset.classes.names}
    left = [name for name in dataset.classes.names if name not in classes.names]
    missing = [name for name in classes.names if name not in groups]
    if missing and len(missing) != len(left):
        return None
    found = {name: name for name in classes.names if name in groups} | dict(zip(missing, left))
    label_map = {name: groups[found[name]] for name in classes.names}
    label_map = {name: group[0] if len(group) == 1 else group for name, group in label_map.items()}
    return yaml.safe_dump(label_map, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True).strip()


def require_agreement(train_data, val_data):
    """Raise a UserError when what a network learns from and what it is measured on have other classes."""
    unlike = difference(train_data.classes, val_data.classes)
    for name in () if unlike else train_data.classes.names:
        ours, theirs = ((data.label_map or {}).get(name, [name]) for data in (train_data, val_data))
        if sorted(ours) != sorted(theirs):
            unlike = (
                f"class '{name}' is made of {', '.join(ours)} in the first and of {', '.join(theirs)} in the second"
            )
    train_data.image_format.require(val_data.image_format, f"A network for {train_data.name}", "the validation data")
    if unlike:
        raise UserError(
            f"The training data has {listed(train_data.classes)}, the validation data {listed(val_data.classes)}, so "
            f"that no number would tell how good a network is; {unlike}. Give both the same options, such as "
            "label_map, in a config under train and val of data_options."
        )


class Remapped(SegmentationDataset):
    """`dataset` with other classes.

    Args:
        dataset: a `SegmentationDataset`.
        classes: the new `ClassList`.
        table: uint8 (256,): old train id to new train id or `IGNORE_LABEL`; `IGNORE_LABEL` keeps its meaning.
    """

    def __init__(self, dataset, classes, table):
        self.name, self.split, self.classes = dataset.name, dataset.split, classes
        self.image_format, self.mean, self.std = dataset.image_format, dataset.mean, dataset.std
        self._dataset, self._table = dataset, np.array(table, np.uint8)
        self._table[IGNORE_LABEL] = IGNORE_LABEL

    def __len__(self):
        return len(self._dataset)

    def files(self, index):
        return self._dataset.files(index)

    def image_size(self, index):
        return self._dataset.image_size(index)

    def left_out(self):
        return self._dataset.left_out()

    def notes(self):
        return self._dataset.notes()

    def sample_id(self, index):
        return self._dataset.sample_id(index)

    def image(self, index):
        return self._dataset.image(index)

    def mask(self, index):
        return self._table[self._dataset.mask(index)]
