"""Accuracy of a network, in whatever file, on a data set."""

import contextlib
import dataclasses
import sys

import numpy as np
from tqdm import tqdm

from keras_liteseg.choices import require_bool
from keras_liteseg.classes import difference, listed
from keras_liteseg.datasets.base import require_dataset
from keras_liteseg.datasets.check import require_readable
from keras_liteseg.datasets.remap import map_to
from keras_liteseg.datasets.samples import one_opencv_thread, read_sample
from keras_liteseg.errors import UserError
from keras_liteseg.inference.stages import in_stages
from keras_liteseg.metrics import ConfusionMatrix

_READERS = 2  # threads that decode pictures


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Accuracy over a split, every number from 0 to 1 and defined in `keras_liteseg.metrics.ConfusionMatrix`.

    Attributes:
        images: number of images.
        miou: mean IoU as the Cityscapes evaluation defines it: over the classes in the truth or the prediction.
        miou_present: mean IoU over the classes that occur in the truth.
        pixel_accuracy, mean_accuracy, frequency_weighted_iou: further accuracies.
        iou: {class name: IoU, None where the class occurs in neither truth nor prediction}.
        agreement: share of pixels, void included, with the same label as the reference predictor's, or None.
        absent: names of the classes that the truth does not have, of which no number here says anything good.
    """

    images: int
    miou: float
    miou_present: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iou: float
    iou: dict
    agreement: float | None = None
    absent: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ImageResult:
    """What `measure` counted on one image.

    Attributes:
        index: of the sample in the data set.
        sample_id: its name.
        confusion: `ConfusionMatrix` of this image alone.
        pixels: number of pixels, void included.
        equal: how many of them have the reference predictor's label, or None without a reference.
        reference: the reference's `ConfusionMatrix` of this image, or None.
    """

    index: int
    sample_id: str
    confusion: ConfusionMatrix
    pixels: int
    equal: int | None
    reference: ConfusionMatrix | None = None


def evaluate(predictor, dataset, reference=None, progress=True):
    """Return the `Evaluation` of a predictor on a data set; arguments and errors as `measure`.

    All files are read first, so that a bad one is told before the work and not after it.

    >>> from keras_liteseg import evaluate, load_dataset, load_predictor
    >>> scenes = load_dataset("street_scenes", split="val", length=2, size=(64, 128))
    >>> predictor = load_predictor("lps_net_tiny", input_size=(64, 128), classes=scenes.classes)
    >>> result = evaluate(predictor, scenes, progress=False)
    >>> result.images, 0 <= result.miou < 0.3  # the weights are random
    (2, True)
    """
    require_dataset(dataset)
    require_readable(dataset)
    return summarize(measure(predictor, dataset, reference, progress), dataset.classes)


def measure(predictor, dataset, reference=None, progress=True):
    """Yield an `ImageResult` for each image: its labels against the truth, at the truth's size.

    Args:
        predictor: a `keras_liteseg.inference.predictor.Predictor`.
        dataset: a `SegmentationDataset` with the predictor's classes.
        reference: another predictor, or a list of its label maps per sample, whose labels are compared too.
        progress: whether to show a progress bar on a terminal.

    Raises:
        UserError: the predictor, the reference or the data set is of another kind, the data set is empty, the classes
            of data set, predictor and reference are not the same in the same order, a list of label maps has another
            length or a map another size, or a file is bad.
    """
    for name, each in (("predictor", predictor), ("reference", reference)):
        if not hasattr(each, "labels") and not (name == "reference" and isinstance(each, list | None)):
            raise UserError(f"The {name} is {each!r}; load one with keras_liteseg.load_predictor.")
    require_bool("progress", progress)
    require_same_classes(predictor.metadata, dataset)
    if isinstance(reference, list) and len(reference) != len(dataset):
        raise UserError(f"The reference has {len(reference)} label maps for {len(dataset)} samples; give one for each.")
    if hasattr(reference, "metadata"):
        require_comparable(predictor.metadata, reference.metadata)
    shown = {"total": len(dataset), "disable": None if progress else True, "file": sys.stderr}

    def read(index):
        return index, *read_sample(dataset, index)

    def label(sample):
        index, image, truth = sample
        labels, other = predictor.labels(image), None
        if reference is not None:
            other = reference[index] if isinstance(reference, list) else reference.labels(image)
            if np.shape(other) != labels.shape:
                raise UserError(
                    f"The label map of {dataset.sample_id(index)} in the reference has the shape {np.shape(other)}; "
                    f"give {labels.shape}, that of its image."
                )
        return index, truth, labels, other

    def count(labelled):
        index, truth, labels, other = labelled
        equal = other_confusion = None
        if reference is not None:
            equal = int(np.count_nonzero(labels == other))
            other_confusion = _confusion(truth, other, dataset)
        confusion = _confusion(truth, labels, dataset)
        return ImageResult(index, dataset.sample_id(index), confusion, labels.size, equal, other_confusion)

    results = in_stages(range(len(dataset)), read, label, count, threads=[_READERS, 1, 1])
    with one_opencv_thread, contextlib.closing(results):
        yield from tqdm(results, "evaluating", **shown)


def _confusion(truth, labels, dataset):
    confusion = ConfusionMatrix(len(dataset.classes))
    confusion.update(truth, labels)
    return confusion


def total_confusion(results, num_classes):
    """Return the `ConfusionMatrix` of all `ImageResult`s together."""
    total = ConfusionMatrix(num_classes)
    for result in results:
        total.matrix += result.confusion.matrix
    return total


def summarize(results, classes):
    """Return the `Evaluation` of `ImageResult`s over the classes of a `ClassList`.

    Raises:
        UserError: no pixel of the truth has a class.
    """
    results = list(results)
    confusion = total_confusion(results, len(classes))
    if not confusion.matrix.any():
        raise UserError(
            f"No pixel of the {len(results)} masks has a class, so there is no accuracy; choose a split whose truth is "
            "published (that of Cityscapes' test split is not)."
        )
    compared = [result for result in results if result.equal is not None]
    pixels = sum(result.pixels for result in compared)
    return Evaluation(
        images=len(results),
        miou=round(confusion.miou(), 6),
        miou_present=round(confusion.miou_present(), 6),
        pixel_accuracy=round(confusion.pixel_accuracy(), 6),
        mean_accuracy=round(confusion.mean_accuracy(), 6),
        frequency_weighted_iou=round(confusion.frequency_weighted_iou(), 6),
        iou={
            name: None if np.isnan(value) else round(float(value), 6)
            for name, value in zip(classes.names, confusion.iou())
        },
        agreement=round(sum(result.equal for result in compared) / pixels, 6) if pixels else None,
        absent=[name for name, pixels in zip(classes.names, confusion.matrix.sum(axis=1)) if not pixels],
    )


def absent_note(absent, num_classes):
    """Return a clause for behind an mIoU: '' where the truth has every class, else which of them it lacks.

    Args:
        absent: names of classes that no pixel of the truth has.
        num_classes: number of all classes.
    """
    if not absent:
        return ""
    names = ", ".join(absent[:4]) + (", ..." if len(absent) > 4 else "")
    return f" (of {num_classes - len(absent)} of {num_classes} classes; absent from the ground truth: {names})"


def worst_images(results, count):
    """Return up to `count` of the `ImageResult`s, the worst first: those of the lowest `miou_present`.

    Classes that an image does not have are left out of its score, because one stray pixel of such a class would
    otherwise cost as much as a class that was missed. Among equals the lower pixel accuracy is worse. Images without
    a counted pixel have no score and are not among them.
    """
    scored = [result for result in results if result.confusion.matrix.any()]
    return sorted(scored, key=lambda each: (each.confusion.miou_present(), each.confusion.pixel_accuracy()))[:count]


def require_same_classes(metadata, dataset):
    """Raise a UserError when a network's classes, in their order, are not those of the data set, or it takes other
    images, or the data set is empty or none."""
    require_dataset(dataset)
    if not len(dataset):
        raise UserError(f"The data set {dataset.name} has no samples in its split '{dataset.split}'; add some.")
    unlike = difference(metadata.classes, dataset.classes)
    if unlike:
        label_map = map_to(dataset, metadata.classes)
        cure = f", or, if it fits, give the data set the option label_map={label_map!r}" if label_map else ""
        raise UserError(
            f"The network knows {listed(metadata.classes)} and {dataset.name} has {listed(dataset.classes)}; {unlike}. "
            f"Use a network that was trained on these classes{cure}."
        )
    metadata.image_format.require(dataset.image_format, f"The network '{metadata.model}'", dataset.name)


def require_comparable(metadata, reference, name="reference"):
    """Raise a UserError when another network's `Metadata` has other classes than `metadata`, or another order."""
    unlike = difference(metadata.classes, reference.classes)
    if unlike:
        raise UserError(
            f"The network knows {listed(metadata.classes)} and the {name} {listed(reference.classes)}, so that their "
            f"labels cannot be compared; {unlike}. Compare networks of the same classes."
        )
