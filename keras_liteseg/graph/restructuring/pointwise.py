"""Channel-wise operations and upsamplings that change places with convolutions or become part of them."""

import functools
import math

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import convolve, is_dense, is_linear, is_pointwise, kernel_and_bias
from keras_liteseg.graph.copies import made_from, rebuild, renamed
from keras_liteseg.graph.restructuring.sums import add_in_pairs
from keras_liteseg.graph.traversal import Graph, first_input, layers_of
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, GroupedConv2D


def merge_pointwise(model):
    """Make a 1x1 depthwise convolution part of the 1x1 convolution after it, or of the convolution before it where
    nothing but resizes stands between: it only scales channels."""
    graph = Graph(model)
    rules = {}
    for layer in layers_of(model, layers.DepthwiseConv2D):
        if layer.kernel_size != (1, 1) or layer.strides != (1, 1) or layer.depth_multiplier != 1:
            continue
        if not is_linear(layer):
            continue
        kernel, bias = kernel_and_bias(layer)
        scale = kernel[0, 0, :, 0]
        after, before = graph.only_reader(layer), graph.producer(layer.input)
        while isinstance(before, BilinearResize):
            before = graph.producer(first_input(before))
        if after is not None and is_pointwise(after):
            changed, (own_kernel, own_bias) = after, kernel_and_bias(after)
            weights = own_kernel * scale[:, None], own_bias + bias @ own_kernel[0, 0]
        elif is_dense(before) and is_linear(before) and graph.leads_only_to(before, layer):
            changed, (own_kernel, own_bias) = before, kernel_and_bias(before)
            weights = own_kernel * scale, own_bias * scale + bias
        else:
            continue
        if changed.name not in rules:  # one change at a time
            rules[layer.name] = lambda x: x
            rules[changed.name] = functools.partial(_merged, changed, *weights)
    return rebuild(model, rules)


def _merged(layer, kernel, bias, x):
    return convolve(x, layer, kernel, bias, layer.name)


def merge_shuffles(model):
    """Let a convolution without groups make its channels in the order into which a shuffle would bring them."""
    graph = Graph(model)
    rules = {}
    for shuffle in layers_of(model, ChannelShuffle):
        source = graph.producer(shuffle.input)
        convolution = graph.producer(source.input) if isinstance(source, layers.ReLU) else source
        if is_dense(convolution) and graph.leads_only_to(convolution, shuffle):
            order = np.arange(convolution.filters).reshape(shuffle.groups, -1).T.ravel()
            kernel, bias = kernel_and_bias(convolution)
            rules[convolution.name] = functools.partial(_merged, convolution, kernel[..., order], bias[order])
            rules[shuffle.name] = lambda x: x
    return rebuild(model, rules)


def even_groups(model):
    """Join groups of a convolution, with zeros in between, until each reads and makes a multiple of 4 channels.

    LiteRT's GPU accelerator takes channels four at a time and crashes at other groups. For float files alone: there are
    more products to compute, and from int8 1x1 convolutions the accelerator gets wrong results with any groups.
    """
    rules = {}
    for layer in layers_of(model, GroupedConv2D):
        channels = layer.input.shape[-1], layer.filters
        groups = next(
            count
            for count in range(layer.groups, 0, -1)
            if layer.groups % count == 0 and (count == 1 or all(number // count % 4 == 0 for number in channels))
        )
        if groups < layer.groups:
            rules[layer.name] = functools.partial(_regrouped, layer, groups)
    return rebuild(model, rules)


def _regrouped(layer, groups, x, training=None):
    kernel, bias = kernel_and_bias(layer)
    joined = layer.groups // groups
    inputs, outputs = kernel.shape[2], layer.filters // layer.groups
    result = np.zeros((*kernel.shape[:2], inputs * joined, layer.filters), np.float32)
    for group in range(layer.groups):
        rows = slice(group % joined * inputs, (group % joined + 1) * inputs)
        columns = slice(group * outputs, (group + 1) * outputs)
        result[:, :, rows, columns] = kernel[..., columns]
    return convolve(x, layer, result, bias if layer.use_bias else None, layer.name, groups=groups)


def resize_after_pointwise(model):
    """Where a 1x1 convolution reads a concatenation with upsampled maps, convolve each map at its own size and add up.

    Both operations are linear and the weights of a bilinear resize sum to 1, so they may change places; the convolution
    then reads fewer pixels.
    """
    graph = Graph(model)
    rules = {}
    for convolution in layers_of(model, layers.Conv2D):
        source = graph.producer(convolution.input)
        if not is_pointwise(convolution) or not is_linear(convolution) or not isinstance(source, layers.Concatenate):
            continue
        upsampled = [
            _enlarges(graph.producer(tensor)) and convolution.filters <= tensor.shape[-1] for tensor in source.input
        ]
        if any(upsampled) and not all(upsampled) and graph.only_reader(source) is convolution:
            rules[convolution.name] = functools.partial(_convolve_apart, convolution, upsampled)
    return rebuild(model, rules)


def _enlarges(layer):
    return isinstance(layer, BilinearResize) and math.prod(layer.output.shape[1:3]) > math.prod(
        first_input(layer).shape[1:3]
    )


def _convolve_apart(convolution, upsampled, concatenated):
    """Return what `convolution` makes of a concatenation, the `upsampled` parts of which it convolves before that."""
    _, parts = made_from(concatenated)
    kernel, bias = kernel_and_bias(convolution)
    kernels = np.split(kernel, np.cumsum([part.shape[-1] for part in parts])[:-1], axis=2)
    name = convolution.name
    rest = [part for part, moved in zip(parts, upsampled) if not moved]
    rest_kernel = np.concatenate([part for part, moved in zip(kernels, upsampled) if not moved], axis=2)
    x = rest[0] if len(rest) == 1 else layers.Concatenate(name=f"{name}_rest_concat")(rest)
    terms = [convolve(x, convolution, rest_kernel, bias, f"{name}_rest")]
    for part, part_kernel, moved in zip(parts, kernels, upsampled):
        if moved:
            resize, (x, *target) = made_from(part)
            x = convolve(x, convolution, part_kernel, None, f"{name}_{resize.name}")
            terms.append(renamed(resize, f"{resize.name}_after")(x, *target))
    return add_in_pairs(terms, name)
