"""Reading a weight file of any known kind into a model."""

import pathlib

from keras_liteseg import model_file
from keras_liteseg.checkpoints.assign import assign_state_dict
from keras_liteseg.checkpoints.torch_legacy import read_torch_legacy
from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model


def load_checkpoint(model, path):
    """Load the weights in `path` into `model`, in place. Nothing in the file is ever executed.

    Args:
        model: a model of `create_model`, with the number of classes of the file.
        path: an official `.pth` file (PyTorch's container from before release 1.6), or our own `.keras` or
            `.weights.h5`. Entries of auxiliary heads are used only if the model has these heads.

    Raises:
        UserError: the file cannot be read, asks for anything but tensors, or does not fit the model; the message names
            the entries.
    """
    path = _existing(path)
    if path.name.endswith(".keras"):
        _copy_weights(model_file.load_model(path)[0], model, path)
    elif path.name.endswith(".weights.h5"):
        _load_h5(model, path)
    else:
        assign_state_dict(model, read_torch_legacy(path), source=str(path))


def initialize_from(model, path):
    """Load what fits from a checkpoint that may be for other classes, to fine-tune from it.

    Args:
        model: a model of `create_model`.
        path: an official `.pth` file or a `.keras` file of the same network, with any number of classes.

    Returns:
        Names of the layers that keep their random weights: the class scores when the numbers of classes differ, the
        auxiliary heads when the file has none.

    Raises:
        UserError: as `load_checkpoint`, the number of classes aside.
    """
    path = _existing(path)
    if path.name.endswith(".keras"):
        donor = model_file.load_model(path)[0]
    else:
        state = read_torch_legacy(path)
        classes = [len(value) for name, value in state.items() if name.endswith("score.bias")]
        donor = create_model(model.name, (None, None, 3), classes[0] if classes else 19, aux_heads=len(classes) > 1)
        assign_state_dict(donor, state, source=str(path))
    return _copy_weights(donor, model, path, transfer=True)


def _existing(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no checkpoint file {path}. Check the path.")
    return path


def _copy_weights(donor, model, path, transfer=False):
    """Copy weights layer by layer; with `transfer`, return the names of the layers that could not be filled."""
    donors = {layer.name: layer.get_weights() for layer in donor.layers if layer.weights}
    misfits = []
    for layer in model.layers:
        weights = donors.get(layer.name, [])
        if [value.shape for value in weights] != [tuple(variable.shape) for variable in layer.weights]:
            misfits.append(layer)
    backbone = [layer.name for layer in misfits if "features_" in layer.name]
    if backbone or misfits and not transfer:
        raise UserError(
            f"{path} holds '{donor.name}' with {donor.outputs[0].shape[-1]} classes; it does not fit the model "
            f"'{model.name}' in: {', '.join(layer.name for layer in misfits[:5])}. Build the model with the name and "
            "the number of classes that the file was saved with."
        )
    for layer in model.layers:
        if layer not in misfits:
            layer.set_weights(donors.get(layer.name, []))
    return [layer.name for layer in misfits]


def _load_h5(model, path):
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
