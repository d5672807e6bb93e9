"""Layers shared by the networks.

Layers with weights carry the module path of the reference implementation as their name, with '_' for '.': that is how
`keras_liteseg.checkpoints` finds their weights.
"""

import math

import keras
import numpy as np
from keras import layers

from keras_liteseg.networks import ops
from keras_liteseg.networks.batch_normalization import BatchNormalization

# PyTorch's batch-normalization defaults. The epsilon matters: official weights hold running variances below it.
BN_EPSILON = 1e-5
BN_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("keras_liteseg")
class BilinearResize(layers.Layer):
    """Bilinear resize to `scale` times the input's size, to a fixed `size`, or to the size of a second input.

    Args:
        scale: factor, or None. A length of n becomes int(n * scale).
        align_corners: the convention, see `keras_liteseg.networks.ops.resize_bilinear`.
        size: (height, width), or None. Without both, the layer is called with `like`.

    Call arguments:
        inputs: float tensor (batch, height, width, channels).
        like: tensor (batch, target height, target width, any).
    """

    def __init__(self, scale=None, align_corners=True, size=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.align_corners = align_corners
        self.size = None if size is None else tuple(size)

    def call(self, inputs, like=None):
        if self.size is not None:
            size = self.size
        elif self.scale is None:
            size = keras.ops.shape(like)[1:3]
        else:
            size = [self._scaled(length) for length in keras.ops.shape(inputs)[1:3]]
        return ops.resize_bilinear(inputs, size, self.align_corners)

    def compute_output_shape(self, inputs_shape, like_shape=None):
        if self.size is not None:
            size = self.size
        elif self.scale is None:
            size = like_shape[1:3]
        else:
            size = [None if length is None else self._scaled(length) for length in inputs_shape[1:3]]
        return (inputs_shape[0], *size, inputs_shape[3])

    def _scaled(self, length):
        if isinstance(length, int):
            return int(length * self.scale)
        # A length that TensorFlow knows only when it runs; float64 is what the line above computes in.
        return keras.ops.cast(keras.ops.floor(keras.ops.cast(length, "float64") * self.scale), "int32")

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "align_corners": self.align_corners, "size": self.size}


