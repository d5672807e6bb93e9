"""How often each class of a data set occurs, and the class weights of a loss that follow from it."""

import dataclasses

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.in_parallel import in_parallel
from keras_liteseg.datasets.masks import count_values
from keras_liteseg.errors import UserError


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
    classes = len(dataset.classes)

    def count(index):
        return np.delete(count_values(dataset.mask(index)), IGNORE_LABEL)[:classes]

    pixels, images, pixels_of_images = np.zeros((3, classes), np.int64)
    for counts in in_parallel(count, range(len(dataset)), f"count {dataset.name} {dataset.split}", progress):
        pixels += counts
        images += counts > 0
        pixels_of_images += (counts > 0) * counts.sum()
    if not pixels.any():
        raise UserError(
            f"The data set {dataset.name} has no labelled pixel in its split '{dataset.split}', so nothing to count; "
            "check its label maps."
        )
    return ClassCounts(pixels, images, pixels_of_images)


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


CLASS_WEIGHTS = {"median_frequency": median_frequency_weights, "inverse_log": inverse_log_weights}


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg statistics` now.")
