"""Labels for pictures by a network of one input size, whatever runs it."""

import reprlib
import time

import numpy as np

from keras_liteseg.choices import require_whole
from keras_liteseg.datasets.augment import resize_image
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import RGB
from keras_liteseg.inference.channels import resize_channels
from keras_liteseg.inference.labels import LabelMaker
from keras_liteseg.inference.smoothing import ScoreAverage
from keras_liteseg.metadata import OutputType


class Predictor:
    """Labels for images of any size, by a network of one input size.

    Attributes:
        metadata: the network's `Metadata`.
        size: input (height, width) of the network.
        network_seconds: how long `run` took for the last image.
        run: function from a normalized image, float32 (1, height, width, channels) as `prepare` makes it, to its
            output: float logits or probabilities (height, width, classes), or integer classes (height, width).
    """

    def __init__(self, metadata, size, run):
        self.metadata = metadata
        self.size = size
        self.run = run
        self._average = None

    def logits(self, image):
        """Return what the network gives for an image resized to its input: logits, or probabilities or classes
        where it gives these.

        Raises:
            UserError: `image` is not as the network takes them: by default uint8 (height, width, 3), RGB.
        """
        return self.aligned(self._output_for(image))

    def _output_for(self, image):
        require_image(image, self.metadata.image_format)
        batch = prepare(image, self.size, self.metadata)
        start = time.perf_counter()
        output = self.run(batch)
        self.network_seconds = time.perf_counter() - start
        return output

    def labels(self, image):
        """Return the label map, uint8 (height, width), of an image (height, width, channels).

        Raises:
            UserError: as `logits`.
        """
        output = self._output_for(image)
        if self._average:
            output = self._average(output)
        return labels_at(self.aligned(output), image.shape[:2])

    def smooth(self, smoothing):
        """From now on take the labels of each image from its scores and those of the images before it, the frames of a
        video; `logits` stay those of the image alone.

        Args:
            smoothing: weight of the frames before, see `keras_liteseg.inference.smoothing`; 0 for none.

        Raises:
            UserError: `smoothing` is not from 0 to below 1, or the network gives classes instead of scores.
        """
        average = ScoreAverage(smoothing)
        if smoothing and OutputType(self.metadata.output_type or OutputType.LOGITS).is_class_map:
            raise UserError(
                "Smoothing averages scores, and this file gives classes; export it with another output_type, or leave "
                "smoothing out."
            )
        self._average = average if smoothing else None

    def reset(self):
        """Forget the frames before the next one, which begins another video."""
        if self._average:
            self._average.reset()

    def aligned(self, output):
        """Return what `run` gave, at the input's size where only this keeps its corners in place; see `Metadata`."""
        return align_corners(output, self.size) if self.metadata.align_corners else output


def require_image(image, image_format=RGB):
    """Raise a `UserError` unless `image` is an array as `image_format` says, by default RGB, uint8 (height, width, 3);
    floats from 0 to 1 would give wrong labels."""
    limits = f"from {image_format.min} to {image_format.max}"
    wanted = f"{image_format.dtype} (height, width, {image_format.channels}){', RGB' if image_format.is_rgb else ''}"
    if not isinstance(image, np.ndarray):
        raise UserError(f"The image is {reprlib.repr(image)}; give an array, {wanted}.")
    fits = image.dtype == image_format.dtype and image.ndim == 3 and image.shape[-1] == image_format.channels
    if not fits or not image.size:
        raise UserError(f"The image is {image.dtype} {image.shape}; give {wanted}, {limits}.")


def labels_at(output, size):
    """Return a network's output as label map, uint8 of `size` (height, width).

    Logits and probabilities, (height, width, classes), are resized bilinearly before the argmax, class maps, (height,
    width), by nearest neighbour.

    Raises:
        UserError: `output` has another number of dimensions.
    """
    labels = np.empty(size, np.uint8)
    LabelMaker(output.shape, {"dtype": output.dtype, "quantization": (0.0, 0)}, size)(output, labels)
    return labels


def logits_at(logits, size):
    """Return logits resized bilinearly to `size` (height, width), float32 (*size, classes)."""
    if logits.shape[:2] == tuple(size):
        return logits
    return resize_channels(logits, size)


def align_corners(output, size):
    """Return a network's output at `size` (height, width), its corner pixels still in the corners: logits bilinear, a
    class map by nearest neighbour. OpenCV knows only the other convention."""
    if output.shape[:2] == tuple(size):
        return output
    for axis, length in enumerate(size):
        last = output.shape[axis] - 1
        position = np.arange(length) * (last / max(length - 1, 1))
        if output.ndim == 2:
            output = output.take((position + 0.5).astype(int), axis)
            continue
        lower = position.astype(int)
        weight = np.float32(position - lower).reshape([-1 if other == axis else 1 for other in range(3)])
        upper = output.take(np.minimum(lower + 1, last), axis)
        output = output.take(lower, axis) * (1 - weight) + upper * weight
    return output


def prepare(image, size, metadata):
    """Return an image (h, w, channels) as the network's input, float32 (1, *size, channels)."""
    mean, std = np.float32(metadata.mean), np.float32(metadata.std)
    return ((metadata.image_format.to_unit(resize_image(image, size)) - mean) / std)[None]


def calibration_images(dataset, count, size, metadata):
    """Return up to `count` images of a data set, evenly spread, as a list of network inputs (1, *size, channels).

    Raises:
        UserError: `count` is not 1 or more, or the images are not as the network takes them.
    """
    metadata.image_format.require(dataset.image_format, f"The network '{metadata.model}'", dataset.name)
    require_whole("calibration images", count, 1)

    def prepared(index):
        image = dataset.image(index)
        require_image(image, metadata.image_format)
        return prepare(image, size, metadata)

    return [prepared(index) for index in evenly_spread(count, len(dataset))]


def evenly_spread(count, length):
    """Return up to `count` of the indices of `length` samples, evenly spread."""
    count = min(count, length)
    return [number * length // count for number in range(count)]


def fixed_size(path, size, input_size):
    """Return the input (height, width) of a file that has only that one, as integers.

    Raises:
        UserError: another `input_size` is wanted; None wants none.
    """
    size = tuple(int(length) for length in size)
    if input_size and tuple(input_size) != size:
        raise UserError(
            f"{path} takes {size[0]}x{size[1]} images only, not {input_size[0]}x{input_size[1]}; leave out "
            "--input_size or export the network again at that size."
        )
    return size
