"""How often each class of a data set occurs, what follows from it (class weights, pictures that come more often), and
what its images hold."""

import dataclasses
import logging
import math

import numpy as np

from keras_liteseg.choices import is_finite
from keras_liteseg.classes import listed
from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.in_parallel import in_parallel
from keras_liteseg.datasets.masks import count_values
from keras_liteseg.datasets.samples import read_mask
from keras_liteseg.errors import UserError, nearest, suggestion

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ClassCounts:
    """Counts per class, int64 (num_classes,); ignored pixels are in none of them.

    Attributes:
        pixels: pixels of the class.
        images: images with the class.
        pixels_of_images: labelled pixels, of any class, of those images.
    """

    pixels: np.ndarray
    images: np.ndarray
    pixels_of_images: np.ndarray


def count_classes(dataset, progress=True):
    """Return the `ClassCounts` of a `SegmentationDataset`, with a progress bar on a terminal.

    Raises:
        UserError: the data set has no labelled pixel, or a label map cannot be read.
    """
    pixels, images, pixels_of_images = np.zeros((3, len(dataset.classes)), np.int64)
    for counts in _pixels(dataset, progress):
        pixels += counts
        images += counts > 0
        pixels_of_images += (counts > 0) * counts.sum()
    if not pixels.any():
        raise UserError(
            f"The data set {dataset.name} has no labelled pixel in its split '{dataset.split}', so nothing to count; "
            "check its label maps."
        )
    return ClassCounts(pixels, images, pixels_of_images)


def _pixels(dataset, progress=True):
    """Yield the labelled pixels of each class in a sample, int64 (num_classes,), for one sample after the other."""
    classes = len(dataset.classes)

    def count(index):
        return np.delete(count_values(read_mask(dataset, index)), IGNORE_LABEL)[:classes]

    yield from in_parallel(count, range(len(dataset)), f"count {dataset.name} {dataset.split}", progress)


def repeat_factors(dataset, threshold):
    """Return how often each sample is to come where a sample without rare classes comes once, float64 (len(dataset),),
    1 or more each; None where `threshold` is 0.

    A class that is in a share f of the pictures has the factor max(1, sqrt(threshold / f)), and a picture the largest
    factor of its classes.

    Source: A. Gupta, P. Dollar and R. Girshick, LVIS: A Dataset for Large Vocabulary Instance Segmentation, 2019, arXiv
    1908.03195, repeat factor sampling.

    Args:
        dataset: a `SegmentationDataset`.
        threshold: share of the pictures, from 0 to 1, below which a class is rare.

    Raises:
        UserError: a label map cannot be read.
    """
    if not threshold:
        return None
    there = np.array([counts > 0 for counts in _pixels(dataset)])
    share = there.mean(axis=0)
    of_class = np.sqrt(np.maximum(threshold / np.maximum(share, 1e-9), 1))
    rare = [
        f"{name} {factor:.2g}" for name, factor, f in zip(dataset.classes.names, of_class, share) if factor > 1 and f
    ]
    _log.info("Pictures with rare classes come more often, by factors of: %s", ", ".join(rare) or "none are rare")
    return np.maximum(np.where(there, of_class, 1).max(axis=1), 1)


def median_frequency_weights(counts):
    """Return the class weights median(frequency) / frequency, float64 (num_classes,).

    The frequency of a class is its share of the labelled pixels of the images that have it. The median is over the
    classes that occur. Classes that do not occur get 1, the weight of the median class: training on the same data
    never uses it, and on other data it is neutral.

    Source: D. Eigen and R. Fergus, Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale
    Convolutional Architecture, 2015 (for SIFT Flow).

    Args:
        counts: a `ClassCounts`.
    """
    present = counts.pixels > 0
    frequency = counts.pixels[present] / counts.pixels_of_images[present]
    weights = np.ones(len(present))
    weights[present] = np.median(frequency) / frequency
    return weights


def inverse_log_weights(counts):
    """Return the class weights 1 / ln(1.02 + share of the labelled pixels), float64 (num_classes,): from 1.4 to 50.5.

    They favour rare classes less than the median-frequency weights do.

    Source: A. Paszke et al., ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation, 2016,
    section 5.2.

    Args:
        counts: a `ClassCounts`.
    """
    return 1 / np.log(1.02 + counts.pixels / counts.pixels.sum())


@dataclasses.dataclass(frozen=True)
class ImageStatistics:
    """What the images of a data set hold.

    Attributes:
        mean, std: of each channel over all pixels, tuples of floats, as `Metadata` has them.
        smallest, largest: values over all channels.
    """

    mean: tuple
    std: tuple
    smallest: int
    largest: int


