"""A tf_keras twin of a Keras 3 model, because tensorflow-model-optimization (tfmot) takes no other.

Each layer is rebuilt from its configuration as the tf_keras layer of the same name and class, on the same graph, with
the same weights. Layers of our own that have nothing to train are called as they are.
"""

import inspect

import keras
import tensorflow as tf
import tf_keras

from keras_liteseg.errors import UserError
from keras_liteseg.graph import input_tensors


class TwinCall(tf_keras.layers.Layer):
    """A Keras 3 layer without trained weights, as it is, inside a tf_keras model."""

    def __init__(self, layer):
        super().__init__(name=layer.name, trainable=False)
        # Behind a function, because tf_keras would track the Keras 3 layer as a layer of its own.
        self._call = lambda *inputs: layer(*inputs)

    def call(self, inputs):
        return self._call(*inputs) if isinstance(inputs, list) else self._call(inputs)


class TwinConv2D(tf_keras.layers.Conv2D):
    """Convolution whose bias is added by a sum, and with groups one by one.

    TensorFlow computes the gradients of a kernel and of tf_keras's `bias_add` in one operation, which on a CPU takes
    three times as long as both alone for kernels of 1x1; its grouped convolution has no gradient there.
    """

    def call(self, inputs):
        parts = zip(tf.split(inputs, self.groups, axis=-1), tf.split(self.kernel, self.groups, axis=-1))
        options = dict(strides=self.strides, padding=self.padding.upper(), dilations=self.dilation_rate)
        outputs = tf.concat([tf.nn.conv2d(x, kernel, **options) for x, kernel in parts], axis=-1)
        return self.activation(outputs + self.bias if self.use_bias else outputs)


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
        inputs = [tensors[id(source)] for source in input_tensors(layer)]
        twin.build([x.shape for x in inputs] if len(inputs) > 1 else inputs[0].shape)
        if twin.weights:
            twin.set_weights(layer.get_weights())
        tensors[id(layer.output)] = wrap(twin, layer)(inputs if len(inputs) > 1 else inputs[0])
    outputs = [tensors[id(x)] for x in model.outputs]
    return make(tensors[id(model.inputs[0])], outputs[0] if len(outputs) == 1 else outputs)


def _twin_layer(layer):
    config = layer.get_config()
    name = type(layer).__name__
    kind = TwinConv2D if isinstance(layer, keras.layers.Conv2D) else getattr(tf_keras.layers, name, None)
    if kind is None and not layer.trainable_weights:
        return TwinCall(layer)
    if kind is None:
        raise UserError(f"Layer {layer.name} is a {name}, which tf_keras lacks; quantization-aware training needs it.")
    known = set(inspect.signature(kind.__init__).parameters) | {"name", "trainable"}
    # Initializers and the like are Keras 3 objects; the weights are copied afterwards anyway.
    plain = {
        key: value
        for key, value in config.items()
        if key in known and not key.endswith(("initializer", "regularizer", "constraint")) and key != "dtype"
    }
    if name == "LeakyReLU":
        plain["alpha"] = config["negative_slope"]
    if name == "InputLayer":
        plain = {"input_shape": layer.batch_shape[1:], "name": layer.name}
    return kind(**plain)
