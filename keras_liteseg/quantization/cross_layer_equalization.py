"""Cross-layer equalization: channels of one tensor get similar ranges before they share one int8 scale.

Nagel, van Baalen, Blankevoort, Welling: "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), section 4.1, arXiv 1906.04721. ReLU commutes with a positive factor, so a channel may be divided by a factor
where it is made and multiplied again where it is used, and the network computes the same function.

Here the factors come from measured activation ranges, and whole groups of tensors are scaled together: a residual
stream is made by 1x1 convolutions and used by depthwise ones, both quantized per channel, so that all tensors of the
stream can be equalized at no cost to any weight. Where a dense convolution uses the channel, its input columns grow
unequal instead, and `BALANCE` weighs activation against weight. A ReLU6 cuts at 6 whatever the factor, so the channels
below it are raised no further than to 6: what it cut in the images, it still cuts, and the rest it leaves alone.
"""

import keras
import numpy as np
from keras import layers, ops

from keras_liteseg.graph import copy_model, input_tensors
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, ExclusivePooling2D
from keras_liteseg.networks.sppm import AdaptiveAveragePooling2D

# Layers whose output channel i is multiplied by what input channel i is multiplied by, if that is positive.
_HOMOGENEOUS = (
    layers.LeakyReLU,
    layers.ZeroPadding2D,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    BilinearResize,
    ExclusivePooling2D,
    AdaptiveAveragePooling2D,
)

# Where a dense convolution uses a channel: 1 equalizes the activations fully, 0 the kernel's input columns.
BALANCE = 0.75

# A channel this many times smaller than the largest is raised no further: it is noise, or rarely seen in calibration.
LARGEST_FACTOR = 64.0


def equalize(model, images):
    """Return a copy of `model` that computes the same function with channel ranges brought together.

    Args:
        model: a functional model without batch normalization (see `fold_batch_norm`).
        images: iterable of normalized images, float32 (N, height, width, channels), as calibration data.

    Returns:
        A functional model with the same layer names.
    """
    copy = copy_model(model)
    groups = _ChannelGroups(copy)
    ranges = channel_ranges(copy, images)
    factors = _factors(groups, ranges)
    for layer in groups.convolutions:
        _rescale(layer, factors[groups.inputs[layer.name]], factors[groups.outputs[layer.name]])
    return copy


def channel_ranges(model, images):
    """Return {layer name: largest absolute output per channel, float64 (channels,)} over the images."""
    taps = {layer.name: layer.output for layer in model.layers if len(layer.output.shape) == 4}
    tapped = keras.Model(model.input, {name: ops.max(ops.abs(x), axis=(0, 1, 2)) for name, x in taps.items()})
    total = {name: np.zeros(tensor.shape[-1]) for name, tensor in taps.items()}
    for batch in images:
        for name, value in tapped.predict_on_batch(batch).items():
            total[name] = np.maximum(total[name], value)
    return total


class _ChannelGroups:
    """Which channels of which tensors must keep one common factor.

    Attributes:
        inputs, outputs: {layer name: group number per input or output channel} of every convolution; `outputs` also
            of every other layer.
        fixed: group numbers whose factor must stay 1: the network's inputs and outputs, and what unknown layers touch.
        convolutions: the convolution layers.
        clipped: {layer name: largest value} of every ReLU that has one, such as ReLU6.
    """

    def __init__(self, model):
        self._parent = []
        self.inputs, self.outputs, fixed = {}, {}, []
        self.convolutions, self.clipped = [], {}
        tensors = {}
        for layer in model.layers:
            sources = [tensors[id(x)] for x in input_tensors(layer)]
            if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
                self.convolutions.append(layer)
                self.inputs[layer.name] = sources[0]
                result = self._new(layer.output.shape[-1])
            elif isinstance(layer, _HOMOGENEOUS) or _is_relu(layer):
                result = sources[0]
                if isinstance(layer, layers.ReLU) and layer.max_value is not None:
                    self.clipped[layer.name] = float(layer.max_value)
            elif isinstance(layer, ChannelShuffle):
                result = sources[0].reshape(layer.groups, -1).T.ravel()
            elif isinstance(layer, layers.Add):
                result = sources[0]
                for other in sources[1:]:
                    for first, second in zip(result, other):
                        self._parent[self._root(second)] = self._root(first)
            elif isinstance(layer, layers.Concatenate):
                result = np.concatenate(sources)
            else:
                result = self._new(layer.output.shape[-1])
                fixed += [result, *sources]
            tensors[id(layer.output)] = self.outputs[layer.name] = result
        fixed += [tensors[id(x)] for x in model.outputs]

        self.inputs = {name: self._roots(numbers) for name, numbers in self.inputs.items()}
        self.outputs = {name: self._roots(numbers) for name, numbers in self.outputs.items()}
        self.fixed = self._roots(np.concatenate(fixed))
        self.count = len(self._parent)

    def _new(self, count):
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return np.arange(start, start + count)

    def _root(self, number):
        while self._parent[number] != number:
            number = self._parent[number]
        return number

    def _roots(self, numbers):
        return np.array([self._root(number) for number in numbers])


def _factors(groups, ranges):
    """Return the factor per group: activations are divided by it."""
    largest = np.zeros(groups.count)
    tensor_largest = np.zeros(groups.count)
    for name, numbers in groups.outputs.items():
        np.maximum.at(largest, numbers, ranges[name])
        np.maximum.at(tensor_largest, numbers, ranges[name].max())
    relative = np.divide(largest, tensor_largest, out=np.ones(groups.count), where=tensor_largest > 0)
    factors = np.maximum(relative, 1.0 / LARGEST_FACTOR)

    for layer in groups.convolutions:
        if not isinstance(layer, layers.DepthwiseConv2D):
            numbers = groups.inputs[layer.name]
            kernel = np.abs(layer.kernel.numpy())
            # Each output channel has its own scale, so a column counts relative to the largest of its row.
            columns = (kernel / np.maximum(kernel.max(axis=(0, 1, 2)), 1e-12)).max(axis=(0, 1))
            columns = columns.reshape(len(columns), layer.groups, -1).max(axis=2).T.ravel()
            balanced = relative[numbers] ** BALANCE / np.maximum(columns, 1e-6) ** (1 - BALANCE)
            balanced /= balanced.max()
            factors[numbers] = np.maximum(balanced, 1.0 / LARGEST_FACTOR)
    for name, limit in groups.clipped.items():
        # Divided by its factor, a channel must still fit under the limit, and one that it cuts keeps its place.
        numbers = groups.outputs[name]
        factors[numbers] = np.clip(factors[numbers], ranges[name] / limit, 1.0)
    factors[groups.fixed] = 1.0
    return factors


def _rescale(layer, input_factors, output_factors):
    kernel = layer.kernel.numpy().astype(np.float64)
    if isinstance(layer, layers.DepthwiseConv2D):
        kernel *= (input_factors / output_factors)[:, None]
    else:
        # A group's filters lie together and see the channels of the group alone.
        seen = input_factors.reshape(layer.groups, -1).T
        kernel *= np.repeat(seen, layer.filters // layer.groups, axis=1) / output_factors
    weights = [kernel]
    if layer.use_bias:
        weights.append(layer.bias.numpy() / output_factors)
    layer.set_weights(weights)


def _is_relu(layer):
    return isinstance(layer, layers.ReLU) and not layer.threshold
