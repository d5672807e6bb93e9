"""Quantization-aware model: the tf_keras twin with tfmot's wrappers around every layer that int8 touches.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018),
section 3. Unlike tfmot's default scheme: batch normalization is folded beforehand, so that training sees the very
kernels of the int8 file; depthwise kernels have one scale per channel, as TFLite has, where tfmot's default has one in
all; activation ranges come from calibration, where tfmot's start at [-6, 6] and crawl.
"""

import tensorflow as tf
import tensorflow_model_optimization as tfmot
from keras import layers

from keras_liteseg.quantization.calibration import quantized_layers
from keras_liteseg.quantization.tf_keras_twin import tf_keras_twin


def quantization_aware_twin(model, ranges, make):
    """Return (trainable tf_keras twin of `model` that rounds as int8 does, {layer name: [kernel, bias] variables}).

    Args:
        model: a functional Keras 3 model without batch normalization, of static size.
        ranges: {layer name: (smallest, largest)} of `quantized_layers(model)`; they stay as they are.
        make: see `tf_keras_twin`.
    """
    quantized = {layer.name for layer in quantized_layers(model)}
    variables = {}

    def wrap(twin, layer):
        has_kernel = isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
        if has_kernel:
            # The wrapper replaces the twin's attributes by rounded tensors, so keep the variables themselves.
            variables[layer.name] = list(twin.weights)
        if not has_kernel and layer.name not in quantized:
            return twin
        config = Int8Config(ranges[layer.name] if layer.name in quantized else None)
        return tfmot.quantization.keras.QuantizeWrapperV2(twin, config)

    return tf_keras_twin(model, wrap, make), variables


class Int8Config(tfmot.quantization.keras.QuantizeConfig):
    """Kernels per output channel; the output over `output_range`, or not at all when that is None."""

    def __init__(self, output_range):
        self.output_range = output_range

    def get_weights_and_quantizers(self, layer):
        if not layer.trainable:
            # The wrapper would train the kernel. That of an average is on the grid anyway.
            return []
        if hasattr(layer, "depthwise_kernel"):
            return [(layer.depthwise_kernel, ChannelQuantizer(depthwise=True))]
        if hasattr(layer, "kernel"):
            return [(layer.kernel, ChannelQuantizer(depthwise=False))]
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        if quantize_weights:
            setattr(layer, "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel", quantize_weights[0])

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [] if self.output_range is None else [RangeQuantizer(*self.output_range)]

    def get_config(self):
        return {"output_range": self.output_range}


class ChannelQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Symmetric 8 bits per output channel, the largest value at +-127, following the kernel as it is trained."""

    def __init__(self, depthwise):
        self.depthwise = depthwise

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        kernel = tf.squeeze(inputs, -1) if self.depthwise else inputs
        kernel = _round_per_channel(kernel)
        return tf.expand_dims(kernel, -1) if self.depthwise else kernel

    def get_config(self):
        return {"depthwise": self.depthwise}


@tf.custom_gradient
def _round_per_channel(kernel):
    """Return a kernel (..., channels) in steps of a 127th of the largest value of each channel, and its gradient, which
    is passed on as it is because no value is clipped.

    TensorFlow's `fake_quant_with_min_max_vars_per_channel` gives the same, goes from channel to channel and seeks the
    gradients of the ranges too: it took up to twenty times as long, a fifth of a step of PP-LiteSeg-T.
    """
    largest = tf.reduce_max(tf.abs(kernel), axis=list(range(len(kernel.shape) - 1)))
    step = tf.maximum(largest, 1e-12) / 127
    return tf.floor(kernel * (1 / step) + 0.5) * step, lambda upstream: upstream


class RangeQuantizer(tfmot.quantization.keras.quantizers.Quantizer):
    """Asymmetric 8 bits over a fixed range."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def build(self, tensor_shape, name, layer):
        return {}

    def __call__(self, inputs, training, weights, **kwargs):
        return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high, num_bits=8)

    def get_config(self):
        return {"low": self.low, "high": self.high}
