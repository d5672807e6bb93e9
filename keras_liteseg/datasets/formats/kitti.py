"""KITTI: KITTI-STEP (panoptic_maps/SPLIT/SEQUENCE) and KITTI semantics 2015 (training/semantic).

The classes are the 19 of Cityscapes. In KITTI-STEP red is the train id, 255 for void, and green and blue count
instances; in KITTI semantics a mask holds the label ids of Cityscapes.
"""

import functools

import numpy as np

from keras_liteseg.datasets import cityscapes
from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.classes_file import UNKNOWN
from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import IGNORED, UNKNOWN_VALUE, Export, Sample, colored, split_of

TITLE = "KITTI-STEP and KITTI semantics"


def recognised(source):
    return bool(_masks(source))


def _masks(source):
    """Return the masks of either kind."""
    return [
        path
        for path in source.files("*.png")
        if "panoptic_maps" in path.parts or (path.parent.name == "semantic" and path.parent.parent.name == "training")
    ]


def read(source):
    samples = []
    for mask in _masks(source):
        step = "panoptic_maps" in mask.parts
        if step:
            split, sequence = mask.parent.parent.name, mask.parent.name
            picture = source.find(f"image_02/{sequence}/{mask.name}")
            name, table = f"{sequence}_{mask.stem}", cityscapes.train_id_table()
        else:
            split, name = None, mask.stem
            picture, table = source.find(f"image_2/{mask.name}"), cityscapes.label_id_table()
        samples.append(Sample(name, picture, split and split_of(split), functools.partial(_draw, mask, table, step)))
    classes = [colored(name, color) for name, color in zip(cityscapes.CLASSES.names, cityscapes.CLASSES.colors)]
    return Export(classes, samples, ["The classes are the 19 of Cityscapes; 'void' is ignored."], drawn=False)


def _ours(table):
    """Return a table of Cityscapes as `rasters.by_table` takes it."""
    return np.select([table == IGNORE_LABEL, table == UNKNOWN], [IGNORED, UNKNOWN_VALUE], table)


def _draw(path, table, step, size):
    values = rasters.numbers(path) if not step else np.asarray(rasters.open_raster(path).convert("RGB"))[..., 0]
    return rasters.by_table(path, values.astype(np.int32), _ours(table))
