"""Weights in the files of Keras 3: `.weights.h5`, and the same within a `.keras` archive.

Keras itself fills a model by the order of its layers, all of them or none. The groups of the file carry the names of
the layers, by which parts of a network are found here: without the auxiliary heads, or the backbone alone.
"""

import contextlib
import io
import pathlib
import zipfile

import h5py
import numpy as np

from keras_liteseg.checkpoints.assign import aux_layers, class_layers
from keras_liteseg.checkpoints.first_kernel import adapted, first_kernels
from keras_liteseg.errors import UserError, reason
from keras_liteseg.graph import listed

_MEMBER = "model.weights.h5"
_MAX_SIZE = 4 * 2**30


def is_keras_file(path):
    """Return whether a file is one of `save_weights` or a `.keras` archive, going by its content."""
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _MEMBER in archive.namelist()
        with h5py.File(path) as file:
            return "layers" in file
    except (OSError, zipfile.BadZipFile):
        return False


def read_layers(path):
    """Return {name of a layer: its weights, a list of arrays} of a `.weights.h5` or `.keras` file.

    Raises:
        UserError: the file cannot be read, is damaged, or was not written by Keras 3.
    """
    try:
        with _opened(path) as file:
            layers = {}
            for group in _children(_child(file, "layers")):
                variables = _child(group, "vars")
                layers[str(variables.attrs["name"])] = [
                    _array(_child(variables, str(index))) for index in range(len(variables))
                ]
            return layers
    except Exception as error:  # h5py and zipfile raise errors of many types.
        raise UserError(
            f"{path} is damaged, or no weight file of Keras 3 ({reason(error)}); save or copy it again."
        ) from error


def assign_layers(model, layers, source, prefix="", new_classes=False, described="other weights", new_images=False):
    """Assign the weights of layers by name, in place: those of all layers of the model or, on any misfit, none.

    Args:
        model: a model of `create_model`.
        layers: {name: list of arrays}; others than those of the model are left out.
        source: the file, for messages.
        prefix: assign only layers whose names begin with it.
        new_classes: let layers that depend on the number of classes, and auxiliary heads that `layers` lacks, keep
            their weights.
        described: what the file holds, for messages.
        new_images: let a model for images of other channels start from weights for RGB, see `first_kernel`.

    Returns:
        Names of the layers that kept their weights; empty unless `new_classes`.

    Raises:
        UserError: weights are missing, of another shape, integers, NaN or infinite; the message names the layers.
    """
    wanted = [layer for layer in model.layers if layer.weights and layer.name.startswith(prefix)]
    first = {id(kernel) for kernel in first_kernels(model)} if new_images else set()
    for layer in wanted:
        if layer.name in layers and id(layer.weights[0]) in first and layers[layer.name][0].ndim == 4:
            kernel, *others = layers[layer.name]
            layers = {**layers, layer.name: [adapted(kernel, layer.weights[0].shape[2]), *others]}
    misfits = {}
    for layer in wanted:
        given = layers.get(layer.name, [])
        if [value.shape for value in given] != [tuple(variable.shape) for variable in layer.weights]:
            misfits[layer.name] = bool(given)
    aux, classes = aux_layers(model), class_layers(model)
    wrong = [name for name, given in misfits.items() if name not in (classes if given else aux)]
    if wrong or misfits and not new_classes:
        raise UserError(
            f"{source} holds {described}; it does not fit the model '{model.name}' in: "
            f"{', '.join((wrong or list(misfits))[:5])}. Build the model with the name and the number of classes that "
            "the file was saved with."
        )
    filled = [layer for layer in wanted if layer.name not in misfits]
    broken = [
        variable.path
        for layer in filled
        for variable, value in zip(layer.weights, layers[layer.name], strict=True)
        if value.dtype.kind != "f" or not np.isfinite(value.astype(np.float32)).all()
    ]
    if broken:
        raise UserError(
            f"{source} holds NaN, infinity or integers in {listed(broken)}, as a training that diverged leaves them; "
            "take weights from before that."
        )
    for layer in filled:
        layer.set_weights(layers[layer.name])
    return list(misfits)


@contextlib.contextmanager
def _opened(path):
    if not zipfile.is_zipfile(path):
        with h5py.File(path) as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(_MEMBER)
        if member.file_size > _MAX_SIZE:
            raise ValueError("weights of more than 4 GiB")
        content = archive.read(member)
    with h5py.File(io.BytesIO(content)) as file:
        yield file


def _children(group):
    return [_child(group, name) for name in group]


def _child(group, name):
    """Return what lies under a name, which may not be a link: it could lead to other files."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"no plain {name!r} in {group.name}")
    return group[name]


def _array(dataset):
    # What lies in other files, or stands for more than is there.
    if dataset.external or dataset.is_virtual or dataset.nbytes > _MAX_SIZE:
        raise ValueError(f"{dataset.name} is no plain array")
    return dataset[()]
