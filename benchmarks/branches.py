"""Structural reparametrisation: 3x3 convolutions that train with parallel branches, folded into one before the export.

X. Ding, X. Zhang, N. Ma, J. Han, G. Ding, J. Sun: "RepVGG: Making VGG-style ConvNets Great Again" (CVPR 2021).
"""

import dataclasses
import functools

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import is_dense, is_linear
from keras_liteseg.graph.copies import rebuild, renamed
from keras_liteseg.graph.fold import norms_after_convolutions
from keras_liteseg.models import create_model, load_model, save_model
from keras_liteseg.networks.registry import model_spec, register_spec


def with_branches(model):
    """Return a network like `model`, with new weights where it has branches: beside each 3x3 convolution with batch
    normalization a 1x1 convolution with its own and, where the sizes are equal, the input with another, all summed.

    Args:
        model: a functional Keras model. Convolutions with strides, groups, a bias or an activation stay alone.
    """
    rules = {}
    for convolution, norm in _branching(model):
        rules[convolution.name] = functools.partial(_branches, convolution, norm)
        rules[norm.name] = lambda x, **_: x
    return rebuild(model, rules)


def fold_branches(branched, plain):
    """Give `plain` the weights with which it computes what `branched`, made of it by `with_branches`, does.

    All kernels lie in the middle of a 3x3 one, each scaled by its batch normalization (there, section 3.3). `plain`
    keeps its batch normalizations, which add what is left, so that it is a network like any other.
    """
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(branched.get_layer(layer.name).get_weights())
    names = {layer.name for layer in branched.layers}
    for convolution, norm in _branching(plain):
        factor, offset = _scaling(norm)
        kernel = convolution.kernel.numpy() * factor
        factor, more = _scaling(branched.get_layer(f"{norm.name}_1x1"))
        kernel[1, 1] += branched.get_layer(f"{convolution.name}_1x1").kernel.numpy()[0, 0] * factor
        offset = offset + more
        if f"{norm.name}_identity" in names:
            factor, more = _scaling(branched.get_layer(f"{norm.name}_identity"))
            kernel[1, 1] += np.diag(factor)
            offset = offset + more
        convolution.kernel.assign(kernel)
        ones = np.ones_like(offset)
        norm.set_weights([ones * np.sqrt(1 + norm.epsilon), offset, 0 * ones, ones])


def register_branched(name):
    """Register the network `name` with branches, for trainings, and return the name that it has then."""
    spec, branched = model_spec(name), f"{name}_branched"
    register_spec(branched, dataclasses.replace(spec, build=lambda **shape: with_branches(spec.build(**shape))))
    return branched


def folded(path, name):
    """Write the network `name` with the folded weights of a branched one beside its file, and return the path."""
    branched, metadata = load_model(path)
    plain = create_model(name, branched.input.shape[1:], len(metadata.classes))
    fold_branches(branched, plain)
    path = path.with_name("folded.keras")
    save_model(plain, path, metadata.replace(model=name))
    return path


def _branching(model):
    """Return the pairs (convolution, batch normalization) that get branches."""
    return [
        (convolution, norm)
        for convolution, norm in norms_after_convolutions(model)
        if is_dense(convolution)
        and is_linear(convolution)
        and convolution.kernel_size == (3, 3)
        and not convolution.use_bias
        and convolution.strides == (1, 1)
        and convolution.padding == "same"
    ]


def _branches(convolution, norm, x, **_):
    pointwise = layers.Conv2D(
        convolution.filters,
        1,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{convolution.name}_1x1",
    )
    branches = [
        renamed(norm, norm.name)(renamed(convolution, convolution.name)(x)),
        renamed(norm, f"{norm.name}_1x1")(pointwise(x)),
    ]
    if x.shape[-1] == convolution.filters:
        branches.append(renamed(norm, f"{norm.name}_identity")(x))
    return layers.Add(name=f"{convolution.name}_sum")(branches)


def _scaling(norm):
    """Return (factor, offset) of a trained batch normalization, per channel."""
    factor = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    return factor, norm.beta.numpy() - factor * norm.moving_mean.numpy()
