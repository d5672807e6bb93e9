"""How often each class of a data set occurs, with the class weights that follow from it, and what its images hold."""

import concurrent.futures
import dataclasses
import math
import os

import numpy as np
import tqdm

from keras_liteseg.datasets.base import IGNORE_LABEL
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
        mask = dataset.mask(index)
        return np.bincount(mask[mask != IGNORE_LABEL], minlength=classes)

    pixels, images, pixels_of_images = np.zeros((3, classes), np.int64)
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        title, hidden = f"count {dataset.name} {dataset.split}", None if progress else True
        for counts in tqdm.tqdm(pool.map(count, range(len(dataset))), title, len(dataset), disable=hidden):
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
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        title, hidden = f"measure {dataset.name} {dataset.split}", None if progress else True
        for pixels, sums, of_squares, low, high in tqdm.tqdm(
            pool.map(measure, range(len(dataset))), title, len(dataset), disable=hidden
        ):
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


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg statistics` now.")
