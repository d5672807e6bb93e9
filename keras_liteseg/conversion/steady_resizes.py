"""Resizes of integers in a form in which every kernel places the pixels alike."""

import functools

from keras_liteseg.graph.copies import rebuild
from keras_liteseg.graph.traversal import first_input, layers_of
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.tflite.drift import TOLERANCE, drift


def steady_resizes(model):
    """Return a model that gives the same, in which resizes that would drift (see `keras_liteseg.tflite.drift`) go over
    a map in between.

    That map has 2, 4, 8, ... times the distance of the corners: (length - 1) * 2**k + 1. Every pixel of the input is
    one of its pixels, so that interpolating it gives what interpolating the input does, and every kernel fills it
    exactly. From there the step to the wanted size is larger, and what it is rounded by less of it.

    The map has at most half of the output's length along each axis, which keeps its cost within what can be measured.
    Where a drift stays, that is why.

    Args:
        model: a functional model of static size.
    """
    rules = {}
    for layer in layers_of(model, BilinearResize):
        before, after = first_input(layer).shape[1:3], layer.output.shape[1:3]
        between = tuple(between_length(*lengths) for lengths in zip(before, after, strict=True))
        if layer.align_corners and between != tuple(before):
            rules[layer.name] = functools.partial(_in_two_steps, layer, between, after)
    return rebuild(model, rules)


def between_length(length, wanted):
    """Return the length of the map in between along an axis: `length` itself where none is needed, or none helps."""
    choices = [length]
    while length > 1 and (choices[-1] - 1) * 2 + 1 <= wanted // 2:
        choices.append((choices[-1] - 1) * 2 + 1)
    drifts = [drift(choice, wanted) for choice in choices]
    # The smallest that does, not the one that is a little better still and larger.
    enough = max(TOLERANCE, 1.1 * min(drifts))
    return next(choice for choice, found in zip(choices, drifts, strict=True) if found <= enough)


def _in_two_steps(layer, between, after, x, like=None):
    config = {**layer.get_config(), "scale": None}
    # A name as Keras gives the second call of a layer, which is what `TFLiteReport.problems` takes it for.
    first = BilinearResize.from_config({**config, "size": between, "name": f"{layer.name}_1"})
    return BilinearResize.from_config({**config, "size": after})(first(x))
