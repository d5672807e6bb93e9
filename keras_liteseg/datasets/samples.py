"""The samples of a training and of an evaluation by number, as NumPy arrays, from which all Keras backends learn."""

import contextlib
import functools
import math
import threading

import cv2
import numpy as np

from keras_liteseg.datasets.augment import augment, copy_paste, cutmix, require_colors, resize_sample
from keras_liteseg.datasets.base import IGNORE_LABEL, SegmentationDataset
from keras_liteseg.datasets.masks import count_values
from keras_liteseg.errors import UserError

CACHE_BYTES = 2 * 2**30


def training_samples(dataset, augmentation, seed=0, repeats=None):
    """Return a function from a number, 0 or more, to an augmented sample that depends only on it and the arguments.

    The numbers go through the data set in passes, each in its own random order. With `repeats` a pass is longer, all
    are equally long, and a sample comes in each as often as its number there says, rounded up or down by chance, and
    otherwise augmented each time.

    Args:
        dataset: a `SegmentationDataset`.
        augmentation: an `Augmentation`.
        seed: a whole number, 0 or more.
        repeats: how often each sample comes in a pass, float (len(dataset),), 1 or more each, as
            `class_statistics.repeat_factors` gives it; None for once each.

    Returns:
        A function number -> (image (*crop, channels) of the dtype of `dataset.image_format`, mask uint8 (*crop)), for
        any thread. It raises a `UserError` where a file cannot be read or its mask has another size.

    Raises:
        UserError: `dataset` is empty, or `augmentation` changes colours that its images do not have.
    """
    _require_samples(dataset)
    require_colors(dataset, augmentation)
    length = len(dataset)
    pass_length = length if repeats is None else math.ceil(sum(repeats))

    @functools.lru_cache(maxsize=2)
    def order(pass_index):
        # Sample generators are seeded by (seed, pass, index below length); `length` in that place is free for this.
        rng = np.random.default_rng((seed, pass_index, length))
        shuffled = rng.permutation(length)
        return [(index, 0) for index in shuffled] if repeats is None else _repeated(shuffled, repeats, pass_length, rng)

    @one_opencv_thread
    def load(number):
        pass_index, position = divmod(int(number), pass_length)
        index, repeat = map(int, order(pass_index)[position])
        rng = np.random.default_rng((seed, pass_index, index, repeat) if repeat else (seed, pass_index, index))
        sample = augment(*read_sample(dataset, index), augmentation, rng, dataset.image_format)
        for probability, mix in ((augmentation.cutmix, cutmix), (augmentation.copy_paste, copy_paste)):
            if probability and rng.random() < probability:
                other = read_sample(dataset, int(rng.integers(length)))
                sample = mix(sample, augment(*other, augmentation, rng, dataset.image_format), rng)
        return sample

    return load


def _repeated(shuffled, repeats, length, rng):
    """Return `length` pairs (index of a sample, how many of it came before) in random order.

    Systematic sampling: of marks that are 1 apart, as many lie in the stretch of a sample as its number of repeats
    says, rounded up or down. As `length` is the sum of the numbers rounded up, each sample comes at least once.
    """
    ends = np.cumsum(np.asarray(repeats, float)[shuffled])
    places = np.searchsorted(ends * (length / ends[-1]), np.arange(length) + rng.random(), side="right")
    places = np.minimum(places, len(shuffled) - 1)  # where a sum of floats falls short of its end
    before = np.arange(length) - np.searchsorted(places, places)
    return rng.permutation(np.stack([shuffled[places], before], axis=1))


def evaluation_samples(dataset, size):
    """Return a function from the index of a sample to that sample, resized to `size` (height, width) where needed.

    Returns and raises as `training_samples`.
    """
    _require_samples(dataset)

    @one_opencv_thread
    def load(index):
        return resize_sample(*read_sample(dataset, int(index)), size)

    return load


class _OneOpenCVThread(contextlib.ContextDecorator):
    """While any thread is inside, OpenCV uses one thread; then as many as before.

    Samples are made in parallel, and threads of OpenCV's own inside of each only get in the way. The number belongs to
    the whole process, which may use OpenCV for other things too.
    """

    def __init__(self):
        self._lock, self._inside, self._before = threading.Lock(), 0, 0

    def __enter__(self):
        with self._lock:
            if not self._inside:
                self._before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._inside -= 1
            if not self._inside:
                cv2.setNumThreads(self._before)


