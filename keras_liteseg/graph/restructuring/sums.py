"""Sums and concatenations in the form that XNNPACK takes."""

import functools
import itertools

from keras import layers

from keras_liteseg.graph.copies import made_from, rebuild, renamed
from keras_liteseg.graph.restructuring.signs import is_nonnegative
from keras_liteseg.graph.traversal import Graph, layers_of

# More inputs of a concatenation leave XNNPACK.
_MOST_CONCATENATED = 5


def two_input_sums(model):
    """Sum two tensors at a time: a layer that adds three has a sum inside that gets no int8 scale."""
    sums = [layer.name for layer in layers_of(model, layers.Add) if len(layer.input) > 2]
    return rebuild(model, {name: functools.partial(add_in_pairs, name=name) for name in sums})


def add_in_pairs(terms, name):
    total = terms[0]
    for index, term in enumerate(terms[1:], start=2):
        total = layers.Add(name=name if index == len(terms) else f"{name}_{index}")([total, term])
    return total


def short_concatenations(model):
    """Concatenate at most five tensors at a time; XNNPACK takes no more."""
    long = [layer for layer in layers_of(model, layers.Concatenate) if len(layer.input) > _MOST_CONCATENATED]
    return rebuild(model, {layer.name: functools.partial(_concatenate, layer) for layer in long})


def _concatenate(layer, parts):
    for index in itertools.count():
        if len(parts) <= _MOST_CONCATENATED:
            return renamed(layer, layer.name)(parts)
        first = renamed(layer, f"{layer.name}_{index}")(parts[:_MOST_CONCATENATED])
        parts = [first, *parts[_MOST_CONCATENATED:]]


def relu_before_concatenation(model):
    """Move a ReLU from behind a concatenation into its branches, where it becomes part of a convolution, or goes away
    where the branch has no negative value. An int8 RELU of its own leaves XNNPACK."""
    graph = Graph(model)

    def rule(relu, concatenation):
        is_identity = relu.max_value is None and not relu.threshold
        keep = [is_identity and is_nonnegative(graph, tensor) for tensor in concatenation.input]

        def call(concatenated):
            _, branches = made_from(concatenated)
            branches = [
                branch if keep[index] else renamed(relu, f"{relu.name}_{index}")(branch)
                for index, branch in enumerate(branches)
            ]
            return layers.Concatenate(axis=concatenation.axis, name=relu.name)(branches)

        return call

    rules = {}
    for relu in layers_of(model, layers.ReLU):
        source = graph.producer(relu.input)
        if isinstance(source, layers.Concatenate) and graph.only_reader(source) is relu:
            rules[relu.name] = rule(relu, source)
    return rebuild(model, rules)
