"""What the steps of restructuring share: who makes and reads a tensor, and copies of a model with parts replaced."""

import keras
import numpy as np
from keras import layers

from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, ExclusivePooling2D

# Layers whose output has no negative value where their inputs have none.
_KEEP_SIGN = (
    layers.AveragePooling2D,
    layers.Concatenate,
    layers.Cropping2D,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
    BilinearResize,
    ChannelShuffle,
    ExclusivePooling2D,
)


class Graph:
    """What reads and what makes the tensors of a functional model."""

    def __init__(self, model):
        self._producers = {id(layer.output): layer for layer in model.layers}
        self._outputs = {id(tensor) for tensor in model.outputs}
        self._readers = {}
        for layer in model.layers:
            for tensor in input_tensors(layer):
                self._readers.setdefault(id(tensor), []).append(layer)

    def producer(self, tensor):
        """Return the layer that makes a tensor, or None where a bare operation makes it."""
        return self._producers.get(id(tensor))

    def only_reader(self, layer):
        """Return the one layer that reads the output of `layer`; None where others do, or where it is the model's."""
        readers = self._readers.get(id(layer.output), [])
        return readers[0] if len(readers) == 1 and id(layer.output) not in self._outputs else None

    def leads_only_to(self, first, last):
        """Whether the output of `first` is used on the way to `last` and nowhere else."""
        while first is not last:
            first = self.only_reader(first)
            if first is None:
                return False
        return True

    def is_nonnegative(self, tensor):
        layer = self.producer(tensor)
        if isinstance(layer, layers.ReLU):
            return not layer.negative_slope
        if not isinstance(layer, _KEEP_SIGN):
            return False
        # The second input of a resize only gives the size.
        read = input_tensors(layer)[:1] if isinstance(layer, BilinearResize) else input_tensors(layer)
        return all(map(self.is_nonnegative, read))


def rebuild(model, rules):
    """Return a copy of a model with its weights in which rules[name](inputs) takes the place of calling a layer."""
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


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def input_tensors(layer):
    """Return the input tensors of a layer, as a list."""
    if isinstance(layer, layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]


def made_from(tensor):
    """Return (layer that made a tensor of the graph that is being built, that layer's input tensors)."""
    layer = tensor._keras_history.operation
    return layer, input_tensors(layer)


def renamed(layer, name):
    return type(layer).from_config({**layer.get_config(), "name": name})


def is_dense(layer):
    return isinstance(layer, layers.Conv2D) and layer.groups == 1


def is_pointwise(layer):
    return is_dense(layer) and layer.kernel_size == (1, 1) and layer.strides == (1, 1)


def is_linear(layer):
    return layer.activation is keras.activations.linear


def kernel_and_bias(layer):
    kernel = layer.kernel.numpy()
    outputs = kernel.shape[2] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[3]
    return kernel, layer.bias.numpy() if layer.use_bias else np.zeros(outputs, np.float32)


def convolve(x, layer, kernel, bias, name, **changes):
    """Return the output for `x` of a convolution like `layer` with other weights; `bias` may be None. `changes` are
    arguments of the layer."""
    changes = {"use_bias": bias is not None, "name": name, **changes}
    convolution = type(layer).from_config({**layer.get_config(), **changes})
    result = convolution(x)
    convolution.set_weights([kernel] if bias is None else [kernel, bias])
    return result
