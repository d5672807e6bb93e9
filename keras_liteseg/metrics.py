"""Segmentation accuracy from a confusion matrix, as the pixel-level evaluation of Cityscapes defines it.

That evaluation (evalPixelLevelSemanticLabeling of cityscapesScripts) leaves out void pixels of the ground truth, sums
over all images before it divides, and takes the mean over every class whose IoU has a denominator above zero. A class
that is predicted somewhere but occurs nowhere in the ground truth so counts with an IoU of 0; a class in neither does
not count.
"""

import cv2
import numpy as np

from keras_liteseg.classes import IGNORE_LABEL
from keras_liteseg.errors import UserError

_STRIP = 2**22  # pixels that are counted at once: OpenCV counts in float32, which is exact up to four times as many


class ConfusionMatrix:
    """Confusion matrix in exact integers; rows are ground truth, columns are predictions.

    Args:
        num_classes: number of classes; ground truth pixels of `IGNORE_LABEL` are left out.

    Attributes:
        matrix: pixels, int64 (num_classes, num_classes).
    """

    def __init__(self, num_classes: int) -> None:
        self.matrix = np.zeros((num_classes, num_classes), np.int64)

    def update(self, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Count one pair of label maps of the same shape, integers.

        Raises:
            UserError: a label that counts is not a class.
        """
        num_classes = len(self.matrix)
        are_bytes = truth.dtype == prediction.dtype == np.uint8 and truth.shape == prediction.shape
        if are_bytes and prediction.max(initial=0) < num_classes <= IGNORE_LABEL:
            matrix = _count_bytes(truth, prediction, num_classes)
            if matrix.sum() + np.count_nonzero(truth == IGNORE_LABEL) == truth.size:
                self.matrix += matrix
                return
        valid = truth != IGNORE_LABEL
        truth, prediction = truth[valid], prediction[valid]
        for name, labels in (("ground truth", truth), ("prediction", prediction)):
            if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
                raise UserError(
                    f"The {name} has labels from {labels.min()} to {labels.max()}; with {num_classes} classes they "
                    f"must be 0 to {num_classes - 1}, and only the ground truth may have void pixels ({IGNORE_LABEL})."
                )
        index = truth.astype(np.int64) * num_classes + prediction
        self.matrix += np.bincount(index, minlength=num_classes**2).reshape(num_classes, num_classes)

    def iou(self) -> np.ndarray:
        """Return intersection over union per class, float (num_classes,); NaN for a class in neither ground truth nor
        prediction."""
        return iou_per_class(self.matrix)

    def miou(self) -> float:
        """Return the mean IoU over the classes in the ground truth or the prediction, or NaN without any.

        This is the number of the Cityscapes benchmark. On few images it hangs on single pixels: one of a class that the
        ground truth does not have lowers it by as much as a class that was missed altogether; see `miou_present`.
        """
        return _mean(self.iou())

    def miou_present(self) -> float:
        """Return the mean IoU over the classes that occur in the ground truth, or NaN without any.

        Equals `miou` where the ground truth has every class, as in whole data sets; the steadier number on few images.
        """
        return _mean(self.iou()[self.matrix.sum(axis=1) > 0])

    def pixel_accuracy(self) -> float:
        """Return the share of pixels, void left out, that have the right class."""
        total = self.matrix.sum()
        return float(np.trace(self.matrix) / total) if total else float("nan")

    def mean_accuracy(self) -> float:
        """Return the mean over the classes of the ground truth of the share of their pixels that was found (recall)."""
        in_truth = self.matrix.sum(axis=1)
        return _mean(np.diag(self.matrix)[in_truth > 0] / in_truth[in_truth > 0])

    def frequency_weighted_iou(self) -> float:
        """Return the mean IoU, each class weighted by its share of the ground truth's pixels."""
        in_truth = self.matrix.sum(axis=1)
        present = in_truth > 0
        return float(np.average(self.iou()[present], weights=in_truth[present])) if present.any() else float("nan")


def _count_bytes(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the confusion matrix of two label maps, uint8; ground truth that is no class is left out.

    A histogram of one code for each pair takes a fortieth of the time that `np.bincount` does.
    """
    total = np.zeros(num_classes**2, np.int64)
    truth, prediction = truth.reshape(-1), prediction.reshape(-1)
    for start in range(0, truth.size, _STRIP):
        codes = np.multiply(truth[start : start + _STRIP], np.uint16(num_classes), dtype=np.uint16)
        codes += prediction[start : start + _STRIP]
        total += cv2.calcHist([codes], [0], None, [num_classes**2], [0, num_classes**2]).reshape(-1).astype(np.int64)
    return total.reshape(num_classes, num_classes)


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Return TP / (TP + FP + FN) for every class of a confusion matrix, NaN where the denominator is 0."""
    hits = np.diag(matrix).astype(np.float64)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN, or NaN without any."""
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if counted.size else float("nan")
