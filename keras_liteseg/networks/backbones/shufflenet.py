"""ShuffleNet backbone, version 1, width 1x with 8 groups, without the classifier.

Zhang, Zhou, Lin, Sun: "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices" (2018),
arXiv 1707.01083. Layer names follow the code of LiteSeg's authors. As there, and unlike the paper, every convolution
has a bias, and neither batch normalization nor activation follows the first one.
"""

import keras
from keras import layers

from keras_liteseg.networks.layers import ExclusivePooling2D, batch_norm, conv, depthwise_conv, fan_in_uniform

STEM_CHANNELS = 24
GROUPS = 8
# Table 1 of the paper: stage, channels, units.
STAGES = ((2, 384, 4), (3, 768, 8), (4, 1536, 4))


@keras.saving.register_keras_serializable("keras_liteseg")
class ChannelShuffle(layers.Layer):
    """Interleave the channels of `groups` groups: the first channel of every group, then the second of every group, ...

    Zhang et al. (2018), section 3.1.
    """

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, inputs):
        _, height, width, channels = keras.ops.shape(inputs)
        # With the pixels in one axis the rank stays 4, the highest that GPU delegates of TFLite take.
        x = keras.ops.reshape(inputs, (-1, height * width, self.groups, channels // self.groups))
        x = keras.ops.transpose(x, (0, 1, 3, 2))
        return keras.ops.reshape(x, (-1, height, width, channels))

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}


def shufflenet(images):
    """Return the low-level and the high-level feature: 384 channels at stride 8, 1536 channels at stride 32.

    Args:
        images: float tensor (N, height, width, 3). Each stride of 2 takes a length of n to ceil(n / 2).
    """
    x = conv(images, STEM_CHANNELS, 3, "shuffle_features_conv1", strides=2, use_bias=True, init=fan_in_uniform)
    x = ExclusivePooling2D("max", name="shuffle_features_maxpool")(x)
    outputs = []
    for stage, channels, units in STAGES:
        for unit in range(units):
            name = f"shuffle_features_stage{stage}_ShuffleUnit_Stage{stage}_{unit}"
            first = unit == 0
            # The input of stage 2 has too few channels for groups.
            groups = 1 if first and stage == 2 else GROUPS
            x = shuffle_unit(x, channels, name, strides=2 if first else 1, compress_groups=groups)
        outputs.append(x)
    return outputs[0], outputs[-1]


def shuffle_unit(x, channels, name, strides, compress_groups):
    """Unit of figure 2 (b), which adds its input, or with stride 2 of figure 2 (c), which concatenates it, pooled."""
    y = grouped_conv_bn(x, channels // 4, compress_groups, f"{name}_g_conv_1x1_compress")
    y = layers.ReLU(name=f"{name}_g_conv_1x1_compress_relu")(y)
    y = ChannelShuffle(GROUPS, name=f"{name}_shuffle")(y)
    y = depthwise_conv(y, 3, f"{name}_depthwise_conv3x3", strides=strides, use_bias=True, init=fan_in_uniform)
    y = batch_norm(y, f"{name}_bn_after_depthwise")
    if strides == 1:
        y = grouped_conv_bn(y, channels, GROUPS, f"{name}_g_conv_1x1_expand")
        y = layers.Add(name=f"{name}_add")([x, y])
        return layers.ReLU(name=f"{name}_relu")(y)
    y = grouped_conv_bn(y, channels - x.shape[-1], GROUPS, f"{name}_g_conv_1x1_expand")
    # The zeros of the padding count in the average.
    x = layers.ZeroPadding2D(1, name=f"{name}_pool_pad")(x)
    x = layers.AveragePooling2D(3, 2, "valid", name=f"{name}_pool")(x)
    # Before the concatenation, not behind as in the authors' code, because TFLite can fuse it with a convolution only.
    x = layers.ReLU(name=f"{name}_pool_relu")(x)
    y = layers.ReLU(name=f"{name}_relu")(y)
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def grouped_conv_bn(x, filters, groups, name):
    x = conv(x, filters, 1, f"{name}_conv1x1", groups=groups, use_bias=True, init=fan_in_uniform)
    return batch_norm(x, f"{name}_batch_norm")
