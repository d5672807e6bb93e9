"""The graph of a network in a form that an Arm Ethos-U runs whole, and faster, with the same results up to rounding.

What an Ethos-U takes, and how long, is what Vela 5.2, Arm's compiler for it, says; docs/npu.md has the numbers. All
functions take a functional Keras model of static size without batch normalization. So that what they add can have int8
ranges, `origins`, a dict, gets {name of a layer: name of the one whose range its output has, or None for that of its
input}. An added layer that is not in it has the range of its input, as in `keras_liteseg.graph.restructuring`.
"""

from keras_liteseg.graph.npu.dilations import short_dilations
from keras_liteseg.graph.npu.reductions import (
    averages_of_averages,
    channel_maxima_in_blocks,
    channel_means_as_convolutions,
)
from keras_liteseg.graph.npu.resizes import resizes_as_products
from keras_liteseg.graph.npu.wide_maps import cropped_before_pointwise, wide_maps_apart
from keras_liteseg.graph.restructuring import paired_pixels, restructure_at_size

__all__ = ["restructure_for_npu"]


def restructure_for_npu(model):
    """Return (`model` for its image size and an Ethos-U, origins); takes what `restructure_any_size` returns."""
    origins = {}
    model = restructure_at_size(wide_maps_apart(model, origins))
    model = paired_pixels(cropped_before_pointwise(model, origins))
    model = short_dilations(model, origins)
    model = averages_of_averages(resizes_as_products(model, origins))
    return channel_maxima_in_blocks(channel_means_as_convolutions(model), origins), origins
