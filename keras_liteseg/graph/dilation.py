"""Dilated depthwise convolutions in the form that the TFLite converter keeps as one operation."""

import keras
from keras import layers

from keras_liteseg.graph.copies import copy_model


@keras.saving.register_keras_serializable("keras_liteseg")
class NativeDepthwiseConv2D(layers.DepthwiseConv2D):
    """Depthwise convolution as TensorFlow's native dilated op.

    Keras's own dilated form is three ops (space to batch, convolution, batch to space), which the converter fuses only
    where no fake quantization stands between and no other convolution shares the first op. The native op has no
    gradient on a CPU, so it is for export only.
    """

    def call(self, inputs):
        import tensorflow as tf

        result = tf.raw_ops.DepthwiseConv2dNative(
            input=inputs,
            filter=self.kernel,
            strides=[1, *self.strides, 1],
            padding=self.padding.upper(),
            dilations=[1, *self.dilation_rate, 1],
        )
        result = result + self.bias if self.use_bias else result
        return result if self.activation is None else self.activation(result)


def native_dilation(model):
    """Return a copy of `model` in which every dilated depthwise convolution is a `NativeDepthwiseConv2D`."""
    return copy_model(model, native_clone)


def native_clone(layer):
    """Return a layer like the given one, without its weights; a `NativeDepthwiseConv2D` for a dilated depthwise
    convolution."""
    native = isinstance(layer, layers.DepthwiseConv2D) and max(layer.dilation_rate) > 1
    return (NativeDepthwiseConv2D if native else type(layer)).from_config(layer.get_config())
