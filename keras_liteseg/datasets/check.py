"""Check every file of a data set before hours of training depend on it."""

import logging

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.in_parallel import in_parallel
from keras_liteseg.datasets.intact import SWAPPED, orientation
from keras_liteseg.datasets.masks import count_values
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.datasets.samples import one_opencv_thread
from keras_liteseg.errors import UserError

_LISTED = 20
_log = logging.getLogger(__name__)


def check_dataset(dataset):
    """Read every file and return what is wrong as a list of `Problem`, in the order of the samples.

    It finds an empty data set, missing and unreadable files, masks whose size differs from that of their image, masks
    of another kind than the data set has, label values or colours that are neither a class nor ignored, damaged
    records, and pictures beside the others that would not be read. Where it finds none, it looks for what would teach
    or measure nothing: a split without labelled pixels, in a training split a class without any, in another split no
    class but one. `dataset.absent_classes` may be absent.

    Every mask is decoded, and a picture where nothing else proves that it is whole; see `intact.intact_size`. What is
    left out on purpose, and what only a look can decide, is logged as a warning.
    """
    return examine(dataset)[0]


def require_valid(dataset, training=None):
    """Read every file.

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
    problems, counts, turned = dataset.left_out(), np.zeros(256, np.int64), []
    for found, pixels, file in _examined(dataset, _examine_sample, range(len(dataset))):
        problems += found
        counts += pixels
        turned += [file] if file else []
    for note in [*dataset.notes(), *_turned_note(turned)]:
        _log.warning(f"{dataset.name} {dataset.split}: {note}")
    training = dataset.split.startswith("train") if training is None else training
    return problems or _missing_labels(dataset, counts, training), counts


def require_readable(dataset, images=None):
    """Read every file of samples that are files, before long work that would meet a bad one late.

    Args:
        dataset: a `SegmentationDataset`.
        images: indices of the samples whose images alone are needed; None for all images and masks.

    Raises:
        UserError: as `require_valid`, which also minds the pixels of each class.
    """
    if not len(dataset) or dataset.files(0) is None:
        return
    examine_one = _examine_sample if images is None else _examine_image
    indices = range(len(dataset)) if images is None else images
    problems = [problem for found, *_ in _examined(dataset, examine_one, indices) for problem in found]
    if problems:
        raise UserError(_report(dataset, problems))


def _examined(dataset, examine_one, indices):
    with one_opencv_thread:
        title = f"check {dataset.name} {dataset.split}"
        yield from in_parallel(lambda index: examine_one(dataset, index), indices, title)


def _turned_note(files):
    """Return in a list what to say of photos whose turn no size tells."""
    if not files:
        return []
    return [
        f"Turned by their EXIF orientation without a change of size: photos {len(files)}, such as {files[0]}. Whether "
        "their masks are turned as well, only a look tells: liteseg preview."
    ]


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


def _examine_image(dataset, index):
    try:
        dataset.image_size(index)
    except Problem as problem:
        return ([problem],)
    return ([],)


def _examine_sample(dataset, index):
    """Return (list of `Problem`, counts (256,) per train id, path of an image that EXIF turns within its size)."""
    loaded, problems = [], []
    for load in (dataset.image_size, dataset.mask):
        try:
            loaded.append(load(index))
        except Problem as problem:
            problems.append(problem)
    if problems:
        return problems, 0, None
    size, mask = loaded
    image_path, mask_path = dataset.files(index) or (None, dataset.sample_id(index))
    turn = orientation(image_path) if image_path else 1
    if size != mask.shape:
        return [_other_size(size, mask.shape, image_path, mask_path, turn)], 0, None
    still = turn != 1 and (turn not in SWAPPED or size[0] == size[1])
    return [], count_values(mask), image_path if still else None


def _other_size(size, labelled, image_path, mask_path, turn):
    what = f"is {labelled[0]}x{labelled[1]} but its image is {size[0]}x{size[1]}"
    if turn in SWAPPED and labelled == size[::-1]:
        return Problem(
            mask_path,
            f"{what} as the EXIF orientation {turn} of {image_path.name} turns it: the mask was drawn on the stored "
            "pixels",
            "turn the mask as the photo is shown, or take the orientation out of the photo (exiftool -Orientation=)",
        )
    return Problem(mask_path, what, "make both the same size")


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
