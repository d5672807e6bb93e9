"""Data sets: images with label maps of train ids, by name. Layouts and options: docs/datasets.md."""

import importlib
import inspect
import os

from keras_liteseg.choices import require_path
from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList, SegmentationDataset
from keras_liteseg.errors import UserError, suggestion

__all__ = ["IGNORE_LABEL", "ClassList", "SegmentationDataset", "list_datasets", "load_dataset", "parse_options"]

# Module and class of each. They are imported when they are asked for, because what predicts needs none of them.
_FROM_FILES = {
    "bdd100k": ("bdd100k", "BDD100K"),
    "camvid": ("camvid", "CamVid"),
    "cityscapes": ("cityscapes", "Cityscapes"),
    "folder": ("folder", "Folder"),
    "records": ("shards", "Records"),
}


def list_datasets():
    """Return the names that `load_dataset` knows.

    >>> from keras_liteseg import list_datasets
    >>> list_datasets()
    ['bdd100k', 'camvid', 'cityscapes', 'folder', 'records', 'street_scenes']
    """
    return sorted([*_FROM_FILES, "street_scenes"])


def load_dataset(name, data_dir=None, split="train", label_map=None, absent_classes=(), **options):
    """Return the data set `name` as a `SegmentationDataset`.

        >>> from keras_liteseg import load_dataset
        >>> scenes = load_dataset("street_scenes", split="val", length=4, size=(64, 128))
        >>> len(scenes), scenes.image(0).shape, scenes.mask(0).shape, scenes.classes.names[0]
        (4, (64, 128, 3), (64, 128), 'road')

    Args:
        name: one of `list_datasets()`. 'street_scenes' is drawn by the program and needs no files.
        data_dir: root folder of a data set that is read from files; the layout is in the class's docstring.
        split: 'train', 'val' or 'test'; of some data sets also others, see there.
        label_map: {new class: its old classes}, see `remap`; None leaves the classes as they are.
        absent_classes: names of classes that no mask of the split need have; `check_dataset` takes every other class
            that a training split does not have for a mistake.
        **options: further arguments of the class, such as `size` of `StreetScenes`.

    Raises:
        UserError: an unknown name or option; `data_dir` is missing, superfluous or not laid out as expected; the
            split has no images; `label_map` or `absent_classes` is wrong.
    """
    if not isinstance(name, str) or name not in list_datasets():
        raise UserError(f"There is no data set '{name}'; {suggestion(str(name), list_datasets())}")
    if not isinstance(split, str):
        raise UserError(f"The split is {split!r}; give its name, such as 'train'.")
    require_path("split", split)
    if data_dir is not None:
        require_path("data folder (data_dir)", data_dir)
    if name == "street_scenes":
        from keras_liteseg.datasets.street_scenes import StreetScenes

        if data_dir is not None:
            raise UserError(f"street_scenes is drawn by the program and reads no files; leave out data_dir {data_dir}.")
        _refuse_unknown(options, name, StreetScenes)
        dataset: SegmentationDataset = StreetScenes(split=split, **options)
    else:
        module, class_name = _FROM_FILES[name]
        dataset_class = getattr(importlib.import_module(f"{__name__}.{module}"), class_name)
        _refuse_unknown(options, name, dataset_class)
        if data_dir is None:
            raise UserError(f"The data set '{name}' is read from files; say in which folder they are (data_dir).")
        dataset = _from_files(dataset_class, data_dir, split, options)
    if label_map is not None:
        from keras_liteseg.datasets.remap import remap

        dataset = remap(dataset, label_map)
    if absent_classes is not None:
        dataset.absent_classes = _known_classes(dataset, absent_classes)
    return dataset


def _known_classes(dataset, names):
    if not isinstance(names, list | tuple):
        raise UserError(f"absent_classes is {names!r}; write a list of classes, for example [car, bus].")
    for name in names:
        if not isinstance(name, str) or name not in dataset.classes.names:
            raise UserError(
                f"absent_classes names '{name}', which is no class of {dataset.name}; "
                f"{suggestion(str(name), dataset.classes.names)}"
            )
    return tuple(names)


def _from_files(dataset_class, data_dir, split, options):
    """Return a data set; where its files are not there, say whether the folder is an export of an annotation tool."""
    try:
        return dataset_class(data_dir, split, **options)
    except UserError as error:
        from keras_liteseg.datasets.formats import hint

        told = hint(data_dir) if os.path.isdir(data_dir) else None
        if told is None:
            raise
        raise UserError(f"{error} {told}.") from error


def parse_options(texts, what="option", example="annotations=coarse"):
    """Return a dict, such as the options of `load_dataset`, from texts 'key=value', the value in YAML.

    Args:
        texts: the texts.
        what: what to call one in an error message.
        example: a right one, for an error message.

    Raises:
        UserError: a text without '=', or whose value is no YAML.
    """
    from keras_liteseg.yaml_text import parse_yaml

    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise UserError(f"The {what}s are {texts!r}; give a list of texts key=value, for example ['{example}'].")
    options = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"The {what} '{text}' has no '='; write key=value, for example {example}.")
        try:
            options[key.strip()] = parse_yaml(value)
        except ValueError as error:
            raise UserError(f"The {what} '{text}' is not YAML: {error}") from error
    return options


def require_options(options, where="--option"):
    """Raise a `UserError` when the options of a data set, {name: value}, hold what has another place.

    Args:
        options: for `load_dataset`, beside its name, folder and split.
        where: what the options are called in the message.
    """
    elsewhere = {"name": "data", "data_dir": "--data_dir"}
    for option in options:
        if not isinstance(option, str):
            raise UserError(f"{where} has '{option}'; wanted names of options of the data set, see docs/datasets.md.")
        if option in elsewhere:
            raise UserError(
                f"{where} has '{option}', which is no option of a data set; give it as {elsewhere[option]}."
            )


def _refuse_unknown(options, name, dataset_class):
    known = {*inspect.signature(dataset_class).parameters, "label_map", "absent_classes"} - {"data_dir", "split"}
    for option in options:
        if option not in known:
            raise UserError(
                f"The data set '{name}' has no option '{option}'; its options are {', '.join(sorted(known))}."
            )
