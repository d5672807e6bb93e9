"""Readers of what annotation tools export, one module each, for `liteseg import`.

A reader has TITLE, what it reads in a few words; `recognised(source)`, whether a `base.Source` looks like that; and
`read(source)`, which returns a `base.Export`.
"""

import importlib
import pathlib

from keras_liteseg.datasets.formats.base import Source
from keras_liteseg.datasets.formats.chosen import chosen
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError, suggestion

FORMATS = """coco coco_panoptic voc cvat_xml labelme ultralytics mapillary sceneparse ade20k kitti label_studio
supervisely roboflow parquet masks""".split()
"""Names of the readers. 'masks' is what is left where no other recognises an export."""

_NAMELESS = ("voc", "labelme", "label_studio", "parquet", "masks")  # those that may need to be told their classes


def reader(name):
    """Return the module that reads a format.

    Raises:
        UserError: there is no such format.
    """
    if name not in FORMATS:
        raise UserError(f"There is no format '{name}'; {suggestion(str(name), FORMATS)} See liteseg import --help.")
    return importlib.import_module(f"{__name__}.{name}")


def recognise(source):
    """Return the names of the formats that a `base.Source` looks like.

    Raises:
        Problem: it looks like none, and one could not read a file.
    """
    found, problem = [], None
    for name in FORMATS:
        try:
            if (name != "masks" or not found) and reader(name).recognised(source):
                found.append(name)
        except Problem as error:  # of a file that may have nothing to do with the labels
            problem = problem or error
    if problem and not found:
        raise problem
    return found


def hint(root):
    """Return a sentence that names the format of an export that is no data set yet, or None where it is not known."""
    try:
        found = [name for name in recognise(Source(root)) if name != "masks"]
    except UserError:
        return None
    if not found:
        return None
    return (
        f"{root} looks like {reader(found[0]).TITLE}; turn it into a data set: liteseg import {root} --output_dir DIR"
    )


def read_export(root, name=None, images=None, classes=None, values=None):
    """Return (name of the format, `base.Export`).

    Args:
        root: folder of the export.
        name: one of `FORMATS`; None to recognise it.
        images: folder of the pictures, where that is another.
        classes: list of classes (see `base.Export`) for formats that do not name theirs; of the others, those to keep.
        values: {raw value of masks: number of its class}, where masks do not number the classes from 0.

    Raises:
        UserError: there is no such folder, its format is not recognised or several fit, or it cannot be read.
    """
    root = pathlib.Path(root).expanduser()
    for folder in (root, images):
        if folder is not None and not pathlib.Path(folder).is_dir():
            raise UserError(f"There is no folder {folder}; an archive must be unpacked first.")
    source = Source(root, images, classes, values)
    if name is None:
        found = recognise(source)
        if len(found) != 1:
            told = f"could be {' or '.join(found)}" if found else "looks like no format that is known here"
            raise UserError(f"{root} {told}; say which with --format: {', '.join(FORMATS)}.")
        (name,) = found
    elif not reader(name).recognised(source):
        found = recognise(source)
        cure = (
            f"take --format {found[0]}" if found else "check the folder, and say where its pictures are with --images"
        )
        raise UserError(f"{root} is not {reader(name).TITLE}; {cure}.")
    try:
        found = reader(name).read(source)
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # an entry is missing, or is no number
        raise UserError(
            f"{root} is no complete export of {reader(name).TITLE} ({error!r}); export it again."
        ) from error
    return name, chosen(found, classes) if classes and name not in _NAMELESS else found
