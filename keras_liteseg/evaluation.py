"""Accuracy of a network, in whatever file, on a data set."""

import dataclasses
import sys

import numpy as np
from tqdm import tqdm

from keras_liteseg.errors import UserError
from keras_liteseg.metrics import Confusion


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Accuracy over a split. `iou` is {class name: IoU, None where the class occurs in neither truth nor prediction}.

    `agreement` is the share of pixels, void included, with the same label as the reference predictor's, or None.
    """

    images: int
    miou: float
    pixel_accuracy: float
    iou: dict
    agreement: float | None = None


def evaluate(predictor, dataset, reference=None, progress=True):
    """Compare a predictor's labels with the truth, at the truth's size.

    mIoU is the mean over the classes that occur in the truth; void pixels are left out of every accuracy.

    Args:
        predictor: a `keras_liteseg.predictor.Predictor`.
        dataset: a `SegmentationDataset` with the predictor's classes.
        reference: another predictor, or a list of its label maps per sample, whose labels are compared too.
        progress: whether to show a progress bar on a terminal.

    Returns:
        An `Evaluation`.

    Raises:
        UserError: the data set is empty or has another number of classes.
    """
    names = dataset.classes.names
    require_same_classes(predictor.metadata, dataset)
    confusion = Confusion(len(names))
    equal = total = 0
    for index in tqdm(range(len(dataset)), "evaluating", disable=None if progress else True, file=sys.stderr):
        image, truth = dataset.image(index), dataset.mask(index)
        labels = predictor.labels(image)
        confusion.update(truth, labels)
        if reference is not None:
            other = reference[index] if isinstance(reference, list) else reference.labels(image)
            equal += int(np.count_nonzero(labels == other))
            total += labels.size
    iou = {name: None if np.isnan(value) else round(float(value), 6) for name, value in zip(names, confusion.iou())}
    return Evaluation(
        images=len(dataset),
        miou=round(confusion.miou(), 6),
        pixel_accuracy=round(confusion.pixel_accuracy(), 6),
        iou=iou,
        agreement=round(equal / total, 6) if total else None,
    )


def require_same_classes(metadata, dataset):
    """Raise a UserError when a network's classes cannot be those of the data set, or the data set is empty."""
    if not len(dataset):
        raise UserError(f"The data set {dataset.name} has no samples in its split '{dataset.split}'; add some.")
    if len(metadata.classes) != len(dataset.classes):
        raise UserError(
            f"The network knows {len(metadata.classes)} classes ({', '.join(metadata.classes.names[:4])}, ...) and "
            f"{dataset.name} has {len(dataset.classes)} ({', '.join(dataset.classes.names[:4])}, ...); use a network "
            "that was trained on these classes."
        )
