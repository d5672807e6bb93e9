"""Reading a weight file of any known kind into a model."""

import os
import pathlib

import keras

from keras_liteseg.checkpoints.assign import assign_backbone, assign_state_dict, aux_layers, class_layers
from keras_liteseg.checkpoints.backbone import backbone_prefix, holds_backbone, plain_names
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError
from keras_liteseg.files import AnyPath
from keras_liteseg.models import archive
from keras_liteseg.models.pretrained import is_pretrained, read_card, weight_file


def load_checkpoint(model: keras.Model, path: AnyPath) -> list[str]:
    """Load the weights in `path` into `model`, in place. Nothing in the file is ever executed.

        >>> from keras_liteseg import create_model, load_checkpoint
        >>> create_model("lps_net_tiny", (64, 128, 3)).save_weights("tiny.weights.h5")
        >>> load_checkpoint(create_model("lps_net_tiny", (64, 128, 3)), "tiny.weights.h5")
        []

    Args:
        model: a model of `create_model`, with the number of classes of the file.
        path: weights in the reference implementation's names, as PyTorch (`.pth`), Paddle (`.pdparams`), NumPy (`.npz`)
            or safetensors file; Darknet's `.weights` for the Darknet19 backbone; our own `.keras` or `.weights.h5`.
            Entries of auxiliary heads are used only if the model has these heads. A file of a backbone alone fills the
            backbone, see `load_backbone`.

    Returns:
        Names of the layers that the file had no weights for: those outside the backbone for a file of a backbone,
        otherwise none.

    Raises:
        UserError: the file cannot be read, asks for anything but tensors, or does not fit the model; the message names
            the entries.
    """
    file = _existing(path)
    if file.name.endswith(".keras"):
        _copy_weights(archive.load_model(file)[0], model, file)
        return []
    if file.name.endswith(".weights.h5"):
        _load_h5(model, file)
        return []
    return _assign_any(model, file, new_classes=False)


def initialize_from(model: keras.Model, path: AnyPath) -> list[str]:
    """Load what fits from a checkpoint that may be for other classes, to fine-tune from it.

    Args:
        model: a model of `create_model`.
        path: a file as for `load_checkpoint`, `.weights.h5` aside, of the same network with any number of classes; or
            the name of weights that we publish, such as 'camvid'.

    Returns:
        Names of the layers that keep their random weights: the class scores when the numbers of classes differ, the
        auxiliary heads when the file has none, all outside the backbone when the file holds a backbone alone.

    Raises:
        UserError: as `load_checkpoint`, the number of classes aside.
    """
    if is_pretrained(model.name, str(path)):
        path = weight_file(read_card(model.name, str(path)))
    file = _existing(path)
    if file.name.endswith(".keras"):
        return _copy_weights(archive.load_model(file)[0], model, file, new_classes=True)
    return _assign_any(model, file, new_classes=True)


def _existing(path: AnyPath) -> pathlib.Path:
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"The checkpoint is {path!r}; give the path of its file.")
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint file {path}. Check the path.")
    return path


def _assign_any(model: keras.Model, path: pathlib.Path, new_classes: bool) -> list[str]:
    state = read_weights(path)
    if holds_backbone(model, state):
        prefix = backbone_prefix(model)
        assign_backbone(model, plain_names(state), prefix, str(path))
        return [layer.name for layer in model.layers if layer.weights and not layer.name.startswith(prefix)]
    return assign_state_dict(model, state, str(path), new_classes)


def _copy_weights(donor: keras.Model, model: keras.Model, path: pathlib.Path, new_classes: bool = False) -> list[str]:
    """Copy weights layer by layer; return the names of the layers that could not be filled, which only layers that
    depend on the classes and auxiliary heads may be, and they only with `new_classes`."""
    donors = {layer.name: layer.get_weights() for layer in donor.layers if layer.weights}
    misfits = {}
    for layer in model.layers:
        weights = donors.get(layer.name, [])
        if [value.shape for value in weights] != [tuple(variable.shape) for variable in layer.weights]:
            misfits[layer.name] = bool(weights)
    aux, classes = aux_layers(model), class_layers(model)
    wrong = [name for name, given in misfits.items() if name not in (classes if given else aux)]
    if wrong or misfits and not new_classes:
        raise UserError(
            f"{path} holds '{donor.name}' with {donor.outputs[0].shape[-1]} classes; it does not fit the model "
            f"'{model.name}' in: {', '.join((wrong or list(misfits))[:5])}. Build the model with the name and "
            "the number of classes that the file was saved with."
        )
    for layer in model.layers:
        if layer.name not in misfits:
            layer.set_weights(donors.get(layer.name, []))
    return list(misfits)


def _load_h5(model: keras.Model, path: pathlib.Path) -> None:
    before = model.get_weights()
    try:
        model.load_weights(path)
    except Exception as error:  # Keras and h5py raise ValueError, OSError and KeyError alike.
        model.set_weights(before)  # Keras has filled the layers before the one that does not fit.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} does not fit the model '{model.name}' or is damaged: {reason} "
            "Build the model with the name, the number of classes and the heads that the file was saved with."
        ) from error