one_opencv_thread = _OneOpenCVThread()


def normalization(dataset, spec):
    """Return (mean, std) that a network gets for a data set: those of the data set, else of the `ModelSpec`.

    Raises:
        UserError: the data set has none, and images that are not 8-bit RGB, of which no network knows them.
    """
    if dataset.mean is not None:
        return dataset.mean, dataset.std
    if not dataset.image_format.is_rgb:
        raise UserError(
            f"The images of {dataset.name} are {dataset.image_format}, and nothing says their mean and standard "
            "deviation; add them to 'image' in classes.yaml: liteseg statistics measures them and prints the line."
        )
    return spec.mean, spec.std


class CachedDataset(SegmentationDataset):
    """`dataset` that keeps decoded images and masks in memory, up to `max_bytes`; all others are read each time.

    The arrays it returns are shared and read-only.
    """

    def __init__(self, dataset, max_bytes=CACHE_BYTES):
        self.name, self.split, self.classes = dataset.name, dataset.split, dataset.classes
        self.label_map, self.absent_classes = dataset.label_map, dataset.absent_classes
        self.image_format, self.mean, self.std = dataset.image_format, dataset.mean, dataset.std
        self._dataset, self._free = dataset, max_bytes
        self._kept, self._lock = {}, threading.Lock()

    def __len__(self):
        return len(self._dataset)

    def sample_id(self, index):
        return self._dataset.sample_id(index)

    def image(self, index):
        return self._get("image", index)

    def mask(self, index):
        return self._get("mask", index)

    def _get(self, part, index):
        key = (part, index)
        if key not in self._kept:
            # A view, because a data set may give what others still write to.
            array = np.asarray(getattr(self._dataset, part)(index)).view()
            array.flags.writeable = False
            with self._lock:
                if key in self._kept or array.nbytes > self._free:
                    return array
                self._kept[key] = array
                self._free -= array.nbytes
        return self._kept[key]


def _require_samples(dataset):
    if not len(dataset):
        raise UserError(f"The data set {dataset.name} has no samples in its split '{dataset.split}'; add some.")


def read_sample(dataset, index):
    """Return (image (height, width, channels), mask uint8 (height, width)) of a sample.

    Raises:
        UserError: a file cannot be read, the mask has another size than the image, or a data set of the caller's own
            gives something else than it says.
    """
    image, mask, wanted = np.asarray(dataset.image(index)), read_mask(dataset, index), dataset.image_format
    if image.dtype != wanted.dtype or image.shape[2:] != (wanted.channels,):
        raise UserError(
            f"The image of {dataset.sample_id(index)} is {image.dtype} {image.shape}, and the data set {dataset.name} "
            f"says {wanted}; correct its image_format or its images."
        )
    if image.shape[:2] != mask.shape:
        raise UserError(
            f"The image of {dataset.sample_id(index)} is {image.shape[0]}x{image.shape[1]} and its mask "
            f"{mask.shape[0]}x{mask.shape[1]}; run liteseg check to find all such files."
        )
    return image, mask


def read_mask(dataset, index):
    """Return the mask of a sample, uint8 (height, width).

    Raises:
        UserError: its file cannot be read, it is something else, or it has a label that is no class.
    """
    mask, classes = np.asarray(dataset.mask(index)), len(dataset.classes)
    if mask.dtype != np.uint8 or mask.ndim != 2:
        raise UserError(
            f"The mask of {dataset.sample_id(index)} is {mask.dtype} {mask.shape}; the data set {dataset.name} must "
            "give label maps, uint8 (height, width)."
        )
    if mask.max(initial=0) >= classes and (counts := count_values(mask))[classes:IGNORE_LABEL].any():
        label = classes + np.flatnonzero(counts[classes:IGNORE_LABEL])[0]
        raise UserError(
            f"The mask of {dataset.sample_id(index)} has the label {label}; the {classes} classes of {dataset.name} "
            f"are 0 to {classes - 1}, and {IGNORE_LABEL} is for pixels that are ignored."
        )
    return mask
