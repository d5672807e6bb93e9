"""Data sets as batches of tensors (tf.data) for training and evaluation.

A bad file makes the data set raise a `UserError`. TensorFlow turns it into a `tf.errors.OpError` that holds its text.
`check.require_valid` finds such files before a training.
"""

import numpy as np
import tensorflow as tf

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.samples import evaluation_samples, training_samples


def training_pipeline(
    dataset, augmentation, batch_size, mean, std, seed=0, first_step=0, workers=2, context=None, repeats=None
):
    """Return an endless `tf.data.Dataset` of augmented batches, for `fit` with `steps_per_epoch`.

    The samples come in passes over the data set, each in its own random order. A batch may hold the end of one pass and
    the start of the next, so that no sample is left out and a data set may be smaller than a batch. Batch k depends
    only on the arguments and k, whatever `workers` is: with `first_step=k`, a training that stopped after k steps
    continues as if it had never stopped.

    Args:
        dataset: a `SegmentationDataset`.
        augmentation: an `Augmentation`.
        batch_size: samples per batch.
        mean, std: normalization of the image, a number per channel, see `keras_liteseg.Metadata`.
        seed: a whole number, 0 or more.
        first_step: index of the first batch.
        workers: samples loaded at the same time.
        context: the `tf.distribute.InputContext` of a host. The host then loads only its own part of each batch and
            gets one smaller batch for each of its devices in turn. Together the hosts get what one host gets without a
            context. `batch_size` must be a multiple of the number of devices.
        repeats: as of `keras_liteseg.datasets.samples.training_samples`.

    Returns:
        Batches (images float32 (batch_size, height, width, channels), masks int32 (batch_size, height, width)).

    Raises:
        UserError: `dataset` is empty.
    """
    load = training_samples(dataset, augmentation, seed, repeats)
    context = context or tf.distribute.InputContext()
    part = batch_size // context.num_input_pipelines
    start = part * context.input_pipeline_id
    numbers = tf.data.Dataset.counter(first_step * part).map(
        lambda number: number // part * batch_size + start + number % part
    )
    device_batch = batch_size // context.num_replicas_in_sync
    image = dataset.image_format, mean, std
    return _batches(numbers, load, augmentation.crop_size, device_batch, True, image, workers)


def evaluation_pipeline(dataset, size, batch_size, mean, std, workers=2, context=None):
    """Return a `tf.data.Dataset` of the samples in order, resized to `size` (height, width) where they differ.

    Args:
        context: as for `training_pipeline`. No device can take an empty batch. Where there are too few samples for all
            devices, the last batches of some therefore end with an image whose labels are all `IGNORE_LABEL`.

    Returns:
        Batches like those of `training_pipeline`; the last one holds the remaining samples.

    Raises:
        UserError: `dataset` is empty.
    """
    sample = evaluation_samples(dataset, size)

    def load(index):
        if index < len(dataset):
            return sample(index)
        image, mask = sample(0)
        return image, np.full_like(mask, IGNORE_LABEL)

    context = context or tf.distribute.InputContext()
    hosts, devices = context.num_input_pipelines, context.num_replicas_in_sync
    device_batch, device_samples = max(batch_size // devices, 1), -(-len(dataset) // devices)
    numbers = tf.data.Dataset.range(device_samples * devices).shard(hosts, context.input_pipeline_id)
    rest = device_samples % device_batch
    full = (device_samples - rest) * devices // hosts
    image = dataset.image_format, mean, std
    batches = _batches(numbers.take(full), load, size, device_batch, False, image, workers)
    if not rest:
        return batches
    return batches.concatenate(_batches(numbers.skip(full), load, size, rest, False, image, workers))


def _batches(numbers, load, size, batch_size, drop_remainder, image, workers):
    """Return the batches of `load` for `numbers`; `image` is (`ImageFormat`, mean, std) of the images."""
    image_format, mean, std = image

    def load_tensors(number):
        image, mask = tf.numpy_function(load, [number], [tf.as_dtype(image_format.dtype), tf.uint8])
        return tf.ensure_shape(image, (*size, image_format.channels)), tf.ensure_shape(mask, tuple(size))

    # Repeated to the length of a row, because TensorFlow makes no vector instructions for three channels.
    factor, offset = (np.tile(values, size[1]) for values in image_format.scaling(mean, std))

    def normalize(images, masks):
        rows = tf.reshape(images, (-1, size[0], len(factor)))
        normalized = tf.reshape(tf.cast(rows, tf.float32) * factor + offset, tf.shape(images))
        return tf.ensure_shape(normalized, images.shape), tf.cast(masks, tf.int32)

    batches = (
        numbers.map(load_tensors, num_parallel_calls=workers, deterministic=True)
        .batch(batch_size, drop_remainder=drop_remainder)
        .map(normalize)
        .prefetch(2)
    )
    # tf.data's tuner has nothing to tune here. It sleeps longer and longer, and the end of an iterator waits until it
    # wakes up: a validation of 6 seconds took 10.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
