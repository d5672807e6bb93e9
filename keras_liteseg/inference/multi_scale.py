"""Labels averaged over several sizes of an image and its mirror image, as many papers report them.

It costs as many runs of the network as there are sizes, twice with the mirror image, and is no measure of what a device
computes: it is for comparing with published numbers.
"""

import numbers

import numpy as np

from keras_liteseg.choices import require_bool
from keras_liteseg.errors import UserError
from keras_liteseg.inference.load import is_exported, load_predictor
from keras_liteseg.inference.predictor import logits_at
from keras_liteseg.metadata import OutputType


class MultiScalePredictor:
    """A predictor that averages the class probabilities of others, one for each input size.

    The logits are resized bilinearly to the image's size; the mean is that of their softmax, as in PaddleSeg, so that
    each size has the same say however large its logits are. Files whose output is the softmax are averaged as they are.

    Args:
        size: input (height, width) that the scales refer to.
        predictors: `Predictor`s of one network that give logits or probabilities.
        flip: whether each also sees the image mirrored left to right.

    Attributes:
        metadata: the network's `Metadata`.
        size: as given.
        sizes: input (height, width) of each predictor.

    Raises:
        UserError: a predictor gives class maps, which have no mean.
    """

    def __init__(self, size, predictors, flip=False):
        self.metadata, self.size = predictors[0].metadata, tuple(size)
        self.sizes = [tuple(predictor.size) for predictor in predictors]
        self._predictors, self._flip = predictors, flip
        # A Keras model says nothing and gives logits.
        output_types = [OutputType(each.metadata.output_type or OutputType.LOGITS) for each in predictors]
        if any(each.is_class_map for each in output_types):
            raise UserError(
                f"A file of '{self.metadata.model}' that gives class maps cannot be averaged over sizes or mirror "
                "images; leave out --scales and --flip, or export the network again with --output_type logits."
            )
        self._normalize = [_softmax if each == OutputType.LOGITS else np.copy for each in output_types]

    def labels(self, image):
        """Return the label map, uint8 (height, width), of an image (height, width, channels)."""
        total = np.zeros(1, np.float32)
        for predictor, normalize in zip(self._predictors, self._normalize, strict=True):
            total = total + normalize(logits_at(predictor.logits(image), image.shape[:2]))
            if self._flip:
                mirrored = predictor.logits(np.ascontiguousarray(image[:, ::-1]))
                total = total + normalize(logits_at(np.ascontiguousarray(mirrored[:, ::-1]), image.shape[:2]))
        return total.argmax(-1).astype(np.uint8)


def load_multi_scale(
    model, checkpoint=None, input_size=None, classes=None, scales=(1.0,), flip=False, averaged=False, dataset=None
):
    """Return a `MultiScalePredictor`; arguments as `keras_liteseg.inference.load.load_predictor`.

    Args:
        scales: factors of the input size, positive; each size is rounded to the nearest one that the network takes. Of
            a size that is a multiple and one more, the others are so too.
        flip: whether the mirror image is averaged too.

    Raises:
        UserError: as `load_predictor`; a scale is not positive; a `.tflite` or `.onnx` file, which has one size, is
            given with scales, or gives class maps, which have no mean.
    """
    require_bool("flip", flip)
    numeric = isinstance(scales, tuple | list) and all(isinstance(scale, numbers.Real) for scale in scales)
    if not numeric or not scales or not all(0 < scale < float("inf") for scale in scales):
        raise UserError(f"The scales are {scales!r}; give positive factors of the input size, such as 0.75,1,1.25.")
    if is_exported(model):
        if tuple(scales) != (1.0,):
            raise UserError(
                f"{model} takes images of one size only; leave out --scales, or evaluate the .keras file that it came "
                "from."
            )
        predictor = load_predictor(model, checkpoint, input_size, averaged=averaged)
        return MultiScalePredictor(predictor.size, [predictor], flip)
    # A .tflite file is to run without the seconds, and the installation, that Keras takes.
    from keras_liteseg.graph import at_size
    from keras_liteseg.inference.keras_predictor import keras_predictor
    from keras_liteseg.models.network import load_network_to_predict

    network, metadata = load_network_to_predict(model, checkpoint, input_size, classes, averaged, dataset)
    size = network.input.shape[1:3]
    sizes = [_scaled_size(size, scale, metadata.model) for scale in scales]
    return MultiScalePredictor(size, [keras_predictor(at_size(network, each), metadata) for each in sizes], flip)


def _scaled_size(size, scale, model):
    """Return the size nearest to `scale` times `size` that the network `model` takes, of the same form as `size`."""
    from keras_liteseg.networks.registry import model_spec

    entry = model_spec(model)
    multiple, least = entry.size_multiple, max(entry.min_length, entry.size_multiple)

    def scaled(length):
        more = length % multiple  # 0, or 1 of a network that takes one more
        return max(least, multiple * round(scale * (length - more) / multiple)) + more

    return tuple(map(scaled, size))


def _softmax(values):
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    values /= values.sum(axis=-1, keepdims=True)
    return values