def measure_images(dataset, progress=True):
    """Return the `ImageStatistics` of a `SegmentationDataset`, with a progress bar on a terminal.

    Raises:
        UserError: the data set is empty, or an image cannot be read.
    """
    image_format = dataset.image_format

    def measure(index):
        image = dataset.image(index)
        pixels = image.reshape(-1, image_format.channels)
        # Whole numbers, of which no sum is rounded.
        exact = pixels.astype(np.uint64)
        return len(pixels), exact.sum(axis=0), (exact * exact).sum(axis=0), int(image.min()), int(image.max())

    if not len(dataset):
        raise UserError(f"The data set {dataset.name} has no samples in its split '{dataset.split}'; add some.")
    count, total, squares, smallest, largest = 0, [0] * image_format.channels, [0] * image_format.channels, 65535, 0
    found = in_parallel(measure, range(len(dataset)), f"measure {dataset.name} {dataset.split}", progress)
    for pixels, sums, of_squares, low, high in found:
        count += pixels
        total = [before + int(more) for before, more in zip(total, sums, strict=True)]
        squares = [before + int(more) for before, more in zip(squares, of_squares, strict=True)]
        smallest, largest = min(smallest, low), max(largest, high)
    span = image_format.max - image_format.min
    mean = tuple((each / count - image_format.min) / span for each in total)
    std = tuple(
        math.sqrt(count * square - each * each) / count / span for each, square in zip(total, squares, strict=True)
    )
    return ImageStatistics(mean, std, smallest, largest)


CLASS_WEIGHTS = {"median_frequency": median_frequency_weights, "inverse_log": inverse_log_weights}


def class_weights(wanted, dataset):
    """Return the weight of each class, a list of floats, or None for 1 each.

    Args:
        wanted: '' for 1 each; a word of `CLASS_WEIGHTS`, for what follows from the pixels; one number per class; or
            {name of a class: number}, where classes that are not named have 1.
        dataset: the `SegmentationDataset` that is trained on.

    Raises:
        UserError: the numbers do not fit the classes; or as `count_classes`.
    """
    require_fitting_weights(wanted, dataset.classes)
    if isinstance(wanted, str):
        return CLASS_WEIGHTS[wanted](count_classes(dataset)).tolist() if wanted else None
    if isinstance(wanted, dict):
        return [float(wanted.get(name, 1)) for name in dataset.classes.names]
    return [float(weight) for weight in wanted]


def require_class_weights(wanted):
    """Raise a `UserError` unless `wanted` can be the class weights of some data set; see `class_weights`."""
    if isinstance(wanted, str):
        if wanted and wanted not in CLASS_WEIGHTS:
            meant = nearest(wanted, CLASS_WEIGHTS, count=1)
            raise UserError(
                f"class_weights is '{wanted}'; a config knows {', '.join(CLASS_WEIGHTS)}, a list of one number per "
                "class, such as [1, 2, 5], and a table, such as {car: 2}."
                + (f" Did you mean {meant}?" if meant else "")
            )
        return
    weights = list(wanted.values() if isinstance(wanted, dict) else wanted)
    shown = wanted if isinstance(wanted, dict) else weights
    if not weights:
        raise UserError(f"class_weights is {shown}, which has no weight; leave it out, or give each class a number.")
    if not all(is_finite(weight) and weight >= 0 for weight in weights):
        raise UserError(f"class_weights is {shown}; every weight must be a number, 0 or more.")
    if not isinstance(wanted, dict) and not any(weights):
        raise UserError(f"class_weights is {shown}, so that no pixel would count; give a class a weight above 0.")


def require_fitting_weights(wanted, classes):
    """Raise a `UserError` unless class weights, see `class_weights`, fit a `ClassList`."""
    require_class_weights(wanted)
    if isinstance(wanted, dict):
        for name in wanted:
            if name not in classes.names:
                raise UserError(
                    f"class_weights names '{name}', which is not among the {listed(classes)}; "
                    f"{suggestion(str(name), classes.names)}"
                )
        if not any(wanted.get(name, 1) for name in classes.names):
            raise UserError(f"class_weights is {wanted}, so that no pixel would count; give a class a weight above 0.")
    elif not isinstance(wanted, str) and len(wanted) != len(classes):
        raise UserError(
            f"class_weights has {len(wanted)} numbers and the data {listed(classes)}; give one number per class, in "
            "this order, or a table of names such as "
            f"{{{classes.names[-1]}: 2}}, where the classes that it does not name have 1."
        )


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg statistics` now.")
