"""LiteSeg: a light decoder around a deeper atrous spatial pyramid pooling (DASPP), on three backbones.

Taha Emara, Hossam E. Abd El Munim, Hazem M. Abbas: "LiteSeg: A Novel Lightweight ConvNet for Semantic Segmentation"
(DICTA 2019), arXiv 1912.06683.

Deviations
- From the paper, as the authors' code and with it the official weights: the second convolution of a DASPP branch is
  depthwise-separable, where the paper describes a standard one; MobileNetV2's low-level feature is used as it is, where
  the paper reduces its depth.
- From the published sizes: the 4.38 and 3.51 million parameters of the MobileNetV2 and ShuffleNet variants include an
  ImageNet classifier that segmentation never uses. It is not built here, which leaves 3.10 and 1.97 million.
- From the authors' code: biases start at zero, where PyTorch draws them at random.
"""

import keras
from keras import layers

from keras_liteseg.networks.backbones.darknet19 import darknet19
from keras_liteseg.networks.backbones.mobilenetv2 import mobilenetv2
from keras_liteseg.networks.backbones.shufflenet import shufflenet
from keras_liteseg.networks.layers import (
    BilinearResize,
    batch_norm,
    conv,
    depthwise_conv,
    fan_in_uniform,
    kaiming_normal,
)
from keras_liteseg.networks.registry import IMAGENET_MEAN, IMAGENET_STD, register

WIDTH = 96
DASPP_RATES = (1, 3, 6, 9)


@register("liteseg_mobilenetv2", mean=IMAGENET_MEAN, std=IMAGENET_STD, output_stride=32)
def liteseg_mobilenetv2(input_shape, num_classes, aux_heads):
    """LiteSeg on MobileNetV2. LiteSeg has no auxiliary heads: `aux_heads` changes nothing."""
    return _liteseg("liteseg_mobilenetv2", mobilenetv2, None, input_shape, num_classes)


@register("liteseg_shufflenet", mean=IMAGENET_MEAN, std=IMAGENET_STD, output_stride=32)
def liteseg_shufflenet(input_shape, num_classes, aux_heads):
    """LiteSeg on ShuffleNet. LiteSeg has no auxiliary heads: `aux_heads` changes nothing."""
    return _liteseg("liteseg_shufflenet", shufflenet, 48, input_shape, num_classes)


# Of any other size Darknet19's pooling drops rows or columns before stride 4, where the decoder works.
@register(
    "liteseg_darknet19",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    output_stride=16,
    size_multiple=4,
    aux_size_multiple=4,
    min_length=16,
)
def liteseg_darknet19(input_shape, num_classes, aux_heads):
    """LiteSeg on Darknet19. LiteSeg has no auxiliary heads: `aux_heads` changes nothing."""
    return _liteseg("liteseg_darknet19", darknet19, 32, input_shape, num_classes)


def _liteseg(name, backbone, low_level_width, input_shape, num_classes):
    """Backbone, DASPP, decoder. The low-level feature is reduced to `low_level_width` channels, or kept if None."""
    images = keras.Input(input_shape, name="images")
    low_level, high_level = backbone(images)
    x = daspp(high_level)
    x = BilinearResize(name="conv1_resize")(x, like=low_level)
    if low_level_width is not None:
        low_level = separable_bn(low_level, low_level_width, 1, "conv2", "bn2")
        low_level = layers.ReLU(name="conv2_relu")(low_level)
    x = layers.Concatenate(name="last_conv_concat")([x, low_level])
    x = decoder(x, num_classes)
    # Logits stay float32 under mixed precision: the loss needs the range.
    logits = BilinearResize(name="logits", dtype="float32")(x, like=images)
    return keras.Model(images, logits, name=name)


def daspp(x):
    """Deeper atrous spatial pyramid pooling: `x` itself, four atrous branches and its mean, fused to 96 channels.

    The concatenation of `x` is the paper's short residual connection.
    """
    branches = [daspp_branch(x, rate, f"aspp{index}") for index, rate in enumerate(DASPP_RATES, start=1)]
    # In two steps, because TFLite's XNNPACK delegate concatenates at most five tensors.
    branches = layers.Concatenate(name="aspp_concat")([*branches, pooling_branch(x)])
    x = layers.Concatenate(name="conv1_concat")([x, branches])
    x = separable_bn(x, WIDTH, 1, "conv1", "bn1")
    return layers.ReLU(name="conv1_relu")(x)


def daspp_branch(x, rate, name):
    """Atrous separable 3x3, then separable 3x3; with rate 1 a separable 1x1 alone. The first has no activation."""
    kernel_size = 1 if rate == 1 else 3
    x = separable_bn(x, WIDTH, kernel_size, f"{name}_atrous_convolution", f"{name}_bn", rate, kaiming_normal)
    if rate == 1:
        return x
    x = separable_bn(x, WIDTH, 3, f"{name}_conv1", f"{name}_bn1", init=kaiming_normal)
    return layers.ReLU(name=f"{name}_relu")(x)


def pooling_branch(x):
    """The mean over all positions, 1x1 convolution, and the result at every position."""
    y = layers.GlobalAveragePooling2D(keepdims=True, name="global_avg_pool_0")(x)
    y = conv(y, WIDTH, 1, "global_avg_pool_1", init=fan_in_uniform)
    y = batch_norm(y, "global_avg_pool_2")
    y = layers.ReLU(name="global_avg_pool_3")(y)
    return BilinearResize(name="global_avg_pool_resize")(y, like=x)


def decoder(x, num_classes):
    """Two separable 3x3 convolutions and the 1x1 scores with bias."""
    x = separable_bn(x, WIDTH, 3, "last_conv_0", "last_conv_1")
    x = layers.ReLU(name="last_conv_2")(x)
    x = separable_bn(x, WIDTH, 3, "last_conv_3", "last_conv_4")
    x = layers.ReLU(name="last_conv_5")(x)
    return conv(x, num_classes, 1, "last_conv_6", use_bias=True, init=fan_in_uniform)


def separable_bn(x, filters, kernel_size, name, bn_name, dilation=1, init=fan_in_uniform):
    """Depthwise convolution directly into pointwise 1x1, then batch normalization."""
    x = depthwise_conv(x, kernel_size, f"{name}_conv1", dilation=dilation, init=init)
    x = conv(x, filters, 1, f"{name}_pointwise", init=init)
    return batch_norm(x, bn_name)
