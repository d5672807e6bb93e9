"""Copies of a model, whole and with parts replaced."""

import keras

from keras_liteseg.graph.keras_private import producer_of
from keras_liteseg.graph.traversal import input_tensors


def copy_model(model, clone=None, images=None):
    """Return a copy of a functional model with weights of its own, equal to the model's.

    Args:
        model: the model.
        clone: function from a layer to the one that takes its place, which has the same weights; a layer of the same
            class and configuration when None.
        images: symbolic tensor for the copy's input; one like the model's when None.
    """
    copy = keras.models.clone_model(model, input_tensors=images, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def rebuild(model, rules):
    """Return a copy of a model with its weights in which rules[name](inputs) takes the place of calling a layer.

    A rule may name its layers as those that it replaces. The model itself is returned where there are no rules.
    """
    if not rules:
        return model

    def call(layer, *args, **kwargs):
        return rules.get(layer.name, layer)(*args, **kwargs)

    copy = keras.models.clone_model(model, call_function=call)
    names = {layer.name for layer in model.layers} - set(rules)
    for layer in copy.layers:
        if layer.weights and layer.name in names:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy


def made_from(tensor):
    """Return (layer that made a tensor of the graph that is being built, that layer's input tensors)."""
    layer = producer_of(tensor)
    return layer, input_tensors(layer)


def renamed(layer, name):
    """Return a layer of the same class and configuration, without the weights, under another name."""
    return type(layer).from_config({**layer.get_config(), "name": name})
