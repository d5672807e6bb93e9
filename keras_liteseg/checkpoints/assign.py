"""Assigning a state dict with the reference implementation's names to a model."""

import numpy as np
from keras import layers

from keras_liteseg.errors import UserError

# Entries of heads that only training uses: accepted whether or not the model has them.
AUX_PREFIXES = ("aux_",)
# Bookkeeping of PyTorch's batch normalization that inference and training here do without.
IGNORED_SUFFIXES = (".num_batches_tracked",)


def assign_state_dict(model, state, source="the state dict"):
    """Assign official weights to a model, in place: all of them or, on any mismatch, none.

    Args:
        model: a model of `create_model`.
        state: dict from the reference's entry name to an array in the reference's layout (PyTorch: convolution kernels
            (out, in / groups, height, width)). `num_batches_tracked` entries are ignored; entries of auxiliary heads
            that the model lacks are ignored too.
        source: what to call the weights in an error message.

    Raises:
        UserError: entries are missing, unexpected, or of another shape; the message names them.
    """
    wanted = _wanted_entries(model)
    given = {name: np.asarray(value) for name, value in state.items() if not name.endswith(IGNORED_SUFFIXES)}
    # Keras layer names hold no dots (the PyTorch backend refuses them), so compare names without.
    given_names = {_key(name): name for name in given}

    missing = [name for name in wanted if _key(name) not in given_names]
    known = {_key(name) for name in wanted}
    unexpected = [name for key, name in given_names.items() if key not in known and not name.startswith(AUX_PREFIXES)]
    misshapen, values = [], []
    for name, (variable, permutation) in wanted.items():
        if _key(name) not in given_names:
            continue
        official = given_names[_key(name)]
        value = given[official]
        if value.ndim != len(permutation) or value.transpose(permutation).shape != tuple(variable.shape):
            expected = _official_shape(variable.shape, permutation)
            misshapen.append(f"{official} (is {tuple(value.shape)}, wanted {expected})")
        else:
            values.append((variable, value.transpose(permutation)))

    _refuse(model, source, missing, unexpected, misshapen)
    for variable, value in values:
        variable.assign(value)


def _wanted_entries(model):
    """Map reference-style names to (variable, axes that bring the reference's layout to ours)."""
    wanted = {}
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, layers.DepthwiseConv2D):
            wanted[f"{name}.weight"] = (layer.kernel, (2, 3, 0, 1))
        elif isinstance(layer, layers.Conv2D):
            wanted[f"{name}.weight"] = (layer.kernel, (2, 3, 1, 0))
        elif isinstance(layer, layers.BatchNormalization):
            wanted[f"{name}.weight"] = (layer.gamma, (0,))
            wanted[f"{name}.bias"] = (layer.beta, (0,))
            wanted[f"{name}.running_mean"] = (layer.moving_mean, (0,))
            wanted[f"{name}.running_var"] = (layer.moving_variance, (0,))
        elif layer.weights:
            raise TypeError(f"Layer {name} of type {type(layer).__name__} has weights but no rule to load them.")
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D) and layer.use_bias:
            wanted[f"{name}.bias"] = (layer.bias, (0,))
    return wanted


def _official_shape(shape, permutation):
    official = [0] * len(permutation)
    for ours, theirs in enumerate(permutation):
        official[theirs] = shape[ours]
    return tuple(official)


def _key(name):
    module, _, tensor = name.rpartition(".")
    return module.replace(".", "_"), tensor


def _refuse(model, source, missing, unexpected, misshapen):
    problems = []
    for what, names in (("missing", missing), ("unexpected", unexpected), ("of the wrong shape", misshapen)):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            problems.append(f"{len(names)} {what}: {', '.join(names[:5])}{more}")
    if problems:
        advice = "Build the model that these weights were made for."
        if misshapen and all(".score." in f".{entry}" or "_score." in entry for entry in misshapen):
            advice = "Build the model with the number of classes of the weights."
        raise UserError(
            f"{source} does not fit the model '{model.name}'. Entries {'; '.join(problems)}. {advice}"
        )
