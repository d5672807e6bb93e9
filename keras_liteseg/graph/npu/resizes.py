"""Bilinear resizes as products with fixed matrices."""

import functools
import math

import keras
import numpy as np
from keras import layers

from keras_liteseg.graph.copies import made_from, rebuild
from keras_liteseg.graph.traversal import Graph, first_input, layers_of
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.networks.ops import resize_bilinear

# Bytes: a quarter of the SRAM that `edge.targets.ethos_u` gives a U55. In smaller maps a row is too little work for an
# operation of its own.
_LARGE = 1 << 19


def resizes_as_products(model):
    """Multiply the columns and the rows of an image by fixed matrices in place of resizing it.

    An Ethos-U resizes by a few factors alone, and slowly by 4 and 8. Rows and columns are the channels of a 1x1
    convolution each, between transpositions. The rows of a large result are depthwise convolutions over two rows each:
    they are made in memory where they belong, where a transposition would need the whole map twice.
    """
    graph, rules = Graph(model), {}
    for layer in layers_of(model, BilinearResize):
        given, wanted = first_input(layer).shape[1:3], layer.output.shape[1:3]
        if given == wanted or max(given) == 1:  # a single pixel is only repeated, which an Ethos-U does
            continue
        reader = graph.only_reader(layer)
        if _by_row(layer) and isinstance(reader, layers.Concatenate) and reader.name not in rules:
            place = [id(tensor) for tensor in reader.input].index(id(layer.output))
            rules[reader.name] = functools.partial(_joined_by_row, reader, place)
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


def _joined_by_row(concatenation, place, parts):
    """Concatenate the channels of one row after the other, so that the enlarged image is nowhere but in the result."""
    resize, (x, *_) = made_from(parts[place])
    name, joined = concatenation.name, []
    for number, row in enumerate(_rows(resize, x)):
        others = [
            part if part is parts[place] else row_range(part, number, number + 1, f"{name}_part_{index}_{number}")
            for index, part in enumerate(parts)
        ]
        others[place] = row
        joined.append(layers.Concatenate(name=f"{name}_{number}")(others))
    return layers.Concatenate(axis=1, name=name)(joined)


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
    for number, weights in enumerate(_interpolation(x.shape[1], layer.output.shape[1], layer.align_corners).T):
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
    matrix = _interpolation(x.shape[-1], length, align_corners)
    product = layers.Conv2D(length, 1, use_bias=False, trainable=False, name=name)
    result = product(x)
    product.set_weights([matrix[None, None]])
    return result


def _interpolation(length, wanted, align_corners):
    """Return the matrix (length, wanted) that resizes an axis."""
    image = np.eye(length, dtype=np.float32)[None, ..., None]
    return keras.ops.convert_to_numpy(resize_bilinear(image, (length, wanted), align_corners))[0, ..., 0]


def row_range(x, begin, end, name):
    """Return the rows of `x` from `begin` to before `end`."""
    return layers.Cropping2D(((begin, x.shape[1] - end), (0, 0)), name=name)(x)
