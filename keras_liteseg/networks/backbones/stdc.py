"""STDC backbones: short-term dense concatenation.

Fan, Lai, Huang, Wei, Chai, Luo, Wei: "Rethinking BiSeNet For Real-time Semantic Segmentation" (2021), arXiv 2104.13188;
in the form of PaddleSeg, whose layer names these are. It differs from the authors' code in the pooling of the stride-2
modules, which leaves padding out of the average.
"""

import keras
from keras import layers

from keras_liteseg.networks.layers import ExclusivePooling2D, batch_norm, conv_bn_relu, depthwise_conv

# Modules in stages 3, 4 and 5, at strides 8, 16 and 32.
STDC1 = (2, 2, 2)
STDC2 = (4, 5, 3)

STEM_CHANNELS = (32, 64)
STAGE_CHANNELS = (256, 512, 1024)


def stdc_backbone(images, depths):
    """Return the outputs of stages 3, 4 and 5.

    Args:
        images: float tensor (N, height, width, 3).
        depths: `STDC1` or `STDC2`.

    Returns:
        Three tensors with `STAGE_CHANNELS` channels, at strides 8, 16 and 32; every stride 2 rounds odd sizes up.
    """
    x = images
    for index, filters in enumerate(STEM_CHANNELS):
        x = conv_bn_relu(x, filters, 3, f"backbone_features_{index}", strides=2, init=_init)
    outputs = []
    index = len(STEM_CHANNELS)
    for depth, filters in zip(depths, STAGE_CHANNELS):
        for strides in (2, *[1] * (depth - 1)):
            x = stdc_module(x, filters, strides, f"backbone_features_{index}")
            index += 1
        outputs.append(x)
    return outputs


def stdc_module(x, filters, strides, name):
    """Four convolutions in a row, with fewer and fewer channels, all of them concatenated. A stride of 2 follows the
    first: a depthwise convolution on the way to the second, a pooling on the way to the result."""
    x = conv_bn_relu(x, filters // 2, 1, f"{name}_conv_list_0", init=_init)
    branches = [x]
    if strides == 2:
        branches = [ExclusivePooling2D("average", name=f"{name}_skip")(x)]
        x = depthwise_conv(x, 3, f"{name}_avd_layer_0", strides=2, init=_init)
        x = batch_norm(x, f"{name}_avd_layer_1")
    for index, share in enumerate((4, 8, 8), start=1):  # with the first half, `filters` in all
        x = conv_bn_relu(x, filters // share, 3, f"{name}_conv_list_{index}", init=_init)
        branches.append(x)
    return layers.Concatenate(name=f"{name}_concat")(branches)


def _init(fan_in):
    """PaddleSeg's initialization of this backbone, whatever the fan-in."""
    return keras.initializers.RandomNormal(stddev=0.001)
