"""What both kinds of training refuse before they begin."""

import math
import os

from keras_liteseg.choices import require_bool, require_path
from keras_liteseg.classes import listed
from keras_liteseg.datasets.base import IGNORE_LABEL, require_dataset
from keras_liteseg.datasets.remap import require_agreement
from keras_liteseg.datasets.samples import read_mask
from keras_liteseg.errors import UserError
from keras_liteseg.training.distribute import hosts


def require_arguments(kind, config, train_data, val_data, output_dir, resume, init_from, averaged):
    """Raise a `UserError` unless a training can begin with these.

    Args:
        kind: the class that `config` must be of.
        train_data, val_data: must be `SegmentationDataset`s with samples and the same classes, two at least.
        output_dir: must be a path.
        resume, averaged: must be bools.
        init_from: must be None or a path. `averaged` needs it, or the config's `backbone_weights`.
    """
    if not isinstance(config, kind):
        raise UserError(f"The config is {config!r}; give a keras_liteseg.{kind.__name__}, or load_config reads one.")
    for data in (train_data, val_data):
        require_dataset(data)
        if not len(data):
            raise UserError(f"The data set {data.name} has no samples in its split '{data.split}'; add some.")
    require_agreement(train_data, val_data)
    if len(train_data.classes) < 2:
        raise UserError(
            f"{train_data.name} has {listed(train_data.classes)} and all other pixels are ignored, so that there is "
            "nothing to tell apart. Give the others a class too, such as background, in label_map or where the classes "
            "are listed."
        )
    _require_memory(config, train_data.image_format.channels)
    require_path("output folder", output_dir)
    require_bool("resume", resume)
    require_bool("averaged", averaged)
    if init_from is not None:
        require_path("file to start from (init_from)", init_from)
    if averaged and not (init_from or getattr(config, "backbone_weights", "")):
        raise UserError(
            "--averaged chooses among the weights in the file of --init_from or of the key backbone_weights; name one, "
            "or leave it out."
        )


def require_labels(*datasets):
    """Raise a `UserError` where no mask of a `SegmentationDataset` has a labelled pixel: nothing would be learned or
    measured, without a word. As a rule the first mask has one, and no other is read."""
    for data in datasets:
        if not any((read_mask(data, index) != IGNORE_LABEL).any() for index in range(len(data))):
            raise UserError(
                f"No mask of the split '{data.split}' of {data.name} has a labelled pixel, as all are ignored; correct "
                "which values of the masks are which class (of data of your own, under 'values' in classes.yaml), or "
                "label some."
            )


def _require_memory(config, channels):
    """Raise a `UserError` where the images of a batch, float32, would not even fit into this machine's memory."""
    height, width = config.crop_size
    wanted = 4 * config.batch_size * height * width * channels / hosts()
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if wanted > there:
        raise UserError(
            f"batch_size is {config.batch_size}, and so many images of {height}x{width} take {wanted / 1e9:.0f} GB of "
            f"memory, where this machine has {there / 1e9:.0f} GB; lower batch_size or crop_size."
        )
