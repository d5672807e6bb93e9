"""The statistics that batch normalization gathers in training: its moving means and variances."""

import functools
import itertools

import keras

from keras_liteseg.training.distribute import on_tensorflow


def normalizations(model):
    """Return the batch normalizations of a functional model."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def statistics(model):
    """Return the moving means and variances of a functional model, as variables."""
    return [variable for layer in normalizations(model) for variable in (layer.moving_mean, layer.moving_variance)]


def measure_statistics(model, batches, steps=16):
    """Let the moving statistics be the mean over the first `steps` batches, with the weights that the model has now.

    On several devices it is the mean over those of each.
    """
    layers = normalizations(model)
    momenta = [layer.momentum for layer in layers]
    run = _run_on_jax(model) if keras.backend.backend() == "jax" else _run
    try:
        for step, (images, _) in enumerate(itertools.islice(batches, steps)):
            run(model, images, step / (step + 1))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    if on_tensorflow() and model.distribute_strategy.num_replicas_in_sync > 1:
        average_statistics(model)


def _run(model, images, momentum):
    for layer in normalizations(model):
        layer.momentum = momentum
    if on_tensorflow():
        model.distribute_strategy.run(model, (images,), {"training": True})
    else:
        model(images, training=True)


@functools.lru_cache(maxsize=1)
def _run_on_jax(model):
    """As `_run`, compiled: operation by operation it takes longer than the epoch before it."""
    import jax

    changing = model.non_trainable_variables

    @jax.jit
    def updated(trainable, others, images, momentum):
        for layer in normalizations(model):
            layer.momentum = momentum
        return model.stateless_call(trainable, others, images, training=True)[1]

    def run(model, images, momentum):
        trainable, others = ([variable.value for variable in kind] for kind in (model.trainable_variables, changing))
        for variable, value in zip(changing, updated(trainable, others, images, momentum), strict=True):
            variable.assign(value)

    return run


def average_statistics(model):
    """Give all devices the mean of their statistics."""
    import tensorflow as tf

    strategy = model.distribute_strategy
    variables = statistics(model)

    @tf.function
    def read():
        return strategy.run(lambda: [variable.value.read_value() for variable in variables])

    for variable, value in zip(variables, read(), strict=True):
        variable.assign(strategy.reduce("MEAN", value, axis=None))


class AverageStatistics(keras.callbacks.Callback):
    """Calls `average_statistics` at the end of each epoch.

    Without `sync_batch_norm` each device gathers its own, and one set is saved. With their own, the others would
    validate another network than the saved one, and would not go on with it after a resume.
    """

    def on_epoch_end(self, epoch, logs):
        average_statistics(self.model)
