"""Reading a weight file of any known kind into a model."""

import logging
import os
import pathlib

import keras
import numpy as np

from keras_liteseg.checkpoints.assign import assign_backbone, assign_state_dict, class_layers
from keras_liteseg.checkpoints.backbone import backbone_prefix, holds_backbone
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.checkpoints.keras_file import assign_layers, read_layers
from keras_liteseg.choices import require_bool
from keras_liteseg.classes import ClassList, difference
from keras_liteseg.errors import UserError
from keras_liteseg.files import AnyPath, suffix_of
from keras_liteseg.graph import require_functional
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import archive
from keras_liteseg.models.pretrained import find_card, weight_file
from keras_liteseg.models.relatives import assign_shared
from keras_liteseg.networks.registry import build_network

_log = logging.getLogger(__name__)


def load_checkpoint(model: keras.Model, path: AnyPath, averaged: bool = False) -> list[str]:
    """Load the weights in `path` into `model`, in place. Nothing in the file is ever executed.

        >>> from keras_liteseg import create_model, load_checkpoint
        >>> create_model("lps_net_tiny", (64, 128, 3)).save_weights("tiny.weights.h5")
        >>> load_checkpoint(create_model("lps_net_tiny", (64, 128, 3)), "tiny.weights.h5")
        []

    Args:
        model: a model of `create_model`, with the number of classes of the file.
        path: weights in the reference implementation's names, as PyTorch (`.pth`), Paddle (`.pdparams`), NumPy (`.npz`)
            or safetensors file; Darknet's `.weights` for the Darknet19 backbone; our own `.keras` or `.weights.h5`.
            Weights of auxiliary heads are used only if the model has these heads. A file of a backbone alone fills the
            backbone, see `load_backbone`.
        averaged: take the moving averages of the weights (EMA) that PyTorch and Paddle files hold beside the weights,
            such as those under 'state_dict_ema'. The log tells what was taken where there is a choice.

    Returns:
        Names of the layers that the file had no weights for: those outside the backbone for a file of a backbone,
        otherwise none.

    Raises:
        UserError: the file cannot be read, asks for anything but tensors, does not fit the model, or its weights are
            integers, NaN or infinite; the message names the entries.
    """
    require_functional(model)
    require_bool("averaged", averaged)
    return _load(model, _existing(path, model.name), averaged, new_classes=False)


def initialize_from(
    model: keras.Model, path: AnyPath, averaged: bool = False, classes: ClassList | None = None
) -> list[str]:
    """Load what fits from a checkpoint that may be for other classes, to fine-tune from it. A model for images of other
    channels starts from weights for RGB: see `keras_liteseg.checkpoints.first_kernel`.

    Args:
        model: a model of `create_model`.
        path: a file as for `load_checkpoint`, of the same network with any number of classes; or the name of weights
            that we publish, such as 'camvid' or 'ndnet45/camvid'. A `.keras` file of another network, or the name of
            its published weights such as 'lps_net_s/camvid', gives the layers that both have in the same shape.
        averaged: see `load_checkpoint`.
        classes: what the model is to learn. Where the file tells its classes, as `.keras` files and weights that we
            publish do, and they have other names or another order, the class scores are not taken from it, though
            there be as many; the log says how they differ. None, and files that tell nothing, compare the number alone.

    Returns:
        Names of the layers that keep their random weights: the class scores when the classes differ, the auxiliary
        heads when the file has none, all outside the backbone when the file holds a backbone alone, and what another
        network does not share.

    Raises:
        UserError: as `load_checkpoint`, the number of classes aside; or another network shares less than half of the
            weights.
    """
    require_bool("averaged", averaged)
    name, known, network = path, None, model.name
    card = find_card(model.name, str(path))
    if card is not None:
        if averaged:
            raise UserError(f"The published weights '{path}' are one set; leave out --averaged.")
        path, known, network = weight_file(card), card.metadata.classes, card.model
    path = _existing(path, model.name)
    if suffix_of(path) == ".keras":
        metadata = _metadata(path)
        known, network = metadata.classes, metadata.model
    unlike = "" if known is None or classes is None else difference(known, classes)
    scores = [layer for layer in model.layers if unlike and layer.name in class_layers(model)]
    before = [layer.get_weights() for layer in scores]
    if network != model.name and known is not None and not averaged:
        fresh = assign_shared(model, _layers_of(network, path, known), f"{path} ('{network}')")
    else:
        fresh = _load(model, path, averaged, new_classes=True)
    for layer, weights in zip(scores, before, strict=True):
        layer.set_weights(weights)
    if unlike:
        _log.info("The classes of %s are others than those of the data: %s", name, unlike)
    return list(dict.fromkeys([*fresh, *(layer.name for layer in scores)]))


def _layers_of(network: str, path: pathlib.Path, classes: ClassList) -> dict[str, list[np.ndarray]]:
    """Return {name of a layer: its weights} of a `.keras` file, or of the published weights of a network."""
    if suffix_of(path) == ".keras":
        return read_layers(path)
    model = build_network(network, num_classes=len(classes))
    assign_state_dict(model, read_weights(path), str(path))
    return {layer.name: layer.get_weights() for layer in model.layers}


def _metadata(path: pathlib.Path) -> Metadata:
    """Return the `Metadata` of a `.keras` file whose weights are those of a network as it is trained."""
    metadata = archive.read_metadata(path)
    if metadata.ranges:
        raise UserError(
            f"{path} has had quantization-aware training, which folds batch normalization into the kernels; take the "
            "float network that it was made from."
        )
    return metadata


def _existing(path: AnyPath, network: str) -> pathlib.Path:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise UserError(f"The checkpoint is {path!r}; give the path of its file.")
    path = pathlib.Path(path)
    if not os.path.isfile(path):
        card = find_card(network, path)
        if card is not None:
            raise UserError(
                f"There is no checkpoint file {path}, but published weights of that name; "
                f"create_model('{card.model}', weights='{card.name}') has them."
            )
        name = "" if path.suffix else f", and '{network}' has no published weights of that name (liteseg weights)"
        raise UserError(f"There is no checkpoint file {path}{name}. Check the path.")
    return path


def _load(model: keras.Model, path: pathlib.Path, averaged: bool, new_classes: bool) -> list[str]:
    if suffix_of(path) == ".keras":
        metadata = _metadata(path)
        described = f"'{metadata.model}' with {len(metadata.classes)} classes"
    elif path.name.lower().endswith(".weights.h5"):
        described = "other weights"
        if path.name == "last.weights.h5":
            described = (
                "the state of a training, to go on with by --resume in its folder (best.keras beside it holds the "
                "whole network, and starts another training)"
            )
    else:
        return _assign_any(model, path, averaged, new_classes)
    if averaged:
        raise UserError(f"{path} holds no averages apart from its weights; load it without asking for them.")
    options = dict(new_classes=new_classes, new_images=new_classes, described=described)
    return assign_layers(model, read_layers(path), path, **options)


def _assign_any(model: keras.Model, path: pathlib.Path, averaged: bool, new_classes: bool) -> list[str]:
    state = read_weights(path, averaged)
    if holds_backbone(model, state):
        prefix = backbone_prefix(model)
        assign_backbone(model, state, prefix, str(path))
        return [layer.name for layer in model.layers if layer.weights and not layer.name.startswith(prefix)]
    return assign_state_dict(model, state, str(path), new_classes, new_images=new_classes)
