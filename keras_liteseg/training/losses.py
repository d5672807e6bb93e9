"""Losses over logits and label maps with an ignore label."""

import keras
from keras import ops

from keras_liteseg.datasets.base import IGNORE_LABEL


@keras.saving.register_keras_serializable("keras_liteseg")
class CrossEntropy(keras.losses.Loss):
    """Mean cross-entropy over the pixels that are not `IGNORE_LABEL`; 0 when there is none.

    Takes labels, integers (N, height, width), and logits, float (N, height, width, classes).
    """

    def call(self, y_true, y_pred):
        valid = y_true != IGNORE_LABEL
        labels = ops.where(valid, y_true, ops.zeros_like(y_true))
        loss = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        weight = ops.cast(valid, loss.dtype)
        return ops.sum(loss * weight) / ops.maximum(ops.sum(weight), 1.0)
