"""The batches of a training and of its validation, as the Keras backend takes them.

TensorFlow gets `keras_liteseg.training.pipeline`, under a strategy of `tf.distribute` one per host; JAX and PyTorch get
a `keras.utils.PyDataset` of the same batches.
"""

import concurrent.futures

import keras
import numpy as np

from keras_liteseg.datasets.in_parallel import CORES
from keras_liteseg.datasets.samples import evaluation_samples, training_samples
from keras_liteseg.image_format import RGB

# Samples that are loaded at the same time: a thread for each core, but no more than eight, as they share Python's lock.
WORKERS = min(max(2, CORES), 8)
AHEAD = 3  # batches that lie ready, or are being made, before their use


def training_batches(
    dataset, augmentation, batch_size, mean, std, seed=0, first_step=0, heads=1, workers=WORKERS, repeats=None
):
    """Return endless batches for `fit` with `steps_per_epoch`, of which batch k depends on the arguments and k alone.

    Args:
        heads: number of outputs of the model, which all get the same masks.
        others: as of `keras_liteseg.training.pipeline.training_pipeline`.

    Returns:
        Batches (images float32 (batch_size, height, width, channels), a tuple of `heads` times the masks int32
        (batch_size, height, width)).

    Raises:
        UserError: `dataset` is empty.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        from keras_liteseg.training.pipeline import training_pipeline

        def part(context):
            options = dict(seed=seed, first_step=first_step, workers=workers, context=context, repeats=repeats)
            batches = training_pipeline(dataset, augmentation, batch_size, mean, std, **options)
            return batches.map(lambda images, masks: (images, (masks,) * heads))

        return tf.distribute.get_strategy().distribute_datasets_from_function(part)
    load = training_samples(dataset, augmentation, seed, repeats)
    image_format = dataset.image_format
    return NumberedBatches(load, batch_size, mean, std, workers, None, first_step, heads, image_format)


def evaluation_batches(dataset, size, batch_size, mean, std, workers=WORKERS):
    """Return the samples in order, resized to `size` (height, width) where they differ, the last batch as it comes.

    Returns:
        Batches (images float32 (batch_size, height, width, channels), masks int32 (batch_size, height, width)).

    Raises:
        UserError: `dataset` is empty.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        from keras_liteseg.training.pipeline import evaluation_pipeline

        return tf.distribute.get_strategy().distribute_datasets_from_function(
            lambda context: evaluation_pipeline(dataset, size, batch_size, mean, std, workers, context)
        )
    load = evaluation_samples(dataset, size)
    return NumberedBatches(load, batch_size, mean, std, workers, len(dataset), image_format=dataset.image_format)


class NumberedBatches(keras.utils.PyDataset):
    """Batches of the samples that `load` gives for the numbers from 0 on.

    Args:
        load: function number -> (image (height, width, channels), mask uint8 (height, width)), for any thread.
        batch_size: samples per batch; the last batch holds what is left.
        mean, std: normalization of the image, a number per channel, see `keras_liteseg.Metadata`.
        workers: samples that are loaded at the same time.
        length: number of samples; None for no end.
        first_step: batches that are left out at the start.
        heads: number of times that the masks are given, as a tuple; None for masks alone.
        image_format: `ImageFormat` of the images.
    """

    def __init__(self, load, batch_size, mean, std, workers=2, length=None, first_step=0, heads=None, image_format=RGB):
        # None of Keras's own workers: with these, the batch that `fit` and `evaluate` take to build the model is lost
        # or comes later.
        super().__init__(workers=1)
        self._load, self._batch_size, self._heads = load, batch_size, heads
        scaling = image_format.scaling(mean, std)
        self._to_device = _on_jax(*scaling) if keras.backend.backend() == "jax" else _in_numpy(*scaling)
        self._length, self._first_step = length, first_step
        self._loaders, self._makers = map(concurrent.futures.ThreadPoolExecutor, (workers, AHEAD))
        self._started = {}

    @property
    def num_batches(self):
        return None if self._length is None else -(-self._length // self._batch_size) - self._first_step

    def __getitem__(self, index):
        end = index + 1 + AHEAD
        if self._length is not None:
            end = min(end, self.num_batches)
        self._started = {
            number: self._started.get(number) or self._makers.submit(self._make, number) for number in range(index, end)
        }
        return self._started.pop(index).result()

    def _make(self, index):
        numbers = np.arange(self._batch_size) + (self._first_step + index) * self._batch_size
        if self._length is not None:
            numbers = numbers[numbers < self._length]
        images, masks = zip(*self._loaders.map(self._load, numbers))
        images, masks = self._to_device(np.stack(images), np.stack(masks))
        return images, masks if self._heads is None else (masks,) * self._heads


def _in_numpy(factor, offset):
    def convert(images, masks):
        images = images.astype(np.float32)
        images *= factor
        images += offset
        return images, masks.astype(np.int32)

    return convert


def _on_jax(factor, offset):
    """As `_in_numpy`, but computed on the device: it is sent bytes, a quarter of what float32 images would be."""
    import jax

    # Two programs, because XLA makes one rounding of a product and a sum, where NumPy and TensorFlow make two.
    multiply = jax.jit(lambda images: images.astype(np.float32) * factor)
    add = jax.jit(lambda images: images + offset, donate_argnums=0)
    to_labels = jax.jit(lambda masks: masks.astype(np.int32))
    return lambda images, masks: (add(multiply(images)), to_labels(masks))