@keras.saving.register_keras_serializable("keras_liteseg")
class ExclusivePooling2D(layers.Layer):
    """3x3 pooling with stride 2 and one row or column of padding on every side that does not count: the maximum is that
    of the real pixels, the average is divided by their number.

    Args:
        kind: "max" or "average".

    A length of n becomes ceil(n / 2).
    """

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        if kind not in ("max", "average"):
            raise ValueError(f"kind is {kind!r}; it must be 'max' or 'average'.")
        self.kind = kind

    def call(self, inputs):
        # Keras's "same" leaves its padding out as well, but pads even lengths at the end only. With one more row it
        # pads on both sides, and only the last output, which is cut off again, reads that row.
        lengths = keras.ops.shape(inputs)[1:3]
        padded = keras.ops.pad(inputs, [[0, 0], *([0, 1 - length % 2] for length in lengths), [0, 0]])
        pool = keras.ops.max_pool if self.kind == "max" else keras.ops.average_pool
        pooled = pool(padded, 3, 2, "same")
        size = [(length + 1) // 2 for length in lengths]
        # `slice`, because the gradient of indexing takes TensorFlow several times as long.
        batch, channels = keras.ops.shape(pooled)[0], pooled.shape[3]
        return keras.ops.slice(pooled, (0, 0, 0, 0), (batch, *size, channels))

    def compute_output_shape(self, inputs_shape):
        size = [None if length is None else (length + 1) // 2 for length in inputs_shape[1:3]]
        return (inputs_shape[0], *size, inputs_shape[3])

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable("keras_liteseg")
class GroupedConv2D(layers.Conv2D):
    """`keras.layers.Conv2D` with groups, without XLA.

    On the TensorFlow backend Keras compiles every grouped convolution with XLA, which on a CPU takes ten times as long
    as one convolution per group. TensorFlow's own grouped convolution is faster still and stays one op in TFLite, but
    without oneDNN it has no gradient, so training takes the groups one by one.
    """

    def call(self, inputs, training=False):
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        import tensorflow as tf

        def convolve(x, weights):
            return tf.nn.conv2d(x, weights, self.strides, self.padding.upper(), dilations=self.dilation_rate)

        kernel = tf.convert_to_tensor(self.kernel)
        if training:
            groups = zip(tf.split(inputs, self.groups, axis=-1), tf.split(kernel, self.groups, axis=-1))
            outputs = tf.concat([convolve(x, weights) for x, weights in groups], axis=-1)
        else:
            outputs = convolve(inputs, kernel)
        if self.use_bias:
            outputs = outputs + tf.cast(self.bias, outputs.dtype)
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable("keras_liteseg")
class DepthwiseConv2D(layers.DepthwiseConv2D):
    """Keras's layer with the same results; on JAX it is a sum of products with the shifted input.

    XLA fuses that into one pass over memory, forwards and backwards. Of its depthwise convolutions, those for a GPU
    take minutes to choose from before the first step, and those for a CPU are slow.
    """

    def call(self, inputs):
        same = self.padding == "same"
        if keras.backend.backend() != "jax" or self.depth_multiplier > 1 or same and max(self.strides) > 1:
            return super().call(inputs)
        if same:
            total = [(size - 1) * rate for size, rate in zip(self.kernel_size, self.dilation_rate)]
            inputs = keras.ops.pad(inputs, [[0, 0], *([length // 2, length - length // 2] for length in total), [0, 0]])
        kernel = keras.ops.cast(self.kernel[..., 0], "float32")
        outputs = sum(
            keras.ops.cast(inputs[:, self._taken(inputs, 0, row), self._taken(inputs, 1, column)], "float32")
            * kernel[row, column]
            for row in range(self.kernel_size[0])
            for column in range(self.kernel_size[1])
        )
        outputs = keras.ops.cast(outputs, inputs.dtype)
        if self.use_bias:
            outputs = outputs + keras.ops.cast(self.bias, outputs.dtype)
        return outputs if self.activation is None else self.activation(outputs)

    def _taken(self, inputs, axis, index):
        """Return the slice of a padded axis that a place of the kernel is multiplied with."""
        reach, stride = (self.kernel_size[axis] - 1) * self.dilation_rate[axis], self.strides[axis]
        count = (inputs.shape[1 + axis] - reach - 1) // stride + 1
        start = index * self.dilation_rate[axis]
        return slice(start, start + (count - 1) * stride + 1, stride)


def kaiming_normal(fan_in):
    """PyTorch's `kaiming_normal_` with ReLU gain. `fan_in` is explicit because Keras counts it wrongly for
    depthwise kernels (it multiplies by the channels)."""
    return keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / fan_in))


def fan_in_uniform(fan_in):
    """PyTorch's default for convolutions: uniform in +-1 / sqrt(fan_in)."""
    limit = 1.0 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-limit, limit)


def near_identity(fan_in):
    """`fan_in_uniform` around a kernel that passes each channel on, for convolutions with as many channels as before.

    Zagoruyko, Komodakis: "DiracNets: Training Very Deep Neural Networks Without Skip-Connections" (2017), equation 2.
    """
    return NearIdentity(1.0 / math.sqrt(fan_in))


@keras.saving.register_keras_serializable("keras_liteseg")
class NearIdentity(keras.initializers.RandomUniform):
    """The identity, as a kernel (height, width, channels, channels), plus uniform noise in +-limit."""

    def __init__(self, limit, seed=None):
        super().__init__(-limit, limit, seed)

    def __call__(self, shape, dtype=None):
        height, width, channels, filters = shape
        identity = np.zeros(shape)
        identity[height // 2, width // 2] = np.eye(channels, filters)
        return super().__call__(shape, dtype) + keras.ops.cast(identity, dtype or keras.config.floatx())

    def get_config(self):
        return {"limit": self.maxval, "seed": super().get_config()["seed"]}


def conv(
    x, filters, kernel_size, name, strides=1, dilation=1, groups=1, padding=None, use_bias=False, init=kaiming_normal
):
    """Convolution padded with zeros on every side, as PyTorch does.

    Args:
        padding: rows and columns on each side; by default dilation * (kernel_size - 1) / 2, which keeps the size.
        init: function from the fan-in to the kernel's initializer.
    """
    fan_in = kernel_size * kernel_size * x.shape[-1] // groups
    x, mode = _pad(x, kernel_size, strides, dilation, padding, name)
    kind = layers.Conv2D if groups == 1 else GroupedConv2D
    return kind(
        filters,
        kernel_size,
        strides=strides,
        dilation_rate=dilation,
        groups=groups,
        padding=mode,
        use_bias=use_bias,
        kernel_initializer=init(fan_in),
        name=name,
    )(x)


def depthwise_conv(x, kernel_size, name, strides=1, dilation=1, use_bias=False, init=kaiming_normal):
    """Depthwise convolution padded by dilation * (kernel_size - 1) / 2 on every side; `init` as for `conv`."""
    x, mode = _pad(x, kernel_size, strides, dilation, None, name)
    return DepthwiseConv2D(
        kernel_size,
        strides=strides,
        dilation_rate=dilation,
        padding=mode,
        use_bias=use_bias,
        depthwise_initializer=init(kernel_size * kernel_size),
        name=name,
    )(x)


def batch_norm(x, name, momentum=BN_MOMENTUM):
    return BatchNormalization(epsilon=BN_EPSILON, momentum=momentum, name=name)(x)


def conv_bn_relu(x, filters, kernel_size, name, strides=1, init=kaiming_normal):
    """Convolution without bias, batch normalization and ReLU, with `_conv`, `_bn` and `_relu` behind `name`; `init` as
    for `conv`."""
    x = conv(x, filters, kernel_size, f"{name}_conv", strides=strides, init=init)
    x = batch_norm(x, f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def max_pool(x, kernel_size, strides, name):
    """Max pooling padded by (kernel_size - 1) / 2 on every side. `x` must not be negative (a ReLU output): the padding
    is zero where PyTorch takes minus infinity."""
    x, mode = _pad(x, kernel_size, strides, 1, None, name)
    return layers.MaxPooling2D(kernel_size, strides=strides, padding=mode, name=name)(x)


def _pad(x, kernel_size, strides, dilation, padding, name):
    """Return (padded x, Keras padding mode). With stride 1, Keras's 'same' is PyTorch's symmetric padding; above it,
    'same' pads even sizes at the bottom and right only, so pad by hand."""
    same = dilation * (kernel_size - 1) // 2
    padding = same if padding is None else padding
    if padding == same and (strides == 1 or same == 0):
        return x, "same"
    return layers.ZeroPadding2D(padding, name=f"{name}_pad")(x), "valid"
