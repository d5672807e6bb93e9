"""Channel centering: every channel of a tensor that convolutions read as it is spreads evenly around zero.

A tensor has one int8 range for all channels. Where no ReLU follows, one channel may lie between -20 and 0 and the next
between 0 and 20, and the range has to hold both. A constant that a convolution's bias adds to a channel can be taken
back in the biases of the convolutions that read it, so that every channel may have its middle at zero, and the network
computes the same function.

Wei et al., "Outlier Suppression+: Accurate quantization of large language models by equivalent and optimal shifting and
scaling" (2023), arXiv 2304.09145, does this behind the layer normalization of transformers.
"""

import keras
import numpy as np
from keras import layers, ops

from keras_liteseg.graph import Graph, input_tensors
from keras_liteseg.graph.convolutions import response
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)


def center_channels(model, images):
    """Return a copy of `model` that computes the same function, with the channels centered where that is possible.

    It is where the output of a convolution reaches nothing but convolutions that pad nothing, past resizes,
    concatenations, additions and channel shuffles.

    Args:
        model: a functional model without batch normalization (see `fold_batch_norm`).
        images: iterable of normalized images, float32 (N, height, width, channels), as calibration data.

    Returns:
        A functional model with the same layer names.
    """
    movable = _movable(model)
    middles = _middles(model, [layer for layer in movable if isinstance(layer, _CONVOLUTIONS)], images)
    copy, passing = _with_biases(model, movable), {layer.name for layer in movable if _passes(layer)}
    offsets = {}
    for layer in copy.layers:
        moved = [offsets[id(tensor)] for tensor in input_tensors(layer)]
        offset = np.zeros(layer.output.shape[-1])
        if layer.name in passing:
            offset = _passed_on(layer, moved)
        elif isinstance(layer, _CONVOLUTIONS) and layer.use_bias:
            offset -= middles.get(layer.name, 0.0)
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + offset - response(layer, kernel, moved[0])])
        offsets[id(layer.output)] = offset
    return copy


def _with_biases(model, movable):
    """Return a copy of `model` with a bias in the convolutions that make or read what the layers `movable` give; in a
    TFLite file every convolution has one anyway."""
    moved = {id(layer.output) for layer in movable}

    def clone(layer):
        tensors = [layer.output, *input_tensors(layer)]
        needed = isinstance(layer, _CONVOLUTIONS) and any(id(tensor) in moved for tensor in tensors)
        return type(layer).from_config(layer.get_config() | ({"use_bias": True} if needed else {}))

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer in copy.layers:
        if layer.weights:
            given = model.get_layer(layer.name).get_weights()
            layer.set_weights([*given, *layer.get_weights()[len(given) :]])
    return copy


def _movable(model):
    """Return the layers whose output may have a constant added to each channel, which all of its readers undo or pass
    on."""
    graph, found = Graph(model), set()
    results = {id(tensor) for tensor in model.outputs}
    for layer in reversed(model.layers):
        if (isinstance(layer, _CONVOLUTIONS) or _passes(layer)) and id(layer.output) not in results:
            readers = graph.readers(layer.output)
            if all(_undoes(reader) or (_passes(reader) and reader in found) for reader in readers):
                found.add(layer)
    return found


def _undoes(layer):
    """A convolution that sees zeros around its input would see the constant missing there."""
    return isinstance(layer, _CONVOLUTIONS) and (layer.padding == "valid" or max(layer.kernel_size) == 1)


def _passes(layer):
    return isinstance(layer, layers.Add | layers.Concatenate | BilinearResize | ChannelShuffle)


def _passed_on(layer, moved):
    if isinstance(layer, layers.Add):
        return np.sum(moved, axis=0)
    if isinstance(layer, layers.Concatenate):
        return np.concatenate(moved)
    if isinstance(layer, ChannelShuffle):
        return moved[0].reshape(layer.groups, -1).T.ravel()
    return moved[0]


def _middles(model, convolutions, images):
    """Return {layer name: middle between the smallest and the largest value of each channel, float (channels,)}."""
    taps = {
        layer.name: ops.stack([ops.min(layer.output, axis=(0, 1, 2)), ops.max(layer.output, axis=(0, 1, 2))])
        for layer in convolutions
    }
    if not taps:
        return {}
    tapped = keras.Model(model.input, taps)
    seen = [tapped.predict_on_batch(batch) for batch in images]
    values = {name: np.array([batch[name] for batch in seen]) for name in taps}
    return {name: (value[:, 0].min(axis=0) + value[:, 1].max(axis=0)) / 2 for name, value in values.items()}
