"""int8 arithmetic simulated in the Keras graph: rounded kernels, fake-quantized activations."""

import keras
import numpy as np
from keras import layers

from keras_liteseg.graph import input_tensors
from keras_liteseg.graph.dilation import native_clone
from keras_liteseg.graph.keras_private import producer_of
from keras_liteseg.quantization.calibration import fused_operations


@keras.saving.register_keras_serializable("keras_liteseg")
class FakeQuantize(layers.Layer):
    """Rounds to 256 steps over [low, high], while `active`; the TFLite converter takes the range from here."""

    def __init__(self, low, high, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high = low, high
        self.active = True

    def call(self, inputs):
        import tensorflow as tf

        if not self.active:
            return inputs

        return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high, num_bits=8)

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}


def simulate_int8(model, ranges, float_layers=()):
    """Return a copy of `model` that computes what its int8 file computes, and that converts to that file.

    Args:
        model: a functional model without batch normalization, of static size.
        ranges: {layer name: (smallest, largest)} for every layer of `quantized_layers(model)`.
        float_layers: names of layers that compute in float, see `floating`.
    """
    ends = fused_operations(model)
    unquantized = {ends[name] for name in float_layers}
    inputs = {}

    def quantize(name, tensor):
        if ends.get(name) != name or name in unquantized:
            return tensor
        return FakeQuantize(*ranges[name], name=f"{name}_int8")(tensor)

    def quantized_input(x):
        # Input layers are not called, so their output is quantized where it is first used.
        if not _is_input(x):
            return x
        if x.name not in inputs:
            inputs[x.name] = quantize(x.name, x)
        return inputs[x.name]

    def call(layer, *args, **kwargs):
        return quantize(layer.name, layer(*map(quantized_input, args), **kwargs))

    copy = keras.models.clone_model(model, clone_function=native_clone, call_function=call)
    set_rounded_weights(copy, model, {layer.name for layer in model.layers} - floating(model, float_layers))
    return copy


def floating(model, float_layers):
    """Return the names of all layers that compute in float when those named do.

    A convolution and its ReLU are one operation. A layer that reads what a float one gives computes in float too, as a
    TFLite operation has either int8 or float inputs; what it gives is quantized again.
    """
    ends = fused_operations(model)
    unquantized = {ends[name] for name in float_layers}
    found, tensors = set(), set()
    for layer in model.layers:
        read = any(id(tensor) in tensors for tensor in input_tensors(layer))
        end = ends.get(layer.name)
        if read or end in unquantized:
            found.add(layer.name)
        # The tensor stays in float: before a fused ReLU, behind an unquantized operation, or where the scale is kept.
        if end in unquantized or (read and end != layer.name):
            tensors.add(id(layer.output))
    return found


def set_rounded_weights(simulated, model, names=None):
    """Give a result of `simulate_int8` the present weights of `model`, the kernels of the layers `names` (None: of all)
    on the int8 grid."""
    for layer in simulated.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            kernel, *bias = model.get_layer(layer.name).get_weights()
            if names is None or layer.name in names:
                kernel = rounded_kernel(kernel, isinstance(layer, layers.DepthwiseConv2D))
            layer.set_weights([kernel, *bias])


def _is_input(tensor):
    return isinstance(tensor, keras.KerasTensor) and isinstance(producer_of(tensor), layers.InputLayer)


def rounded_kernel(kernel, depthwise):
    """Return `kernel` on the int8 grid of TFLite: symmetric, one scale per output channel, largest value at +-127."""
    scale = kernel_scale(kernel, depthwise)
    return (np.rint(kernel / scale) * scale).astype(np.float32)


def kernel_scale(kernel, depthwise):
    """Return the step of TFLite's int8 grid for each output channel of `kernel`, in as many dimensions."""
    axes = (0, 1, 3) if depthwise else (0, 1, 2)
    return np.maximum(np.abs(kernel).max(axis=axes, keepdims=True), 1e-12) / 127
