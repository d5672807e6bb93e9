"""Data sets as batches of tensors (tf.data) for training and evaluation.

A fault of a file, a `UserError` of the data set, passes through TensorFlow and reaches the caller as a
`tf.errors.OpError` that holds its text; run `check.require_valid` before training to meet it earlier and cleanly.
"""

import functools
import threading

import numpy as np
import tensorflow as tf

from keras_liteseg.datasets.augment import augment, resize_sample
from keras_liteseg.datasets.base import SegmentationDataset
from keras_liteseg.errors import UserError


def training_pipeline(dataset, augmentation, batch_size, mean, std, seed=0, first_step=0, workers=2):
    """Return an endless `tf.data.Dataset` of augmented batches, for `fit` with `steps_per_epoch`.

    The samples come in passes over the data set, each in its own random order; a batch may hold the end of one pass
    and the start of the next, so that no sample is left out and a data set may be smaller than a batch. Batch k
    depends on the arguments and k alone: a training that stopped after k steps goes on with `first_step=k` as if it
    had never stopped, whatever `workers` is.

    Args:
        dataset: a `SegmentationDataset`.
        augmentation: an `Augmentation`.
        batch_size: samples per batch; under `tf.distribute`, the global batch.
        mean, std: per-channel normalisation of the image: (x / 255 - mean) / std.
        seed: a whole number, 0 or more.
        first_step: index of the first batch.
        workers: samples loaded at the same time.

    Returns:
        Batches (images float32 (batch_size, height, width, 3), masks int32 (batch_size, height, width)).

    Raises:
        UserError: `dataset` is empty.
    """
    _require_samples(dataset)
    length = len(dataset)

    @functools.lru_cache(maxsize=2)
    def order(pass_index):
        # Sample generators are seeded by (seed, pass, index below length); `length` in that place is free for this.
        return np.random.default_rng((seed, pass_index, length)).permutation(length)

    def load(number):
        pass_index, position = divmod(int(number), length)
        index = int(order(pass_index)[position])
        return augment(*_read(dataset, index), augmentation, np.random.default_rng((seed, pass_index, index)))

    numbers = tf.data.Dataset.counter(first_step * batch_size)
    return _batches(numbers, load, augmentation.crop, batch_size, True, mean, std, workers)


def evaluation_pipeline(dataset, size, batch_size, mean, std, workers=2):
    """Return a `tf.data.Dataset` of the samples in order, resized to `size` (height, width) where they differ.

    Returns:
        Batches as those of `training_pipeline`; the last one holds what is left.

    Raises:
        UserError: `dataset` is empty.
    """
    _require_samples(dataset)

    def load(index):
        return resize_sample(*_read(dataset, int(index)), size)

    return _batches(tf.data.Dataset.range(len(dataset)), load, size, batch_size, False, mean, std, workers)


class CachedDataset(SegmentationDataset):
    """`dataset` with decoded images and masks kept in memory until they take `max_bytes`; later ones are read anew.

    The arrays it returns are shared and read-only.
    """

    def __init__(self, dataset, max_bytes):
        self.name, self.split, self.classes = dataset.name, dataset.split, dataset.classes
        self._dataset, self._free = dataset, max_bytes
        self._kept, self._lock = {}, threading.Lock()

    def __len__(self):
        return len(self._dataset)

    def sample_id(self, index):
        return self._dataset.sample_id(index)

    def image(self, index):
        return self._get("image", index)

    def mask(self, index):
        return self._get("mask", index)

    def _get(self, part, index):
        key = (part, index)
        if key not in self._kept:
            array = getattr(self._dataset, part)(index)
            array.flags.writeable = False
            with self._lock:
                if key in self._kept or array.nbytes > self._free:
                    return array
                self._kept[key] = array
                self._free -= array.nbytes
        return self._kept[key]


def _require_samples(dataset):
    if not len(dataset):
        raise UserError(f"The data set {dataset.name} has no samples in its split '{dataset.split}'; add some.")


def _read(dataset, index):
    image, mask = dataset.image(index), dataset.mask(index)
    if image.shape[:2] != mask.shape:
        raise UserError(
            f"The image of {dataset.sample_id(index)} is {image.shape[0]}x{image.shape[1]} and its mask "
            f"{mask.shape[0]}x{mask.shape[1]}; run python -m keras_liteseg.datasets.check to find all such files."
        )
    return image, mask


def _batches(numbers, load, size, batch_size, drop_remainder, mean, std, workers):
    def load_tensors(number):
        image, mask = tf.numpy_function(load, [number], [tf.uint8, tf.uint8])
        return tf.ensure_shape(image, (*size, 3)), tf.ensure_shape(mask, tuple(size))

    # One multiplication and one addition per value: (x / 255 - mean) / std = x * factor + offset.
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    factor, offset = (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)

    def normalize(images, masks):
        return tf.cast(images, tf.float32) * factor + offset, tf.cast(masks, tf.int32)

    # DATA: under tf.distribute every worker loads the global batch and keeps its own part of it. OFF would train all
    # workers on the same samples, FILE needs files that TensorFlow itself reads.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return (
        numbers.map(load_tensors, num_parallel_calls=workers, deterministic=True)
        .batch(batch_size, drop_remainder=drop_remainder)
        .map(normalize)
        .prefetch(2)
        .with_options(options)
    )
