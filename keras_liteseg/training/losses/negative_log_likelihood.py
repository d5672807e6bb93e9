"""The negative log-likelihood of labels, which takes a good part of a training step: its logits have the full size."""

import functools

import keras
from keras import ops

from keras_liteseg.training.losses.base import one_pass, zero_where_not

# Of more classes the loops over their columns get slow, and take XLA seconds to compile.
MOST_COLUMNS = 64


def negative_log_likelihood(labels, valid, logits):
    """Return -log of the probability of the label, float32 (N, height, width); that of equal logits at ignored pixels.

    Args:
        labels: int32 (N, height, width), any class at ignored pixels.
        valid: bool (N, height, width); whatever the logits of the others are, they get no gradient.
        logits: float32 (N, height, width, classes).
    """
    if keras.backend.backend() == "tensorflow" and logits.shape[-1] <= MOST_COLUMNS:
        return _by_columns(labels, valid, logits)
    return _by_pixels(labels, zero_where_not(valid, logits))


@one_pass
def _by_pixels(labels, logits):
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def _by_columns(labels, valid, logits):
    """As sums of columns, of which each is one class at all pixels, and with the gradient in one pass of its own: XLA
    makes vector instructions of both, but not of a sum over an axis as short as that of the classes."""
    import tensorflow as tf

    @tf.custom_gradient
    def loss(logits):
        highest, own = _highest_and_own(labels, valid, logits)
        total = _sum_of_exponentials(valid, logits, highest)

        def gradient(upstream):
            return _gradient(labels, valid, logits, highest, upstream / total, upstream)

        return tf.math.log(total) - (own - highest), gradient

    return loss(logits)


# Two functions, because in one XLA would compute the highest logit again for each exponential.
@one_pass
def _highest_and_own(labels, valid, logits):
    columns = _columns(valid, logits)
    own = sum(ops.where(labels == index, column, 0.0) for index, column in enumerate(columns))
    return functools.reduce(ops.maximum, columns), own


@one_pass
def _sum_of_exponentials(valid, logits, highest):
    return sum(ops.exp(column - highest) for column in _columns(valid, logits))


def _columns(valid, logits):
    return [ops.where(valid, column, 0.0) for column in ops.unstack(logits, axis=-1)]


@one_pass
def _gradient(labels, valid, logits, highest, scale, upstream):
    """Return upstream * (softmax(logits) - one_hot(labels)), 0 at ignored pixels; `scale` is `upstream` over the sum of
    the exponentials."""
    classes = logits.shape[-1]
    # How far the label is from each class, of ignored pixels farther than any: a select on a mask that is spread over
    # the classes would leave XLA no vector instructions.
    distance = ops.where(valid, labels, 2 * classes)[..., None] - ops.arange(classes, dtype="int32")
    highest, scale, upstream = (ops.expand_dims(values, -1) for values in (highest, scale, upstream))
    gradient = ops.exp(logits - highest) * scale - ops.where(distance == 0, upstream, 0.0)
    return ops.where(distance > classes, 0.0, gradient)
