"""Losses on the overlap of a class's prediction and ground truth, which weigh small classes as much as large ones."""

import keras
from keras import ops

from keras_liteseg.training.losses.base import PixelLoss, divide, mean_where, zero_where_not


@keras.saving.register_keras_serializable("keras_liteseg")
class Dice(PixelLoss):
    """1 - the soft Dice coefficient 2 sum(p g) / (sum(p) + sum(g)), averaged over the classes in the batch's labels.

    p is the probability of the class, g is 1 at its pixels and 0 elsewhere; sums run over the valid pixels of the
    batch. Source: F. Milletari et al., V-Net, 2016, section 3, with plain instead of squared probabilities.
    """

    def __init__(self, name="dice"):
        super().__init__(name)

    def value(self, labels, valid, logits):
        weight = ops.expand_dims(ops.cast(valid, logits.dtype), -1)
        probability = ops.softmax(zero_where_not(valid, logits), axis=-1) * weight
        truth = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype) * weight
        pixels = (0, 1, 2)
        size = ops.sum(truth, axis=pixels)
        coefficient = divide(2 * ops.sum(probability * truth, axis=pixels), ops.sum(probability, axis=pixels) + size)
        return mean_where(1 - coefficient, size > 0)


@keras.saving.register_keras_serializable("keras_liteseg")
class Lovasz(PixelLoss):
    """Lovász-softmax: a convex surrogate of 1 - IoU, averaged over the classes in the batch's labels.

    Source: M. Berman et al., The Lovász-Softmax loss, 2018, with the valid pixels of the batch as one set. It sorts
    the errors of all pixels once per class: on a CPU it takes over ten times as long as a cross-entropy.
    """

    def __init__(self, name="lovasz"):
        super().__init__(name)

    def value(self, labels, valid, logits):
        classes = logits.shape[-1]
        probability = ops.transpose(ops.reshape(ops.softmax(zero_where_not(valid, logits), axis=-1), (-1, classes)))
        valid = ops.reshape(valid, (1, -1))
        truth = ops.reshape(labels, (1, -1)) == ops.expand_dims(ops.arange(classes, dtype="int32"), 1)
        truth = ops.logical_and(truth, valid)  # (classes, pixels), as all that follows
        error = ops.where(truth, 1 - probability, probability)
        error = ops.where(valid, error, ops.zeros_like(error))

        # Largest error first. Ignored pixels come after all others, where they change no weight but their own.
        order = ops.argsort(ops.stop_gradient(ops.where(valid, -error, ops.ones_like(error))), axis=1)
        truth = ops.take_along_axis(ops.cast(truth, "int32"), order, axis=1)
        hits = ops.cumsum(truth, axis=1)
        size = hits[:, -1:]
        intersection = size - hits
        union = size + ops.cumsum(1 - truth, axis=1)
        loss = ops.sum(ops.take_along_axis(error, order, axis=1) * _steps(truth, intersection, union), axis=1)
        return mean_where(loss, size[:, 0] > 0)


def _steps(truth, intersection, union):
    """Return how much 1 - IoU grows with each further wrong pixel, the gradient of the Lovász extension.

    A missed pixel takes 1 from the intersection, a false one adds 1 to the union. The differences are written out
    because float32 cancels those of neighbouring IoUs: with a million pixels they are about 1e-6.
    """
    intersection, union = ops.cast(intersection, "float32"), ops.cast(union, "float32")
    return ops.where(truth == 1, 1 / ops.maximum(union, 1), intersection / (union * ops.maximum(union - 1, 1)))
