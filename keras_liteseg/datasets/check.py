"""Check every file of a data set before hours of training depend on it.

    python -m keras_liteseg.datasets.check --data cityscapes --data_dir DIR --split train,val
    python -m keras_liteseg.datasets.check --data cityscapes --data_dir DIR --option annotations=coarse

prints one line per bad file and exits with status 1, or prints how the pixels are spread over the classes.
"""

import concurrent.futures
import os
import sys

import numpy as np
import tqdm
from absl import flags

from keras_liteseg import cli
from keras_liteseg.datasets import list_datasets, load_dataset, parse_options
from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

FLAGS = flags.FLAGS
_LISTED = 20


def check_dataset(dataset):
    """Load every sample and return what is wrong as a list of `Problem`, in the order of the samples.

    It finds an empty data set, missing and unreadable files, masks whose size differs from that of their image, masks
    of another kind than the data set has, label values or colours that are neither a class nor ignored, and damaged
    records.
    """
    return _examine(dataset)[0]


def require_valid(dataset):
    """Load every sample.

    Raises:
        UserError: there are problems; the message says how many and lists the first 20.
    """
    problems = check_dataset(dataset)
    if problems:
        raise UserError(_report(dataset, problems))


def _examine(dataset):
    """Return (list of `Problem`, int64 pixel counts (256,) per train id over the good samples)."""
    if not len(dataset):
        return [Problem(dataset.name, f"has no samples in its split '{dataset.split}'", "add files to it")], None
    problems, counts = [], np.zeros(256, np.int64)
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda index: _examine_sample(dataset, index), range(len(dataset)))
        for found, pixels in tqdm.tqdm(results, f"check {dataset.name} {dataset.split}", len(dataset), disable=None):
            problems += found
            counts += pixels
    return problems, counts


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
    lines = [f"The data set {dataset.name} has {_count(problems)} in its split '{dataset.split}':"]
    lines += [str(problem) for problem in problems[:_LISTED]]
    if len(problems) > _LISTED:
        lines.append(f"and {len(problems) - _LISTED} more.")
    return "\n  ".join(lines)


def _count(problems):
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


def _statistics(dataset, counts):
    labelled = counts.sum() - counts[IGNORE_LABEL]
    lines = [f"{dataset.name} {dataset.split}: {len(dataset)} samples, no problems."]
    for train_id, name in enumerate(dataset.classes.names):
        lines.append(f"  {name:<20}{counts[train_id] / max(labelled, 1):>8.2%}")
    lines.append(f"  (ignored: {counts[IGNORE_LABEL] / counts.sum():.2%} of all pixels)")
    return "\n".join(lines)


def _main():
    failed = False
    for split in FLAGS.split:
        dataset = load_dataset(FLAGS.data, FLAGS.data_dir, split, **parse_options(FLAGS.option))
        problems, counts = _examine(dataset)
        failed |= bool(problems)
        if problems:
            print(*problems, f"{dataset.name} {split}: {_count(problems)}.", sep="\n")
        else:
            print(_statistics(dataset, counts))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    flags.DEFINE_enum("data", None, list_datasets(), "Data set.")
    flags.DEFINE_string("data_dir", None, "Root folder of the data set.")
    flags.DEFINE_list("split", ["train", "val"], "Splits to check, separated by commas.")
    flags.DEFINE_multi_string("option", [], "key=value, an option of the data set; may be repeated.")
    cli.run(_main, required=["data"], tensorflow=False)
