"""Bilinear resizes as products with fixed matrices."""

import functools
import math

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import convolve, is_pointwise, kernel_and_bias
from keras_liteseg.graph.copies import made_from, rebuild, renamed
from keras_liteseg.graph.traversal import Graph, first_input, layers_of
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.networks.ops import resize_matrix

# Bytes: a quarter of the SRAM that `edge.targets.ethos_u` gives a U55. In smaller maps a row is too little work for an
# operation of its own.
_LARGE = 1 << 19


def resizes_as_products(model, origins):
    """Multiply the columns and the rows of an image by fixed matrices in place of resizing it.

    An Ethos-U resizes by a few factors alone, and slowly by 4 and 8. Rows and columns are the channels of a 1x1
    convolution each, between transpositions. The rows of a large result are depthwise convolutions over two rows each:
    they are made in memory where they belong, where a transposition would need the whole map twice. And where a large
    result is joined with another map and goes through a separable convolution, as in LiteSeg, it is made and read in
    bands of rows, so that it is never in memory as a whole.
    """
    graph, rules = Graph(model), {}
    for layer in layers_of(model, BilinearResize):
        given, wanted = first_input(layer).shape[1:3], layer.output.shape[1:3]
        if given == wanted or max(given) == 1:  # a single pixel is only repeated, which an Ethos-U does
            continue
        chain = _chain(graph, layer) if _by_row(layer) else None
        if chain and chain[-1].name not in rules:
            rules[chain[-1].name] = functools.partial(_in_bands, layer, chain, origins)
        else:
            rules[layer.name] = functools.partial(_resized, layer)
    return rebuild(model, rules)


def _by_row(layer):
    """Return whether a resize makes a large map of fewer rows."""
    return layer.output.shape[1] > first_input(layer).shape[1] and math.prod(layer.output.shape[1:]) >= _LARGE


def _resized(layer, x, *_, **__):
    height = layer.output.shape[1]
    if _by_row(layer):
        return layers.Concatenate(axis=1, name=layer.name)(_rows(layer, x))
    x = _columns(layer, x)
    if height == x.shape[1]:
        return x
    x = layers.Permute((3, 2, 1), name=f"{layer.name}_rows_last")(x)
    x = _product(x, height, layer.align_corners, f"{layer.name}_rows")
    return layers.Permute((3, 2, 1), name=layer.name)(x)


def _chain(graph, resize):
    """Return the (concatenation of channels, 3x3 depthwise convolution, pointwise convolution, ReLU) that read a
    resize one after the other, and nothing else does; None where others do."""
    chain = [resize]
    for kind in (layers.Concatenate, layers.DepthwiseConv2D, layers.Conv2D, layers.ReLU):
        chain.append(graph.only_reader(chain[-1]))
        if not isinstance(chain[-1], kind):
            return None
    _, concatenation, depthwise, pointwise, relu = chain
    form = depthwise.kernel_size, depthwise.strides, depthwise.dilation_rate, depthwise.padding
    plain = form == ((3, 3), (1, 1), (1, 1), "same") and is_pointwise(pointwise)
    return (concatenation, depthwise, pointwise, relu) if plain and concatenation.axis in (-1, 3) else None


def _in_bands(resize, chain, origins, x):
    """Return what a `_chain` makes of a resize and of what is concatenated with it, a band of rows after the other."""
    concatenation, depthwise, pointwise, relu = chain
    for _ in range(3):
        _, parts = made_from(x)
        x = parts[0]
    (kernel, bias), weights = kernel_and_bias(depthwise), kernel_and_bias(pointwise)
    ends = np.cumsum([part.shape[-1] for part in parts])
    taken = [slice(end - part.shape[-1], end) for part, end in zip(parts, ends)]
    place = [made_from(part)[0].name for part in parts].index(resize.name)
    own = kernel[:, :, taken[place]], bias[taken[place]]
    others = {}
    for index, part in enumerate(parts):
        if index != place:
            name = f"{depthwise.name}_part_{index}"
            others[index] = convolve(part, depthwise, kernel[:, :, taken[index]], bias[taken[index]], name)
            origins[name] = depthwise.name
    rows = _rows(resize, made_from(parts[place])[1][0])
    height, (_, _, width, channels) = len(rows), rows[0].shape
    step, bands = max(_LARGE // 4 // (width * channels), 1), []
    for begin in range(0, height, step):
        end, name = min(begin + step, height), f"_rows_{begin}"
        near = rows[max(begin - 1, 0) : end + 1]
        band = layers.Concatenate(axis=1, name=f"{resize.name}{name}")(near) if len(near) > 1 else near[0]
        pads = (int(begin == 0), int(end == height)), (1, 1)
        band = layers.ZeroPadding2D(pads, name=f"{depthwise.name}_pad{name}")(band)
        band = convolve(band, depthwise, *own, f"{depthwise.name}{name}", padding="valid")
        origins[f"{depthwise.name}{name}"] = depthwise.name
        joined = [
            band if index == place else row_range(others[index], begin, end, f"{concatenation.name}_part_{index}{name}")
            for index in range(len(parts))
        ]
        band = layers.Concatenate(name=f"{concatenation.name}{name}")(joined)
        band = convolve(band, pointwise, *weights, f"{pointwise.name}{name}")
        bands.append(renamed(relu, f"{relu.name}{name}")(band))
        origins[f"{relu.name}{name}"] = relu.name
    return layers.Concatenate(axis=1, name=relu.name)(bands) if len(bands) > 1 else bands[0]


def _columns(layer, x):
    width = layer.output.shape[2]
    if width == x.shape[2]:
        return x
    x = layers.Permute((1, 3, 2), name=f"{layer.name}_columns_last")(x)
    x = _product(x, width, layer.align_corners, f"{layer.name}_columns")
    return layers.Permute((1, 3, 2), name=f"{layer.name}_wide")(x)


def _rows(layer, x):
    """Return the rows of the resized image, each from the two rows of `x` between which it lies."""
    x = _columns(layer, x)
    rows = []
    for number, weights in enumerate(resize_matrix(x.shape[1], layer.output.shape[1], layer.align_corners).T):
        first = min(int(np.flatnonzero(weights)[0]), max(x.shape[1] - 2, 0))
        kernel = np.tile(weights[first : first + 2, None, None, None], (1, 1, x.shape[3], 1))
        pair = row_range(x, first, first + len(kernel), f"{layer.name}_pair_{number}")
        product = layers.DepthwiseConv2D(
            (len(kernel), 1), use_bias=False, trainable=False, name=f"{layer.name}_row_{number}"
        )
        rows.append(product(pair))
        product.set_weights([kernel])
    return rows


def _product(x, length, align_corners, name):
    """Multiply the channels by the matrix that resizes an axis to `length`."""
    matrix = resize_matrix(x.shape[-1], length, align_corners)
    product = layers.Conv2D(length, 1, use_bias=False, trainable=False, name=name)
    result = product(x)
    product.set_weights([matrix[None, None]])
    return result


def row_range(x, begin, end, name):
    """Return the rows of `x` from `begin` to before `end`."""
    return layers.Cropping2D(((begin, x.shape[1] - end), (0, 0)), name=name)(x)
