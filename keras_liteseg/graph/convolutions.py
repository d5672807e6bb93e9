"""Kinds of convolutions, their weights, and convolutions like others."""

import keras
import numpy as np
from keras import layers


def is_dense(layer):
    """Return whether a layer is a convolution without groups."""
    return isinstance(layer, layers.Conv2D) and layer.groups == 1


def is_pointwise(layer):
    """Return whether a layer is a 1x1 convolution without groups and with stride 1."""
    return is_dense(layer) and layer.kernel_size == (1, 1) and layer.strides == (1, 1)


def is_linear(layer):
    """Return whether a convolution has no activation of its own."""
    return layer.activation is keras.activations.linear


def kernel_and_bias(layer):
    """Return the kernel and the bias of a convolution, float32; zeros where it has no bias."""
    kernel = layer.kernel.numpy()
    outputs = kernel.shape[2] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[3]
    return kernel, layer.bias.numpy() if layer.use_bias else np.zeros(outputs, np.float32)


def response(layer, kernel, constants):
    """Return what a convolution like `layer` with `kernel` gives, away from any padding, for a constant in each channel
    of its input, float (channels,), without a bias: one in each channel of its output, float (channels,)."""
    total = kernel.sum(axis=(0, 1))
    if isinstance(layer, layers.DepthwiseConv2D):
        return (constants[:, None] * total).ravel()
    # A group's filters lie together and see the channels of the group alone.
    seen = np.repeat(constants.reshape(layer.groups, -1).T, layer.filters // layer.groups, axis=1)
    return (seen * total).sum(axis=0)


def convolve(x, layer, kernel, bias, name, **changes):
    """Return the output for `x` of a convolution like `layer` with other weights; `bias` may be None. `changes` are
    arguments of the layer."""
    changes = {"use_bias": bias is not None, "name": name, **changes}
    convolution = type(layer).from_config({**layer.get_config(), **changes})
    result = convolution(x)
    convolution.set_weights([kernel] if bias is None else [kernel, bias])
    return result
