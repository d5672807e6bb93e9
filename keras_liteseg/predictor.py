"""One way to run a network on pictures, whatever file it is in."""

import pathlib

import cv2
import numpy as np

from keras_liteseg import model_file
from keras_liteseg.checkpoints import list_pretrained, load_checkpoint, read_card
from keras_liteseg.datasets.augment import resize_image
from keras_liteseg.datasets.cityscapes import CLASSES as CITYSCAPES_CLASSES
from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model, list_models, model_entry
from keras_liteseg.models.registry import check_input_shape
from keras_liteseg.models.size import at_size
from keras_liteseg.tflite.metadata import read_metadata


class Predictor:
    """Labels for RGB images of any size, by a network of one input size.

    Attributes:
        metadata: the network's `Metadata`.
        size: input (height, width) of the network.
        run: function from a normalized image, float32 (1, height, width, 3) as `prepare` makes it, to the network's
            output: float logits (height, width, classes), or integer classes (height, width).
    """

    def __init__(self, metadata, size, run):
        self.metadata = metadata
        self.size = size
        self.run = run

    def logits(self, image):
        """Return what the network gives for an image resized to its input: logits, or classes where it gives these."""
        return self.aligned(self.run(prepare(image, self.size, self.metadata)))

    def labels(self, image):
        """Return the label map of an RGB image, both uint8: (height, width, 3) to (height, width)."""
        return labels_at(self.logits(image), image.shape[:2])

    def aligned(self, output):
        """Return what `run` gave, at the input's size where only this keeps its corners in place; see `Metadata`."""
        return align_corners(output, self.size) if self.metadata.align_corners else output


def labels_at(output, size):
    """Return a network's output as label map, uint8 of `size` (height, width).

    Logits are resized bilinearly before the argmax, class maps by nearest neighbour.
    """
    if output.ndim == 2:
        return cv2.resize(output.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return logits_at(output, size).argmax(-1).astype(np.uint8)


def logits_at(logits, size):
    """Return logits resized bilinearly to `size` (height, width), float32 (*size, classes)."""
    if logits.shape[:2] == tuple(size):
        return logits
    return cv2.resize(logits, size[::-1], interpolation=cv2.INTER_LINEAR)


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
    """Return an RGB image, uint8 (h, w, 3), as the network's input, float32 (1, *size, 3)."""
    mean, std = np.float32(metadata.mean), np.float32(metadata.std)
    return ((resize_image(image, size).astype(np.float32) / 255 - mean) / std)[None]


def calibration_images(dataset, count, size, metadata):
    """Return up to `count` images of a data set, evenly spread, as a list of network inputs (1, *size, 3)."""
    count = min(count, len(dataset))
    return [prepare(dataset.image(i * len(dataset) // count), size, metadata) for i in range(count)]


def load_predictor(model, checkpoint=None, input_size=None, classes=None, threads=2):
    """Return a `Predictor`.

    Args:
        model: a `.tflite` file, a `.keras` file, or a registered name.
        checkpoint: weights for a registered name; without, they are random.
        input_size: (height, width); a file's own size by default. A `.tflite` file has only that one.
        classes: `ClassList` for a registered name.
        threads: CPU threads of the TFLite runtime.

    Raises:
        UserError: the file or the name cannot be used, or the size does not fit.
    """
    if str(model).endswith(".tflite"):
        return _tflite_predictor(model, input_size, threads)
    network, metadata = load_network(model, checkpoint, input_size, classes)
    return keras_predictor(network, metadata)


def keras_predictor(network, metadata):
    """Return a `Predictor` of a functional Keras model of static size."""
    return Predictor(
        metadata, network.input.shape[1:3], lambda images: np.asarray(network.predict_on_batch(images)[0], np.float32)
    )


def load_network(model, checkpoint=None, input_size=None, classes=None):
    """Return (Keras model at `input_size`, metadata) of a `.keras` file or a registered name.

    A registered name gets `classes`, or without a data set the classes of Cityscapes; without a checkpoint its weights
    are random. The name of weights that we publish, such as 'camvid', brings its own classes and size.

    Raises:
        UserError: as `load_predictor`.
    """
    if str(model) not in list_models() and (str(model).endswith(".keras") or pathlib.Path(model).exists()):
        if checkpoint:
            raise UserError(f"{model} holds its own weights; leave out --checkpoint {checkpoint}.")
        network, metadata = model_file.load_model(model)
        if input_size and tuple(input_size) != tuple(network.input.shape[1:3]):
            check_input_shape(metadata.model, (*input_size, 3))
            network = at_size(network, input_size)
        return network, metadata
    entry = model_entry(str(model))
    if checkpoint and (str(model), str(checkpoint)) in list_pretrained():
        card = read_card(str(model), str(checkpoint))
        return create_model(str(model), (*(input_size or card.input_size), 3), weights=checkpoint), card.metadata
    if checkpoint and str(checkpoint).endswith(".keras"):
        raise UserError(f"{checkpoint} is a whole model: give it as --model and leave out --checkpoint.")
    if input_size is None:
        raise UserError(f"'{model}' has no size of its own; give --input_size HEIGHTxWIDTH.")
    classes = classes or CITYSCAPES_CLASSES
    network = create_model(str(model), (*input_size, 3), len(classes))
    if checkpoint and load_checkpoint(network, checkpoint):
        raise UserError(
            f"{checkpoint} holds the backbone of '{model}' alone, which predicts nothing; train with --init_from it."
        )
    return network, model_file.Metadata(network.name, "", classes, entry.mean, entry.std)


def _tflite_predictor(path, input_size, threads):
    from ai_edge_litert.interpreter import Interpreter

    metadata = read_metadata(path)
    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    size = tuple(int(length) for length in source["shape"][1:3])
    if input_size and tuple(input_size) != size:
        raise UserError(
            f"{path} takes {size[0]}x{size[1]} images only, not {input_size[0]}x{input_size[1]}; leave out "
            "--input_size or export the network again at that size."
        )

    def run(images):
        # All of a larger batch the same, of which one is returned.
        batch = images.repeat(source["shape"][0], axis=0)
        interpreter.set_tensor(source["index"], to_tensor(batch, source))
        interpreter.invoke()
        return from_tensor(interpreter.get_tensor(result["index"])[0], result)

    return Predictor(metadata, size, run)


def to_tensor(values, details):
    """Return float `values` in the number type and scale of a TFLite input."""
    if details["dtype"] == np.float32:
        return values
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(details["dtype"])


def from_tensor(values, details):
    """Return a TFLite output as floats; class maps, which have no scale, as they are."""
    scale, zero_point = details["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale) if scale else values
