"""Assigning a state dict with the reference implementation's names to a model."""

import reprlib

import numpy as np
from keras import layers

from keras_liteseg.checkpoints.first_kernel import adapted, first_kernels
from keras_liteseg.checkpoints.names import canonical_entries, of_the_network, plain_names, unwrapped
from keras_liteseg.errors import UserError
from keras_liteseg.graph import Graph, norms_after_convolutions, require_functional

# Entries that a model may lack: heads that only training uses (NDNet, PP-LiteSeg), and the ImageNet classifiers that
# official LiteSeg files carry along.
_OPTIONAL_PREFIXES = ("aux_", "seg_heads.1.", "seg_heads.2.", "mobile_features.classifier.", "shuffle_features.fc.")


def assign_state_dict(model, state, source="the state dict", new_classes=False, new_images=False):
    """Assign official weights to a model, in place: all of them or, on any mismatch, none.

    Args:
        model: a model of `create_model`, or that model without batch normalization (`fold_batch_norm`).
        state: dict from the reference's entry name to an array in the reference's layout: convolution kernels (out,
            in / groups, height, width). Names may be those of PyTorch or Paddle, within the 'model' or 'net' of a
            training program, of data-parallel training and of `torch.compile`. Bookkeeping such as
            `num_batches_tracked` is ignored, and entries of auxiliary heads and unused classifiers that the model
            lacks. Where convolutions come with a bias instead of a batch normalization (the deploy form of LPS-Net),
            the model's batch normalization adds that bias and does nothing else.
        source: what to call the weights in an error message.
        new_classes: let the layers whose shape follows from the number of classes, and auxiliary heads that `state`
            lacks, keep their weights.
        new_images: let a model for images of other channels start from weights for RGB, see `first_kernel`.

    Returns:
        Names of the layers that kept their weights; empty unless `new_classes`.

    Raises:
        UserError: entries are missing, unexpected, of another shape, integers, NaN or infinite; the message names them.
    """
    require_functional(model)
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise UserError(f"{source} is {reprlib.repr(state)}; give a dict from the names of entries to NumPy arrays.")
    for name, value in state.items():
        if not isinstance(value, np.ndarray | np.generic):
            raise UserError(f"The entry '{name}' of {source} is {reprlib.repr(value)}; give a NumPy array.")
    wanted = wanted_entries(model)
    given = canonical_entries(of_the_network(state, wanted), source)
    unfolded = _unfolded(model, given)
    used = {name for name, _ in unfolded.values()}
    unexpected = [
        name
        for entry, (name, _) in given.items()
        if entry not in wanted and name not in used and not _is_optional(name)
    ]
    given |= unfolded
    return _assign(model, wanted, given, unexpected, source, new_classes, new_images)


def assign_backbone(model, state, prefix, source="the state dict"):
    """Assign the weights of a backbone, in place: all of them or none. Other entries (a classifier's) are ignored. A
    model for images of other channels starts from weights for RGB, see `first_kernel`.

    Args:
        model: a model of `create_model`.
        state: as for `assign_state_dict`, with or without the backbone's own prefix. MobileNetV2 may have the names of
            torchvision or timm.
        prefix: prefix of the names of the backbone's layers.
        source: what to call the weights in an error message.

    Raises:
        UserError: entries are missing, of another shape, integers, NaN or infinite; the message names them.
    """
    wanted = {entry: target for entry, target in wanted_entries(model).items() if entry.startswith(prefix)}
    given = canonical_entries(plain_names(of_the_network(state, wanted, prefix)), source)
    given = {prefix + entry: value for entry, value in given.items()} | given
    _assign(model, wanted, given, [], source, new_classes=False, new_images=True)


