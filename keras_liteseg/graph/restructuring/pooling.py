"""Pools as operations that XNNPACK takes."""

import functools
import math

import numpy as np
from keras import layers

from keras_liteseg.graph.convolutions import is_dense
from keras_liteseg.graph.copies import rebuild
from keras_liteseg.graph.restructuring.signs import is_nonnegative
from keras_liteseg.graph.traversal import Graph, layers_of
from keras_liteseg.networks.layers import ExclusivePooling2D


def depthwise_average_pools(model):
    """Compute average pools as depthwise convolutions with equal weights; an int8 AVERAGE_POOL_2D leaves XNNPACK."""
    rules = {}
    for layer in layers_of(model, layers.AveragePooling2D):
        if layer.padding == "valid":
            rules[layer.name] = functools.partial(
                _average, window=layer.pool_size, strides=layer.strides, name=layer.name
            )
    return rebuild(model, rules)


def depthwise_exclusive_average_pools(model):
    """Compute average pools in which padding does not count as depthwise convolutions too.

    The outputs at a border are averages of fewer pixels, with a small convolution of their own.
    """
    rules = {}
    for layer in layers_of(model, ExclusivePooling2D):
        # A smaller map has no output that no border touches.
        if layer.kind == "average" and min(layer.input.shape[1:3]) >= 4:
            rules[layer.name] = functools.partial(_exclusive_average, name=layer.name)
    return rebuild(model, rules)


def _average(x, window, strides, name):
    """Return the averages over windows without padding."""
    kernel = np.full((*window, x.shape[-1], 1), 1 / math.prod(window), np.float32)
    layer = layers.DepthwiseConv2D(window, strides=strides, use_bias=False, trainable=False, name=name)
    result = layer(x)
    layer.set_weights([kernel])
    return result


def _exclusive_average(x, name):
    """`ExclusivePooling2D("average")` as depthwise convolutions: the middle, and a strip along each padded border."""
    lines = []
    for vertical, (crop_rows, pad_rows, height) in _exclusive_parts(x.shape[1]).items():
        line = []
        for horizontal, (crop_columns, pad_columns, width) in _exclusive_parts(x.shape[2]).items():
            part, pad = f"{name}_{vertical}_{horizontal}", (pad_rows, pad_columns)
            y = layers.Cropping2D((crop_rows, crop_columns), name=f"{part}_in")(x) if height * width < 9 else x
            y = layers.ZeroPadding2D(pad, name=f"{part}_pad")(y) if max(height, width) == 3 else y
            y = _average(y, (height, width), (2, 2), part)
            # What the padding spoiled; the strips take its place.
            line.append(layers.Cropping2D(pad, name=f"{part}_out")(y) if max(height, width) == 3 else y)
        lines.append(layers.Concatenate(axis=2, name=f"{name}_{vertical}")(line))
    return layers.Concatenate(axis=1, name=name)(lines)


def _exclusive_parts(length):
    """Return {part of an axis: (cropping of the input, padding and then cropping of the output, window)}."""
    parts = {"first": ((0, length - 2), (0, 0), 2), "middle": ((0, 0), (1, length % 2), 3)}
    return parts | ({"last": ((length - 2, 0), (0, 0), 2)} if length % 2 else {})


def unpadded_max_pools(model):
    """Let the convolution before a 3x3 max pool with stride 2 make the row and the column that pad the pool at the end.

    "same" pads odd lengths on both sides, as the pool is meant to, and even lengths at the end only. Only an output
    that is cut off again reads the additional values, and XNNPACK makes the padding of a convolution part of it, where
    the padding of a pool costs a copy.
    """
    graph = Graph(model)
    rules = {}
    for pool in model.layers:
        if isinstance(pool, ExclusivePooling2D) and pool.kind == "max":
            last = pool
        elif _is_padded_max_pool(pool, graph):
            last = graph.producer(pool.input)
        else:
            continue
        source = graph.producer(last.input)
        convolution = graph.producer(source.input) if isinstance(source, layers.ReLU) else source
        pad = graph.producer(convolution.input) if is_dense(convolution) else None
        if not isinstance(pad, layers.ZeroPadding2D) or convolution.padding != "valid":
            continue
        if not graph.leads_only_to(pad, last):
            continue
        more = []
        for axis in (0, 1):
            length, made = pad.output.shape[1 + axis], convolution.output.shape[1 + axis]
            reach = convolution.dilation_rate[axis] * (convolution.kernel_size[axis] - 1) + 1
            needed = made * convolution.strides[axis] + reach - length  # for one output more
            more.append(needed if made % 2 == 0 else 0)
        padding = tuple((start, end + extra) for (start, end), extra in zip(pad.padding, more))
        rules[pad.name] = layers.ZeroPadding2D(padding, name=pad.name)
        if last is not pool:
            rules[last.name] = lambda x: x
        rules[pool.name] = _same_max_pool(pool.name, tuple((0, int(extra > 0)) for extra in more))
    return rebuild(model, rules)


def _is_padded_max_pool(layer, graph):
    if not isinstance(layer, layers.MaxPooling2D) or layer.padding != "valid":
        return False
    pad = graph.producer(layer.input)
    return (
        (layer.pool_size, layer.strides) == ((3, 3), (2, 2))
        and isinstance(pad, layers.ZeroPadding2D)
        and pad.padding == ((1, 1), (1, 1))
        # Padding with zeros is none where nothing is below zero.
        and is_nonnegative(graph, pad.input)
        and graph.only_reader(pad) is layer
    )


def _same_max_pool(name, cropping):
    def call(x):
        if cropping == ((0, 0), (0, 0)):
            return layers.MaxPooling2D(3, 2, "same", name=name)(x)
        return layers.Cropping2D(cropping, name=name)(layers.MaxPooling2D(3, 2, "same", name=f"{name}_same")(x))

    return call
