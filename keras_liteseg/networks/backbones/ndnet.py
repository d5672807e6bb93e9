"""NDNet backbones: narrow and deep residual networks of depthwise-separable 3x3 convolutions.

Yang, Yu, Fu, Sun, Jia, Sun, Mao: "Real time backbone for semantic segmentation" (2019), arXiv 1903.06922.
Layer names follow the authors' code. See `keras_liteseg.networks.ndnet` for how this differs from paper and code.
"""

import dataclasses

from keras import layers

from keras_liteseg.networks.layers import batch_norm, conv, conv_bn_relu, depthwise_conv, max_pool

STEM_CHANNELS = 8
EXPANSION = 4


@dataclasses.dataclass(frozen=True)
class NDNetConfig:
    """Bottleneck widths and numbers of bottlenecks of blocks 3, 4 and 5."""

    widths: tuple
    depths: tuple

    @property
    def channels(self):
        """Output channels of blocks 3, 4 and 5."""
        return tuple(EXPANSION * width for width in self.widths)


# The number in the name counts the convolutions on the main path, a separable one as one.
NDNET29 = NDNetConfig(widths=(24, 48, 96), depths=(3, 8, 3))
NDNET29W = NDNetConfig(widths=(64, 128, 256), depths=(3, 8, 3))
NDNET45 = NDNetConfig(widths=(16, 32, 64), depths=(4, 12, 6))
NDNET61 = NDNetConfig(widths=(12, 24, 48), depths=(6, 16, 8))

# Output stride: (stride of the first bottleneck, dilation of all bottlenecks) for block 4 and for block 5.
STRIDES_AND_DILATIONS = {8: ((1, 2), (1, 4)), 16: ((2, 1), (1, 2)), 32: ((2, 1), (2, 1))}


def ndnet_backbone(images, config, output_stride):
    """Return the outputs of blocks 3, 4 and 5.

    Args:
        images: float tensor (N, height, width, 3).
        config: an `NDNetConfig`.
        output_stride: 8, 16 or 32: input size over the size of block 5.

    Returns:
        Three tensors with `config.channels` channels, at stride 8, at most 16, and `output_stride`.
    """
    block4, block5 = STRIDES_AND_DILATIONS[output_stride]
    x = conv_bn_relu(images, STEM_CHANNELS, 3, "features_conv1", strides=2)
    x = max_pool(x, 3, 2, name="features_pool")
    outputs = []
    for number, width, depth, (strides, dilation) in zip(
        (3, 4, 5), config.widths, config.depths, ((2, 1), block4, block5)
    ):
        for index in range(depth):
            first = index == 0
            x = bottleneck(x, width, strides if first else 1, dilation, first, f"features_block{number}_{index}")
        outputs.append(x)
    return outputs


def bottleneck(x, width, strides, dilation, projection, name):
    """Two separable convolutions, to `width` and then to 4 * `width` channels, around a shortcut."""
    shortcut = x
    if projection:
        shortcut = separable_bn(x, EXPANSION * width, f"{name}_shortcut", strides, dilation)
    x = separable_bn_relu(x, width, f"{name}_conv1", strides, dilation)
    x = separable_bn(x, EXPANSION * width, f"{name}_conv2", dilation=dilation)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def separable_bn(x, filters, name, strides=1, dilation=1):
    """Depthwise 3x3 directly into pointwise 1x1, then batch normalization: nothing between the two convolutions."""
    x = depthwise_conv(x, 3, f"{name}_dwconv", strides=strides, dilation=dilation)
    x = conv(x, filters, 1, f"{name}_pwconv")
    return batch_norm(x, f"{name}_bn")


def separable_bn_relu(x, filters, name, strides=1, dilation=1):
    x = separable_bn(x, filters, name, strides, dilation)
    return layers.ReLU(name=f"{name}_relu")(x)
