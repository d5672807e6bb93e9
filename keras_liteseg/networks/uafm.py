"""Unified attention fusion module of PP-LiteSeg (arXiv 2204.02681, section 3.2), in all forms of PaddleSeg."""

import dataclasses
from collections.abc import Callable

import keras
from keras import layers, ops

from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.networks.paddle_layers import conv_bn, conv_bn_relu, separable_conv_bn_relu


def uafm(low, high, filters, fusion, name):
    """Fuse a detailed map with a semantic one: attention a decides between them at every pixel or in every channel.

    Args:
        low: detailed map, float tensor (N, height, width, any).
        high: semantic map, float tensor (N, at most height, at most width, channels).
        filters: channels of the result.
        fusion: a name of `FUSIONS`.
        name: prefix of the layers.

    Returns:
        A tensor (N, height, width, filters).
    """
    form = FUSIONS[fusion]
    block = separable_conv_bn_relu if form.separable else conv_bn_relu
    low = block(low, high.shape[-1], 3, f"{name}_conv_x")
    high = BilinearResize(align_corners=False, name=f"{name}_resize")(high, like=low)
    if form.attention:
        attention = form.attention(low, high, form.statistics, f"{name}_conv_xy_atten")
        attention = layers.Activation("sigmoid", name=f"{name}_sigmoid")(attention)
        rest = Complement(form.stored_scale, name=name)(attention)
        low = layers.Multiply(name=f"{name}_multiply_low")([low, attention])
        high = layers.Multiply(name=f"{name}_multiply_high")([high, rest])
    x = layers.Add(name=f"{name}_add")([low, high])
    return block(x, filters, 3, f"{name}_conv_out")


def spatial_attention(low, high, statistics, name):
    """Return a map (N, height, width, 1), before the sigmoid, from statistics over the channels of both inputs."""
    maps = [
        ChannelReduction(statistic, name=f"{name}_{which}_{statistic}")(x)
        for which, x in (("low", low), ("high", high))
        for statistic in statistics
    ]
    x = layers.Concatenate(name=f"{name}_concat")(maps)
    x = conv_bn_relu(x, 2, 3, f"{name}_0")
    return conv_bn(x, 1, 3, f"{name}_1")


def channel_attention(low, high, statistics, name):
    """Return values (N, 1, 1, channels), before the sigmoid, from statistics over the pixels of both inputs."""
    pools = {"mean": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
    values = [
        pools[statistic](keepdims=True, name=f"{name}_{which}_{statistic}")(x)
        for statistic in statistics
        for which, x in (("low", low), ("high", high))
    ]
    channels = high.shape[-1]
    x = layers.Concatenate(name=f"{name}_concat")(values)
    x = conv_bn(x, channels // 2, 1, f"{name}_0")
    x = layers.LeakyReLU(negative_slope=0.01, name=f"{name}_0_leaky_relu")(x)
    return conv_bn(x, channels, 1, f"{name}_1")


@dataclasses.dataclass(frozen=True)
class Fusion:
    """A form of the module.

    Attributes:
        attention: `spatial_attention`, `channel_attention`, or None: both maps count alike.
        statistics: what the attention sees of both maps.
        separable: whether the two convolutions around the fusion are separable.
        stored_scale: whether the 1 in 1 - a is a value of the checkpoint.
    """

    attention: Callable | None = None
    statistics: tuple = ()
    separable: bool = False
    stored_scale: bool = False


FUSIONS = {
    "UAFM": Fusion(),
    "UAFM_SpAtten": Fusion(spatial_attention, ("mean", "max"), stored_scale=True),
    "UAFM_SpAtten_S": Fusion(spatial_attention, ("mean",)),
    "UAFM_ChAtten": Fusion(channel_attention, ("mean", "max")),
    "UAFM_ChAtten_S": Fusion(channel_attention, ("mean",)),
    "UAFMMobile": Fusion(separable=True),
    "UAFMMobile_SpAtten": Fusion(spatial_attention, ("mean", "max"), separable=True),
}


@keras.saving.register_keras_serializable("keras_liteseg")
class Complement(layers.Layer):
    """1 - input, where the 1 may be a value of the checkpoint, which is never trained.

    Args:
        stored: whether it is: the weight `_scale` of shape (1,).
    """

    def __init__(self, stored=False, **kwargs):
        super().__init__(**kwargs)
        self.stored = stored

    def build(self, inputs_shape):
        if self.stored:
            self.scale = self.add_weight(shape=(1,), initializer="ones", trainable=False, name="_scale")

    def call(self, inputs):
        return (self.scale if self.stored else 1.0) - inputs

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "stored": self.stored}


@keras.saving.register_keras_serializable("keras_liteseg")
class ChannelReduction(layers.Layer):
    """Mean or maximum over the channels, which stay as one.

    Args:
        statistic: "mean" or "max".
    """

    def __init__(self, statistic, **kwargs):
        super().__init__(**kwargs)
        if statistic not in ("mean", "max"):
            raise ValueError(f"statistic is {statistic!r}; it must be 'mean' or 'max'.")
        self.statistic = statistic

    def call(self, inputs):
        reduce = ops.mean if self.statistic == "mean" else ops.max
        return reduce(inputs, axis=-1, keepdims=True)

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], 1)

    def get_config(self):
        return {**super().get_config(), "statistic": self.statistic}
