"""Metrics that run inside `fit`."""

import keras
from keras import ops

from keras_liteseg.datasets.base import IGNORE_LABEL


@keras.saving.register_keras_serializable("keras_liteseg")
class MeanIoU(keras.metrics.Metric):
    """Mean IoU over the classes that occur in labels or predictions, pixels of `IGNORE_LABEL` left out.

    Takes labels, integers (N, height, width), and logits, float (N, height, width, num_classes). The same number as
    `keras_liteseg.metrics.ConfusionMatrix.miou`, up to float32 counting.
    """

    def __init__(self, num_classes, name="miou", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.matrix = self.add_weight(shape=(num_classes, num_classes), initializer="zeros", name="matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        prediction = ops.reshape(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), (-1,))
        cells = self.num_classes**2
        # Ignored pixels go to one more cell, which is dropped.
        index = ops.where(truth == IGNORE_LABEL, cells, truth * self.num_classes + prediction)
        # Not `bincount`, which JAX does not compile.
        counts = ops.segment_sum(ops.ones_like(index), index, num_segments=cells + 1)[:cells]
        self.matrix.assign_add(ops.cast(ops.reshape(counts, self.matrix.shape), self.matrix.dtype))

    def result(self):
        hits = ops.diagonal(self.matrix)
        union = ops.sum(self.matrix, axis=0) + ops.sum(self.matrix, axis=1) - hits
        counted = ops.cast(union > 0, hits.dtype)
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(counted), 1.0)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


def absent_classes(model, classes):
    """Return the names of the classes that no label had in the last evaluation of a model compiled with `MeanIoU`; none
    where there was no evaluation.

    Args:
        model: the compiled model.
        classes: its `ClassList`.
    """
    compiled = [metric for group in model.metrics for metric in getattr(group, "metrics", [group])]
    miou = next((metric for metric in compiled if isinstance(metric, MeanIoU)), None)
    if miou is None:
        return []
    pixels = ops.convert_to_numpy(ops.sum(miou.matrix, axis=1))
    return [name for name, count in zip(classes.names, pixels) if not count and pixels.any()]
