"""What all losses share."""

import functools

import keras
from keras import ops

from keras_liteseg.datasets.base import IGNORE_LABEL


def one_pass(function):
    """Let TensorFlow compile a function of tensors, so that it runs over the pixels once; a decorator.

    With ten or twenty classes in the last axis, TensorFlow's own operations on logits of full size take a fifth of a
    training step on a CPU; compiled by XLA they take half as long. Sums over all pixels do not belong inside: XLA adds
    them up one by one, which loses digits.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return functools.wraps(function)(tf.function(function, jit_compile=True, autograph=False))


class PixelLoss(keras.losses.Loss):
    """A loss whose value is `value(labels, valid, logits)`, a scalar.

    `value` gets labels int32 (N, height, width) with 0 in place of `IGNORE_LABEL`, valid bool (N, height, width), and
    logits float32 (N, height, width, classes). Those of ignored pixels may be anything: `negative_log_likelihood` takes
    them as they are, and all else is computed from `zero_where_not(valid, logits)`.
    """

    def __init__(self, name=None):
        super().__init__(name=name, dtype="float32")

    def call(self, y_true, y_pred):
        return per_replica(self.value(*hide_ignored(y_true), y_pred))

    def value(self, labels, valid, logits):
        raise NotImplementedError

    def get_config(self):
        return {"name": self.name}


def hide_ignored(labels):
    """Return (labels int32 with 0 in place of ignored ones, valid bool)."""
    valid = labels != IGNORE_LABEL
    return ops.cast(ops.where(valid, labels, ops.zeros_like(labels)), "int32"), valid


@one_pass
def zero_where_not(valid, logits):
    """Return logits with 0 at ignored pixels, where then even infinity leaves no trace in what follows."""
    return ops.where(ops.expand_dims(valid, -1), logits, ops.zeros_like(logits))


def per_replica(value):
    """Return a scalar loss as (1,): under `tf.distribute`, Keras sums the gradients of the replicas and divides the
    loss by their number only where the reduction to a scalar is its own."""
    return ops.reshape(value, (1,))


def mean_where(values, mask):
    """Return the mean of `values` where the boolean `mask`, of the same shape, is true; 0 where that is nowhere."""
    mask = ops.cast(mask, values.dtype)
    return divide(ops.sum(values * mask), ops.sum(mask))


def divide(total, weight):
    """Return total / weight, 0 where the weight is 0."""
    return total / ops.where(weight > 0, weight, ops.ones_like(weight)) * ops.cast(weight > 0, total.dtype)
