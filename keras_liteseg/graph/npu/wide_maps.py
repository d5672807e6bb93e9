"""Maps that are too large for the memory of an NPU while two operations read them."""

import functools
import math

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import convolve, is_pointwise, kernel_and_bias
from keras_liteseg.graph.copies import made_from, rebuild, renamed
from keras_liteseg.graph.traversal import Graph, layers_of
from keras_liteseg.networks.layers import ExclusivePooling2D

# Bytes: half of what `edge.targets.ethos_u` gives a U55.
_WIDE = 1 << 20


def wide_maps_apart(model, origins):
    """Let both readers of the widest map of an STDC backbone compute it on their own, one of them in halves.

    The map before the first stride of its stages is the largest tensor, and an Ethos-U has to keep it in its SRAM while
    two operations read it. What only one reads is made and read in stripes, which leaves room for weights: else they
    come from the flash again and again. The halves keep the converter from merging the two again.

    Takes a model before `restructure_at_size`.
    """
    graph, rules = Graph(model), {}
    for pool in layers_of(model, ExclusivePooling2D):
        relu = graph.producer(pool.input)
        convolution = _wide_convolution(graph, relu)
        for pad in graph.readers(pool.input) if convolution else ():
            depthwise = graph.only_reader(pad)
            if isinstance(pad, layers.ZeroPadding2D) and isinstance(depthwise, layers.DepthwiseConv2D):
                rules[pad.name] = lambda x: x
                rules[depthwise.name] = functools.partial(_in_halves, convolution, relu, pad, depthwise, origins)
    return rebuild(model, rules)


def _wide_convolution(graph, relu):
    """Return the pointwise convolution before a ReLU that gives a wide map; None where there is none."""
    if not isinstance(relu, layers.ReLU) or math.prod(relu.output.shape[1:]) < _WIDE:
        return None
    convolution = graph.producer(relu.input)
    return convolution if is_pointwise(convolution) and graph.only_reader(convolution) is relu else None


def _in_halves(convolution, relu, pad, depthwise, origins, x):
    """Compute a depthwise convolution and the pointwise one before it for either half of the channels."""
    kernel, bias = kernel_and_bias(convolution)
    own_kernel, own_bias = kernel_and_bias(depthwise)
    x, halves = _source(x), []
    for index, part in enumerate(np.array_split(np.arange(convolution.filters), 2)):
        names = [f"{layer.name}_half_{index}" for layer in (convolution, relu, pad, depthwise)]
        half = convolve(x, convolution, kernel[..., part], bias[part], names[0], filters=len(part))
        half = renamed(pad, names[2])(renamed(relu, names[1])(half))
        halves.append(convolve(half, depthwise, own_kernel[:, :, part], own_bias[part], names[3]))
        origins |= {names[1]: relu.name, names[3]: depthwise.name}
    return layers.Concatenate(name=depthwise.name)(halves)


def _source(x):
    """Return what the convolution read that made `x` with its ReLU."""
    return made_from(made_from(x)[1][0])[1][0]


def cropped_before_pointwise(model, origins):
    """Cut strips out of a wide map before the pointwise convolution that makes it, for the same reason.

    Takes a model after `restructure_at_size`, which pools the borders of a map as strips.
    """
    graph, rules = Graph(model), {}
    for crop in layers_of(model, layers.Cropping2D):
        relu = graph.producer(crop.input)
        convolution = _wide_convolution(graph, relu)
        if convolution is not None:
            rules[crop.name] = functools.partial(_cropped, convolution, relu, crop, origins)
    return rebuild(model, rules)


def _cropped(convolution, relu, crop, origins, x):
    kernel, bias = kernel_and_bias(convolution)
    x = renamed(crop, f"{crop.name}_before")(_source(x))
    x = convolve(x, convolution, kernel, bias, f"{crop.name}_conv")
    origins[crop.name] = relu.name
    return renamed(relu, crop.name)(x)
