"""A network ready to run, from a `.keras` file or a registered name."""

import logging
import os
from typing import Any

import keras

from keras_liteseg.choices import require_bool, require_path, require_size
from keras_liteseg.classes import ClassList
from keras_liteseg.datasets.base import SegmentationDataset, require_dataset
from keras_liteseg.datasets.cityscapes import CLASSES as CITYSCAPES_CLASSES
from keras_liteseg.datasets.samples import normalization
from keras_liteseg.errors import UserError
from keras_liteseg.files import AnyPath, suffix_of
from keras_liteseg.graph import at_size
from keras_liteseg.graph.precision import dtype_policy, in_float32
from keras_liteseg.image_format import RGB
from keras_liteseg.metadata import Metadata
from keras_liteseg.models.archive import load_model
from keras_liteseg.models.create import create_model
from keras_liteseg.models.pretrained import find_own_card, list_pretrained
from keras_liteseg.models.weights import load_checkpoint
from keras_liteseg.networks.registry import check_input_shape, list_models, model_spec

_log = logging.getLogger(__name__)


@dtype_policy("float32")
def load_network(
    model: AnyPath,
    checkpoint: AnyPath | None = None,
    input_size: tuple[int, int] | None = None,
    classes: ClassList | None = None,
    averaged: bool = False,
    dataset: SegmentationDataset | None = None,
) -> tuple[keras.Model, Metadata]:
    """Return (Keras model at `input_size`, metadata) of a `.keras` file or a registered name.

    A registered name gets `classes`, or the classes and the kind of images of `dataset`, or else those of Cityscapes;
    without a checkpoint its weights are random. The name of weights that we publish, such as 'camvid' or
    'ndnet45/camvid', brings its own classes and size. `averaged` is as for `load_checkpoint`.

    Raises:
        UserError: as `load_predictor`.
    """
    if input_size is not None:
        require_size("input_size", input_size)
    require_bool("averaged", averaged)
    if checkpoint is not None:
        require_path("checkpoint", checkpoint)
    if classes is not None and not isinstance(classes, ClassList):
        raise UserError(f"classes is {classes!r}; give a ClassList, such as the `classes` of a data set.")
    if dataset is not None:
        require_dataset(dataset)
    if str(model) not in list_models() and (suffix_of(model) == ".keras" or os.path.exists(str(model))):
        _require_keras_file(model)
        if checkpoint is not None:
            raise UserError(f"{model} holds its own weights; leave out --checkpoint {checkpoint}.")
        if averaged:
            raise UserError(f"{model} holds one set of weights; leave out --averaged.")
        network, metadata = load_model(model)
        network = in_float32(network)  # a program of one's own may have made it in mixed precision
        if input_size and tuple(input_size) != tuple(network.input.shape[1:3]):
            check_input_shape(metadata.model, (*input_size, metadata.image_format.channels))
            network = at_size(network, input_size)
            if network.output.shape[1:3] != tuple(input_size):  # NDNets were saved with a fixed factor once
                raise UserError(
                    f"{model} was saved by an older version, whose {metadata.model} takes multiples of "
                    f"{model_spec(metadata.model).size_multiple} only; give such an --input_size, or its weights as "
                    "--checkpoint."
                )
        return network, metadata
    spec = model_spec(str(model))
    if averaged and not checkpoint:
        raise UserError("--averaged chooses among the weights in a checkpoint; name that too, or leave it out.")
    card = find_own_card(str(model), checkpoint) if checkpoint else None
    if card is not None:
        if averaged:
            raise UserError(f"The published weights '{checkpoint}' are one set; leave out --averaged.")
        size = *(input_size or card.input_size), card.metadata.image_format.channels
        return create_model(str(model), size, weights=card.name), card.metadata
    if checkpoint and suffix_of(checkpoint) == ".keras":
        raise UserError(f"{checkpoint} is a whole model: give it as --model and leave out --checkpoint.")
    if checkpoint and not os.path.isfile(checkpoint):
        published = ", ".join(card.name for card in list_pretrained() if card.model == str(model))
        raise UserError(
            f"There is no checkpoint file {checkpoint}. Check the path, or take published weights: "
            f"of '{model}' there are {published or 'none'}."
        )
    if input_size is None:
        raise UserError(f"'{model}' has no size of its own; give --input_size HEIGHTxWIDTH.")
    classes, image_format, mean, std = classes or CITYSCAPES_CLASSES, RGB, spec.mean, spec.std
    if dataset is not None:
        classes, image_format = dataset.classes, dataset.image_format
        mean, std = normalization(dataset, spec)
    network = create_model(str(model), (*input_size, image_format.channels), len(classes))
    if checkpoint and load_checkpoint(network, checkpoint, averaged):
        raise UserError(
            f"{checkpoint} holds the backbone of '{model}' alone, which predicts nothing; train with --init_from it."
        )
    return network, Metadata(network.name, "", classes, mean, std, image_format=image_format)


def _require_keras_file(model: AnyPath) -> None:
    """Raise a `UserError` for a file that is no `.keras` file, and say where such a file goes."""
    if suffix_of(model) in (".tflite", ".onnx"):
        raise UserError(f"{model} is an exported file; give the .keras file that it was made from.")
    if suffix_of(model) != ".keras":
        raise UserError(
            f"{model} is no .keras file; if it holds weights alone, give it as --checkpoint, and the name of its "
            "network as --model, such as ndnet45."
        )


def load_network_to_predict(
    model: AnyPath, checkpoint: AnyPath | None = None, *arguments: Any
) -> tuple[keras.Model, Metadata]:
    """Return what `load_network` returns, and warn of random weights, whose labels look as if they meant something."""
    loaded = load_network(model, checkpoint, *arguments)
    if checkpoint is None and str(model) in list_models():
        _log.warning("%s has no checkpoint: its weights are random, and so are the labels.", model)
    return loaded
