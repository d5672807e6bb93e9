"""What losses compute from all logits of all pixels, which takes a good part of a training step on a CPU.

On TensorFlow as sums of columns, of which each is one class at all pixels, and with the gradient in one pass of its
own: XLA makes vector instructions of both, but not of a sum over an axis as short as that of the classes.
"""

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
    if not _in_columns(logits):
        return _negative_log_likelihood(labels, zero_where_not(valid, logits))
    import tensorflow as tf

    @tf.custom_gradient
    def loss(logits):
        highest, own = _highest_and_own(labels, valid, logits)
        total = _sum_of_exponentials(logits, highest, valid)

        def gradient(upstream):
            return _likelihood_gradient(labels, valid, logits, highest, upstream / total, upstream)

        return tf.math.log(total) - (own - highest), gradient

    return loss(logits)


def divergence(teacher, student):
    """Return KL(teacher || student) of the class probabilities, float32 (N, height, width); no gradient goes to the
    teacher.

    Args:
        teacher, student: logits, float32 (N, height, width, classes).
    """
    teacher = ops.stop_gradient(teacher)
    if not _in_columns(student):
        teacher, student = (ops.log_softmax(logits, axis=-1) for logits in (teacher, student))
        return ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)
    import tensorflow as tf

    def log_total(logits):
        highest = _highest(logits)
        return highest + tf.math.log(_sum_of_exponentials(logits, highest))

    @tf.custom_gradient
    def loss(student):
        totals = log_total(teacher), log_total(student)

        def gradient(upstream):
            return _divergence_gradient(teacher, student, *totals, upstream)

        return _divergence(teacher, student, *totals), gradient

    return loss(student)


def _in_columns(logits):
    return keras.backend.backend() == "tensorflow" and logits.shape[-1] <= MOST_COLUMNS


@one_pass
def _negative_log_likelihood(labels, logits):
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


# The sum stands apart from the maximum, because in one function XLA would compute that again for each exponential.
@one_pass
def _highest_and_own(labels, valid, logits):
    columns = _columns(logits, valid)
    own = sum(ops.where(labels == index, column, 0.0) for index, column in enumerate(columns))
    return functools.reduce(ops.maximum, columns), own


@one_pass
def _highest(logits):
    return functools.reduce(ops.maximum, _columns(logits))


@one_pass
def _sum_of_exponentials(logits, highest, valid=None):
    return sum(ops.exp(column - highest) for column in _columns(logits, valid))


@one_pass
def _divergence(teacher, student, teacher_total, student_total):
    difference = teacher_total - student_total
    return sum(
        ops.exp(theirs - teacher_total) * (theirs - ours - difference)
        for theirs, ours in zip(_columns(teacher), _columns(student))
    )


def _columns(logits, valid=None):
    columns = ops.unstack(logits, axis=-1)
    return columns if valid is None else [ops.where(valid, column, 0.0) for column in columns]


@one_pass
def _likelihood_gradient(labels, valid, logits, highest, scale, upstream):
    """Return upstream * (softmax(logits) - one_hot(labels)), 0 at ignored pixels; `scale` is `upstream` over the sum of
    the exponentials."""
    classes = logits.shape[-1]
    # How far the label is from each class, of ignored pixels farther than any: a select on a mask that is spread over
    # the classes would leave XLA no vector instructions.
    distance = ops.where(valid, labels, 2 * classes)[..., None] - ops.arange(classes, dtype="int32")
    highest, scale, upstream = (ops.expand_dims(values, -1) for values in (highest, scale, upstream))
    gradient = ops.exp(logits - highest) * scale - ops.where(distance == 0, upstream, 0.0)
    return ops.where(distance > classes, 0.0, gradient)


@one_pass
def _divergence_gradient(teacher, student, teacher_total, student_total, upstream):
    """Return upstream * (softmax(student) - softmax(teacher)); the totals are logarithms."""
    teacher_total, student_total, upstream = (
        ops.expand_dims(values, -1) for values in (teacher_total, student_total, upstream)
    )
    return upstream * (ops.exp(student - student_total) - ops.exp(teacher - teacher_total))
