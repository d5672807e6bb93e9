"""Check every file of a data set before hours of training depend on it."""

import concurrent.futures
import os

import numpy as np
import tqdm

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

_LISTED = 20


def check_dataset(dataset):
    """Load every sample and return what is wrong as a list of `Problem`, in the order of the samples.

    It finds an empty data set, missing and unreadable files, masks whose size differs from that of their image, masks
    of another kind than the data set has, label values or colours that are neither a class nor ignored, damaged
    records, and pictures beside the others that would not be read. Where it finds none, it looks for what would teach
    or measure nothing: a split without labelled pixels, in a training split a class without any, in another split no
    class but one. `dataset.absent_classes` may be absent.
    """
    return examine(dataset)[0]


def require_valid(dataset, training=None):
    """Load every sample.

    Args:
        dataset: a `SegmentationDataset`.
        training: as of `examine`.

    Raises:
        UserError: there are problems; the message says how many and lists the first 20.
    """
    problems, _ = examine(dataset, training)
    if problems:
        raise UserError(_report(dataset, problems))


def examine(dataset, training=None):
    """Return (list of `Problem`, int64 pixel counts (256,) per train id over the good samples).

    Args:
        dataset: a `SegmentationDataset`.
        training: whether it is trained on; by default, whether its split is called so.
    """
    if not len(dataset):
        return [Problem(dataset.name, f"has no samples in its split '{dataset.split}'", "add files to it")], None
    problems, counts = dataset.left_out(), np.zeros(256, np.int64)
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda index: _examine_sample(dataset, index), range(len(dataset)))
        for found, pixels in tqdm.tqdm(results, f"check {dataset.name} {dataset.split}", len(dataset), disable=None):
            problems += found
            counts += pixels
    training = dataset.split.startswith("train") if training is None else training
    return problems or _missing_labels(dataset, counts, training), counts


def _missing_labels(dataset, counts, training):
    """Return the list of `Problem`s of a set of good samples with these pixels per train id."""
    ignored = f"{counts[IGNORE_LABEL] / counts.sum():.0%} of its pixels are ignored"
    counts = counts[: len(dataset.classes)]
    where = f"of its split '{dataset.split}'"
    values = "correct which values of the masks are which class (of data of your own, under 'values' in classes.yaml)"
    absent = [
        name for name, pixels in zip(dataset.classes.names, counts) if not pixels and name not in dataset.absent_classes
    ]
    if not counts.any():
        return [Problem(dataset.name, f"has no labelled pixel in the masks {where}; {ignored}", values)]
    if not absent or not training and np.count_nonzero(counts) > 1:
        return []
    if training:
        what = f"has no pixel of {_listed(absent)} in the masks {where}, so that it teaches nothing about that"
        cure = f"{values}, leave the class out with label_map"
    else:
        (only,) = np.flatnonzero(counts)
        what = f"has no class but '{dataset.classes.names[only]}' in the masks {where}, so that it measures nothing"
        cure = f"{values}, add pictures of {_listed(absent)}"
    declare = f"or, if that is as it should be, say so with the option absent_classes=[{', '.join(absent)}]"
    return [Problem(dataset.name, f"{what}; {ignored}", f"{cure}, {declare}")]


def _listed(names):
    return ", ".join(f"'{name}'" for name in names)


def _examine_sample(dataset, index):
    loaded, problems = [], []
    for load in (dataset.image, dataset.mask):
        try:
            loaded.append(load(index))
        except Problem as problem:
            problems.append(problem)
    if not problems and loaded[0].shape[:2] != loaded[1].shape:
        files = dataset.files(index)
        path = files[1] if files else dataset.sample_id(index)
        (height, width), (rows, columns) = loaded[0].shape[:2], loaded[1].shape
        problems.append(
            Problem(path, f"is {rows}x{columns} but its image is {height}x{width}", "make both the same size")
        )
    return problems, 0 if problems else np.bincount(loaded[1].ravel(), minlength=256)


def _report(dataset, problems):
    lines = [f"The data set {dataset.name} has {counted(problems)} in its split '{dataset.split}':"]
    lines += [str(problem) for problem in problems[:_LISTED]]
    if len(problems) > _LISTED:
        lines.append(f"and {len(problems) - _LISTED} more.")
    return "\n  ".join(lines)


def counted(problems):
    """Return '1 problem' or '3 problems'."""
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg check` now.")