def wanted_entries(model):
    """Return {entry: (variable, axes that bring the reference's layout to ours)}.

    An entry is named 'layer.tensor'. The layer has the reference's module path with '_' for '.', because the PyTorch
    backend of Keras refuses layer names with dots; the tensor has PyTorch's name.
    """
    wanted = {}
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, layers.BatchNormalization):
            wanted[f"{name}.weight"] = (layer.gamma, (0,))
            wanted[f"{name}.bias"] = (layer.beta, (0,))
            wanted[f"{name}.running_mean"] = (layer.moving_mean, (0,))
            wanted[f"{name}.running_var"] = (layer.moving_variance, (0,))
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            wanted[f"{name}.weight"] = (layer.kernel, (2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
            if layer.use_bias:
                wanted[f"{name}.bias"] = (layer.bias, (0,))
        else:
            for variable in layer.weights:
                wanted[f"{name}.{variable.name}"] = (variable, tuple(range(len(variable.shape))))
    return wanted


def class_layers(model):
    """Return the names of the layers whose shapes follow from the number of classes: the last convolution before every
    output, and the layers with weights behind it."""
    found = set()
    for layer in Graph(model).layers_before(model.outputs, stop=layers.Conv2D):
        if layer.weights:
            found.add(layer.name)
    return found


def aux_layers(model):
    """Return the names of the layers that only the auxiliary outputs read."""
    main = {layer.name for layer in Graph(model).layers_before(model.outputs[:1])}
    return {layer.name for layer in model.layers} - main


def _is_optional(name):
    return unwrapped(name).startswith(_OPTIONAL_PREFIXES)


def _unfolded(model, given):
    """Return the entries of batch normalizations that only add the bias which `given` holds for the convolution."""
    entries = {}
    for convolution, norm in norms_after_convolutions(model):
        name, bias = given.get(f"{convolution.name}.bias", (None, None))
        if name is None or convolution.use_bias or f"{norm.name}.running_var" in given:
            continue
        ones = np.ones(norm.gamma.shape, np.float32)
        for tensor, value in (
            ("weight", ones),
            ("bias", bias),
            ("running_mean", 0 * ones),
            ("running_var", ones - np.float32(norm.epsilon)),
        ):
            entries[f"{norm.name}.{tensor}"] = name, value
    return entries


def _assign(model, wanted, given, unexpected, source, new_classes, new_images):
    first = {id(kernel) for kernel in first_kernels(model)} if new_images else set()
    missing = [entry for entry in wanted if entry not in given]
    misshapen, values, unsound = {}, [], []
    for entry, (variable, permutation) in wanted.items():
        if entry not in given:
            continue
        name, value = given[entry]
        if id(variable) in first and value.ndim == 4:
            value = adapted(value.transpose(permutation), variable.shape[2]).transpose(np.argsort(permutation))
        if value.ndim != len(permutation) or value.transpose(permutation).shape != tuple(variable.shape):
            expected = _official_shape(variable.shape, permutation)
            misshapen[entry] = f"{name} (is {tuple(value.shape)}, wanted {expected})"
        else:
            fault = _fault(entry, value)
            unsound += [f"{name} ({fault})"] if fault else []
            values.append((variable, value.transpose(permutation)))

    classes, kept = class_layers(model), []
    if new_classes:
        aux = aux_layers(model)
        kept = [entry for entry in missing if _layer(entry) in aux]
        kept += [entry for entry in misshapen if _layer(entry) in classes]
        missing = [entry for entry in missing if entry not in kept]
        misshapen = {entry: text for entry, text in misshapen.items() if entry not in kept}

    problems = []
    for what, names in (
        ("missing", missing),
        ("unexpected", unexpected),
        ("of the wrong shape", list(misshapen.values())),
        ("no weights", unsound),
    ):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            problems.append(f"{len(names)} {what}: {', '.join(names[:5])}{more}")
    if problems:
        only_classes = not missing and not unexpected and all(_layer(entry) in classes for entry in misshapen)
        name = "number of classes of the weights" if only_classes else "name that these weights were made for"
        advice = f"Build the model with the {name}."
        if unsound and not missing and not unexpected and not misshapen:
            advice = "Save the weights of a training that went well, as floating-point numbers."
        raise UserError(f"{source} does not fit the model '{model.name}'. Entries {'; '.join(problems)}. {advice}")
    for variable, value in values:
        variable.assign(value)
    return list(dict.fromkeys(_layer(entry) for entry in kept))


def _fault(entry, value):
    """Return what makes an array useless as weights, None if nothing does.

    Integers are something else, such as quantized weights or the bits of a type that NumPy lacks.
    """
    if value.dtype.kind != "f":
        return f"{value.dtype} numbers"
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if not np.isfinite(value).all():
        return "NaN or infinity in it"
    if entry.endswith(".running_var") and (value < 0).any():
        return "variances below 0"
    return None


def _official_shape(shape, permutation):
    official = [0] * len(permutation)
    for ours, theirs in enumerate(permutation):
        official[theirs] = shape[ours]
    return tuple(official)


def _layer(entry):
    return entry.rpartition(".")[0]
