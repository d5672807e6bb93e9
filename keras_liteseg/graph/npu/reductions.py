"""Means and maxima over channels and windows."""

import functools

import numpy as np
from keras import layers

from keras_liteseg.graph.copies import rebuild, renamed
from keras_liteseg.graph.traversal import Graph, layers_of
from keras_liteseg.networks.sppm import AdaptiveAveragePooling2D
from keras_liteseg.networks.uafm import ChannelReduction

# An Ethos-U works on blocks of 16 channels.
_BLOCK = 16


def channel_means_as_convolutions(model):
    """Take the mean over the channels by a 1x1 convolution with equal weights; an Ethos-U has no MEAN over them."""
    means = [layer for layer in layers_of(model, ChannelReduction) if layer.statistic == "mean"]
    return rebuild(model, {layer.name: functools.partial(_channel_mean, layer.name) for layer in means})


def _channel_mean(name, x):
    mean = layers.Conv2D(1, 1, use_bias=False, trainable=False, name=name)
    result = mean(x)
    mean.set_weights([np.full((1, 1, x.shape[-1], 1), 1 / x.shape[-1], np.float32)])
    return result


def channel_maxima_in_blocks(model, origins):
    """Take the maximum over the blocks of channels by a max pooling, and then the one over the channels of a block.

    An Ethos-U reduces one value per cycle, and pools many. The maximum has the range of what it is taken of: with
    another, all of that would be brought to it first.
    """
    rules = {}
    for layer in layers_of(model, ChannelReduction):
        channels = layer.input.shape[-1]
        if layer.statistic == "max" and channels % _BLOCK == 0 and channels > _BLOCK:
            rules[layer.name] = functools.partial(_channel_maximum, layer.name)
            origins[layer.name] = None
    return rebuild(model, rules)


def _channel_maximum(name, x):
    _, height, width, channels = x.shape
    blocks = channels // _BLOCK
    x = layers.Reshape((height * width, blocks, _BLOCK), name=f"{name}_blocks")(x)
    x = layers.MaxPooling2D((1, blocks), name=f"{name}_pool")(x)
    x = ChannelReduction("max", name=name)(x)
    return layers.Reshape((height, width, 1), name=f"{name}_map")(x)


def averages_of_averages(model):
    """Average the windows of a pyramid pooling over those of its finest one, where they are made of such."""
    graph, rules = Graph(model), {}
    for finest in layers_of(model, AdaptiveAveragePooling2D):
        if any(length % finest.bins for length in finest.input.shape[1:3]):
            continue
        pools = [each for each in graph.readers(finest.input) if isinstance(each, AdaptiveAveragePooling2D)]
        if len(pools) > 1 and all(finest.bins % each.bins == 0 for each in pools):
            average = functools.cache(renamed(finest, finest.name))
            for each in pools:
                rules[each.name] = functools.partial(_average_of, None if each is finest else each, average)
    return rebuild(model, rules)


def _average_of(layer, average, x, **_):
    # Without the arguments of the call, such as `training`: with others, the finest would be made a second time.
    finest = average(x)
    return renamed(layer, layer.name)(finest) if layer else finest
