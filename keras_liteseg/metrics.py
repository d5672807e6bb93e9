"""Segmentation accuracy from a confusion matrix."""

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL


class Confusion:
    """Confusion matrix in exact integers; rows are truth, columns are predictions.

    Args:
        num_classes: number of classes; truth pixels of `IGNORE_LABEL` are left out.
    """

    def __init__(self, num_classes):
        self.matrix = np.zeros((num_classes, num_classes), np.int64)

    def update(self, truth, prediction):
        """Count one pair of label maps of the same shape, integers."""
        num_classes = len(self.matrix)
        valid = truth != IGNORE_LABEL
        index = truth[valid].astype(np.int64) * num_classes + prediction[valid]
        self.matrix += np.bincount(index, minlength=num_classes**2).reshape(num_classes, num_classes)

    def iou(self):
        """Return intersection over union per class, float (num_classes,); NaN where neither truth nor prediction has
        the class."""
        return iou_per_class(self.matrix)

    def miou(self):
        """Return the mean IoU over the classes that occur in the truth, or NaN without any."""
        present = self.matrix.sum(axis=1) > 0
        return float(self.iou()[present].mean()) if present.any() else float("nan")

    def pixel_accuracy(self):
        """Return the share of pixels, void left out, that have the right class."""
        total = self.matrix.sum()
        return float(np.trace(self.matrix) / total) if total else float("nan")


def iou_per_class(matrix):
    """Return TP / (TP + FP + FN) for every class of a confusion matrix, NaN where the denominator is 0."""
    hits = np.diag(matrix).astype(np.float64)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)
