"""Layers shared by the networks.

Convolution and batch-normalization layers carry the module path of the reference implementation as their name, with
'_' for '.': that is how `keras_liteseg.checkpoints` finds their weights.
"""

import math

import keras
from keras import layers

from keras_liteseg import ops

# PyTorch's batch-normalization defaults. The epsilon matters: official weights hold running variances below it.
BN_EPSILON = 1e-5
BN_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("keras_liteseg")
class BilinearResize(layers.Layer):
    """Bilinear resize with aligned corners, to `scale` times the input's size or to the size of a second input.

    Args:
        scale: integer factor, or None when the layer is called with `like`.

    Call arguments:
        inputs: float tensor (batch, height, width, channels).
        like: tensor (batch, target height, target width, any); used when `scale` is None.
    """

    def __init__(self, scale=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs, like=None):
        if self.scale is None:
            size = keras.ops.shape(like)[1:3]
        else:
            size = [length * self.scale for length in keras.ops.shape(inputs)[1:3]]
        return ops.resize_bilinear_align_corners(inputs, size)

    def compute_output_shape(self, inputs_shape, like_shape=None):
        if self.scale is None:
            size = like_shape[1:3]
        else:
            size = [None if length is None else length * self.scale for length in inputs_shape[1:3]]
        return (inputs_shape[0], *size, inputs_shape[3])

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def kaiming_normal(fan_in):
    """PyTorch's `kaiming_normal_` with ReLU gain. `fan_in` is explicit because Keras counts it wrongly for
    depthwise kernels (it multiplies by the channels)."""
    return keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / fan_in))


def conv(x, filters, kernel_size, name, strides=1, use_bias=False):
    """Convolution padded by (kernel_size - 1) / 2 on every side, as PyTorch does."""
    x, padding = _pad(x, kernel_size, strides, 1, name)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=kaiming_normal(kernel_size * kernel_size * x.shape[-1]),
        name=name,
    )(x)


def depthwise_conv(x, kernel_size, name, strides=1, dilation=1):
    """Depthwise convolution without bias, padded by dilation * (kernel_size - 1) / 2 on every side."""
    x, padding = _pad(x, kernel_size, strides, dilation, name)
    return layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        dilation_rate=dilation,
        padding=padding,
        use_bias=False,
        depthwise_initializer=kaiming_normal(kernel_size * kernel_size),
        name=name,
    )(x)


def batch_norm(x, name):
    return layers.BatchNormalization(epsilon=BN_EPSILON, momentum=BN_MOMENTUM, name=name)(x)


def max_pool(x, kernel_size, strides, name):
    """Max pooling padded by (kernel_size - 1) / 2 on every side. `x` must not be negative (a ReLU output): the padding
    is zero where PyTorch takes minus infinity."""
    x, padding = _pad(x, kernel_size, strides, 1, name)
    return layers.MaxPooling2D(kernel_size, strides=strides, padding=padding, name=name)(x)


def _pad(x, kernel_size, strides, dilation, name):
    """Return (padded x, Keras padding mode). With stride 1, Keras's 'same' is PyTorch's symmetric padding; above it,
    'same' pads even sizes at the bottom and right only, so pad by hand."""
    margin = dilation * (kernel_size - 1) // 2
    if strides == 1 or margin == 0:
        return x, "same"
    return layers.ZeroPadding2D(margin, name=f"{name}_pad")(x), "valid"
