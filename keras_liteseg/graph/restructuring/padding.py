"""Paddings that become part of their convolution, and the first convolution over pairs of pixels."""

import functools
import itertools

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import is_dense, kernel_and_bias
from keras_liteseg.graph.copies import rebuild
from keras_liteseg.graph.traversal import Graph, layers_of


def unshared_pads(model):
    """Give convolutions that pad the same tensor equally paddings that differ where no output reads them.

    The converter merges equal paddings into one, and XNNPACK makes a padding part of a convolution only when no other
    reads it.
    """
    graph = Graph(model)
    taken = {}
    rules = {}
    for pad in layers_of(model, layers.ZeroPadding2D):
        convolution = graph.only_reader(pad)
        if not isinstance(convolution, layers.Conv2D | layers.DepthwiseConv2D) or convolution.padding != "valid":
            continue
        used = taken.setdefault(id(pad.input), set())
        # The given one first; every size that gives as many outputs will do.
        choices = [pad.padding, *itertools.product(*(_equal_paddings(pad, convolution, axis) for axis in (0, 1)))]
        padding = next((choice for choice in choices if choice not in used), pad.padding)
        used.add(padding)
        if padding != pad.padding:
            rules[pad.name] = layers.ZeroPadding2D(padding, name=pad.name)
    return rebuild(model, rules)


def _equal_paddings(pad, convolution, axis):
    """Return the paddings (first, last) of an axis with as many outputs of the convolution as it has."""
    first, last = pad.padding[axis]
    reach = convolution.dilation_rate[axis] * (convolution.kernel_size[axis] - 1) + 1
    unread = (pad.output.shape[1 + axis] - reach) % convolution.strides[axis]
    least = max(last - unread, 0)
    return [(first, end) for end in range(least, last - unread + convolution.strides[axis])]


def paired_pixels(model):
    """Let the first convolution read two neighbouring pixels as one of twice the channels.

    XNNPACK's int8 convolutions take channels eight at a time, so that up to four of a picture leave most of the work
    empty. For int8 alone, as float convolutions get slower, and so no part of `restructure`.
    """
    graph = Graph(model)
    rules = {}
    for pad in layers_of(model, layers.ZeroPadding2D):
        _, height, width, channels = pad.input.shape
        convolution = graph.only_reader(pad)
        if channels > 4 or width % 2 or not is_dense(convolution) or convolution.padding != "valid":
            continue
        form = convolution.kernel_size, convolution.strides, convolution.dilation_rate
        rows, (left, _) = pad.padding
        if form != ((3, 3), (2, 2), (1, 1)) or left != 1:
            continue
        pads = rows, (1, convolution.output.shape[2] - width // 2)
        rules[pad.name] = functools.partial(_padded_pairs, pad.name, (height, width // 2, 2 * channels), pads)
        kernel, bias = kernel_and_bias(convolution)
        # The left one of the first two pixels is not read.
        pairs = np.pad(kernel, ((0, 0), (1, 0), (0, 0), (0, 0))).reshape(3, 2, 2 * channels, -1)
        rules[convolution.name] = functools.partial(_convolve_pairs, convolution, pairs, bias)
    return rebuild(model, rules)


def _padded_pairs(name, shape, padding, x):
    return layers.ZeroPadding2D(padding, name=name)(layers.Reshape(shape, name=f"{name}_pairs")(x))


def _convolve_pairs(layer, kernel, bias, x):
    config = {**layer.get_config(), "kernel_size": (3, 2), "strides": (2, 1), "use_bias": True}
    convolution = type(layer).from_config(config)
    result = convolution(x)
    convolution.set_weights([kernel, bias])
    return result
