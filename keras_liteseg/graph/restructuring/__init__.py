"""The graph of a network in the form that LiteRT's XNNPACK delegate runs fastest, with the same results.

Every function here takes a functional Keras model of static size without batch normalization (see `fold_batch_norm`)
and returns an equal one; outputs differ by float rounding only. A layer whose output tensor is still there keeps its
name. What each is for was found with LiteRT's own profiler.
"""

from keras_liteseg.graph.restructuring.padding import paired_pixels, unshared_pads
from keras_liteseg.graph.restructuring.pointwise import (
    even_groups,
    merge_pointwise,
    merge_shuffles,
    resize_after_pointwise,
)
from keras_liteseg.graph.restructuring.pooling import (
    depthwise_average_pools,
    depthwise_exclusive_average_pools,
    unpadded_max_pools,
)
from keras_liteseg.graph.restructuring.sums import relu_before_concatenation, short_concatenations, two_input_sums

__all__ = ["paired_pixels", "restructure", "restructure_any_size", "restructure_at_size"]


def restructure(model):
    """Return `model` after all steps for a float file: those that help int8 files alike, and `even_groups`.

    `paired_pixels` is for int8 files alone."""
    return even_groups(restructure_at_size(restructure_any_size(model)))


def restructure_any_size(model):
    """Return `model` after the steps whose result can be brought to another image size."""
    return _after(
        model,
        two_input_sums,
        short_concatenations,
        relu_before_concatenation,
        merge_pointwise,
        merge_shuffles,
        resize_after_pointwise,
        depthwise_average_pools,
    )


def restructure_at_size(model):
    """Return `model` after the steps whose result is for its image size alone.

    A layer that these add either gives values of its input, or averages of such, so that it keeps the int8 scale.
    """
    return _after(model, depthwise_exclusive_average_pools, unpadded_max_pools, unshared_pads)


def _after(model, *steps):
    for step in steps:
        model = step(model)
    return model
