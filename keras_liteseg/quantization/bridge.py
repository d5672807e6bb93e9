"""A tf_keras twin of a Keras 3 model, because tensorflow-model-optimization (tfmot) takes no other.

Each layer is rebuilt from its configuration as the tf_keras layer of the same name and class, on the same graph, with
the same weights.
"""

import inspect

import keras
import tf_keras

from keras_liteseg.errors import UserError
from keras_liteseg.models.layers import BilinearResize
from keras_liteseg.ops import resize_bilinear


class TwinResize(tf_keras.layers.Layer):
    """`keras_liteseg.models.layers.BilinearResize` to a size known beforehand."""

    def __init__(self, size, align_corners, **kwargs):
        super().__init__(**kwargs)
        self.size, self.align_corners = size, align_corners

    def call(self, inputs):
        return resize_bilinear(inputs, self.size, self.align_corners)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "align_corners": self.align_corners}


def tf_keras_twin(model, wrap=lambda twin, layer: twin, make=tf_keras.Model):
    """Return a `tf_keras.Model` that computes the same as a functional Keras 3 model of static size.

    Args:
        model: the Keras 3 model; its batch size may be None.
        wrap: called as wrap(tf_keras layer, Keras 3 layer) before the layer is used; returns the layer to use.
        make: called as make(input, output) for the result; a subclass of `tf_keras.Model`.

    Raises:
        UserError: a layer has no tf_keras counterpart.
    """
    tensors = {}
    for layer in model.layers:
        twin = _twin_layer(layer)
        if isinstance(layer, keras.layers.InputLayer):
            tensors[id(layer.output)] = twin.output
            continue
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [tensors[id(source)] for source in sources]
        if isinstance(layer, BilinearResize):
            inputs = inputs[:1]  # the second one only gave the size
        twin.build([x.shape for x in inputs] if len(inputs) > 1 else inputs[0].shape)
        if layer.weights:
            twin.set_weights(layer.get_weights())
        tensors[id(layer.output)] = wrap(twin, layer)(inputs if len(inputs) > 1 else inputs[0])
    outputs = [tensors[id(x)] for x in model.outputs]
    return make(tensors[id(model.inputs[0])], outputs[0] if len(outputs) == 1 else outputs)


def _twin_layer(layer):
    config = layer.get_config()
    if isinstance(layer, BilinearResize):
        return TwinResize(size=layer.output.shape[1:3], align_corners=layer.align_corners, name=layer.name)
    name = type(layer).__name__
    kind = getattr(tf_keras.layers, name, None)
    if kind is None:
        raise UserError(f"Layer {layer.name} is a {name}, which tf_keras lacks; quantization-aware training needs it.")
    known = set(inspect.signature(kind.__init__).parameters) | {"name", "trainable"}
    # Initializers and the like are Keras 3 objects; the weights are copied afterwards anyway.
    plain = {
        key: value
        for key, value in config.items()
        if key in known and not key.endswith(("initializer", "regularizer", "constraint")) and key != "dtype"
    }
    if name == "InputLayer":
        plain = {"input_shape": layer.batch_shape[1:], "name": layer.name}
    return kind(**plain)
