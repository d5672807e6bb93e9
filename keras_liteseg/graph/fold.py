"""Batch normalization folded into the convolution before it."""

import functools

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import convolve
from keras_liteseg.graph.copies import copy_model, rebuild
from keras_liteseg.graph.traversal import Graph, layers_of, require_functional

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)


def fold_batch_norm(model):
    """Return a copy of `model` for inference in which every batch normalization that directly follows a convolution is
    part of that convolution's kernel and bias; other ones stay.

        >>> from keras_liteseg import create_model, fold_batch_norm
        >>> model = create_model("lps_net_tiny", (64, 128, 3))
        >>> len(fold_batch_norm(model).layers) < len(model.layers)
        True

    With y = gamma * (conv(x) - mean) / sqrt(variance + epsilon) + beta, the kernel is scaled by
    gamma / sqrt(variance + epsilon) per output channel and the rest becomes the bias (Jacob et al., "Quantization and
    Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), section 3.2).

    Args:
        model: a functional Keras model.

    Returns:
        A new functional model with the same layer names; its outputs differ by rounding only.

    Raises:
        UserError: `model` is no functional Keras model.
    """
    require_functional(model)
    rules = {}
    for convolution, norm in norms_after_convolutions(model):
        rules[convolution.name] = functools.partial(_convolve_folded, convolution, norm)
        rules[norm.name] = lambda x, **_: x
    return rebuild(model, rules) if rules else copy_model(model)


def norms_after_convolutions(model):
    """Return the pairs (convolution, batch normalization) in which nothing but the second reads the first's output."""
    graph = Graph(model)
    pairs = [(graph.producer(norm.input), norm) for norm in layers_of(model, layers.BatchNormalization)]
    return [
        (convolution, norm)
        for convolution, norm in pairs
        if isinstance(convolution, _CONVOLUTIONS) and graph.only_reader(convolution) is norm
    ]


def _convolve_folded(convolution, norm, x, **_):
    kernel = convolution.kernel.numpy().astype(np.float64)
    bias = convolution.bias.numpy() if convolution.use_bias else 0.0
    moving_mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy().astype(np.float64)
    gamma = norm.gamma.numpy() if norm.scale else 1.0
    beta = norm.beta.numpy() if norm.center else 0.0
    factor = gamma / np.sqrt(variance + norm.epsilon)
    depthwise = isinstance(convolution, layers.DepthwiseConv2D)
    kernel *= factor.reshape(kernel.shape[2:]) if depthwise else factor
    bias = beta + (bias - moving_mean) * factor
    return convolve(x, convolution, kernel.astype(np.float32), bias.astype(np.float32), convolution.name)
