"""Batch normalization folded into the convolution before it."""

import keras
import numpy as np
from keras import layers

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)


def fold_batch_norm(model):
    """Return a copy of `model` for inference in which every batch normalization that directly follows a convolution is
    part of that convolution's kernel and bias; other ones stay.

    With y = gamma * (conv(x) - mean) / sqrt(variance + epsilon) + beta, the kernel is scaled by
    gamma / sqrt(variance + epsilon) per output channel and the rest becomes the bias (Jacob et al., "Quantization and
    Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), section 3.2).

    Args:
        model: a functional Keras model.

    Returns:
        A new functional model with the same layer names; its outputs differ by rounding only.
    """
    folded = {convolution.name: norm for convolution, norm in norms_after_convolutions(model)}
    skipped = {layer.name for layer in folded.values()}

    def clone(layer):
        config = layer.get_config()
        if layer.name in folded:
            config["use_bias"] = True
        return layer.__class__.from_config(config)

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in skipped else layer(*args, **kwargs)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in copy.layers:
        if not layer.weights:
            continue
        source = model.get_layer(layer.name)
        if layer.name in folded:
            layer.set_weights(_folded_weights(source, folded[layer.name]))
        else:
            layer.set_weights(source.get_weights())
    return copy


def norms_after_convolutions(model):
    """Return the pairs (convolution, batch normalization) in which nothing but the second reads the first's output."""
    sources = {id(layer.output): layer for layer in model.layers if isinstance(layer, _CONVOLUTIONS)}
    outputs = {id(output) for output in model.outputs}
    pairs = []
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) and id(layer.input) in sources:
            convolution = sources[id(layer.input)]
            if len(convolution._outbound_nodes) == 1 and id(convolution.output) not in outputs:
                pairs.append((convolution, layer))
    return pairs


def _folded_weights(convolution, norm):
    kernel = convolution.kernel.numpy().astype(np.float64)
    bias = convolution.bias.numpy() if convolution.use_bias else 0.0
    moving_mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy().astype(np.float64)
    gamma = norm.gamma.numpy() if norm.scale else 1.0
    beta = norm.beta.numpy() if norm.center else 0.0
    factor = gamma / np.sqrt(variance + norm.epsilon)
    depthwise = isinstance(convolution, layers.DepthwiseConv2D)
    kernel *= factor.reshape(kernel.shape[2:]) if depthwise else factor
    return [kernel.astype(np.float32), (beta + (bias - moving_mean) * factor).astype(np.float32)]
