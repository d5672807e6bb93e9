"""Dilated convolutions that reach about as far as the image."""

import functools

from keras import layers

from keras_liteseg.graph.convolutions import convolve, kernel_and_bias
from keras_liteseg.graph.copies import rebuild
from keras_liteseg.graph.npu.resizes import row_range
from keras_liteseg.graph.restructuring.pointwise import merge_pointwise
from keras_liteseg.graph.traversal import layers_of


def short_dilations(model, origins):
    """Shorten 3x3 depthwise convolutions with a large dilation.

    An Ethos-U dilates by 2 at most and fills wider kernels with zeros, which take as long as other weights: 19 x 19 of
    them at a rate of 9. Where the rate is as large as the image, only the middle of the kernel ever meets it. Where it
    is above half of the image, the rows at the two ends meet each other alone: they are put side by side, and the rows
    between them see the middle row of the kernel.
    """
    rules = {}
    for layer in layers_of(model, layers.DepthwiseConv2D):
        rates, size = layer.dilation_rate, layer.input.shape[1:3]
        if layer.kernel_size != (3, 3) or layer.padding != "same" or layer.strides != (1, 1):
            continue
        if any(rate >= length for rate, length in zip(rates, size)):
            rules[layer.name] = functools.partial(_middle_of_kernel, layer)
        elif 2 * rates[0] > size[0]:
            rules[layer.name] = functools.partial(_rows_in_reach, layer, origins)
    return merge_pointwise(rebuild(model, rules))


def _middle_of_kernel(layer, x):
    """Leave out the weights that never meet the image."""
    kernel, bias = kernel_and_bias(layer)
    reach = [rate < length for rate, length in zip(layer.dilation_rate, x.shape[1:3])]
    rows, columns = (slice(0, 3) if each else slice(1, 2) for each in reach)
    rates = [rate if each else 1 for rate, each in zip(layer.dilation_rate, reach)]
    kernel = kernel[rows, columns]
    return convolve(x, layer, kernel, bias, layer.name, kernel_size=kernel.shape[:2], dilation_rate=rates)


def _rows_in_reach(layer, origins, x):
    """Convolve the rows at both ends, which meet each other alone, apart from those between them."""
    kernel, bias = kernel_and_bias(layer)
    height, (rate, column_rate), name = x.shape[1], layer.dilation_rate, layer.name
    count = height - rate  # as many rows at either end meet each other
    first = row_range(x, 0, count, f"{name}_first")
    last = row_range(x, rate, height, f"{name}_last")
    ends = layers.Concatenate(axis=1, name=f"{name}_ends")([first, last])
    ends = convolve(ends, layer, kernel, bias, f"{name}_ends_conv", dilation_rate=(count, column_rate))
    origins[f"{name}_ends_conv"] = name
    parts = [row_range(ends, 0, count, f"{name}_ends_first"), row_range(ends, count, 2 * count, f"{name}_ends_last")]
    if rate > count:
        between = row_range(x, count, rate, f"{name}_between")
        middle = {"kernel_size": (1, 3), "dilation_rate": (1, column_rate)}
        parts.insert(1, convolve(between, layer, kernel[1:2], bias, f"{name}_between_conv", **middle))
        origins[f"{name}_between_conv"] = name
    return layers.Concatenate(axis=1, name=name)(parts)
