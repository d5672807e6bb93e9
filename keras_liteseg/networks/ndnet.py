"""NDNet: narrow and deep networks for real-time segmentation.

Zhengeng Yang, Hongshan Yu, Qiang Fu, Wei Sun, Wenyan Jia, Mingui Sun, Zhi-Hong Mao: "Real time backbone for semantic
segmentation" (2019), arXiv 1903.06922; journal version "NDNet: Narrow While Deep Network for Real-Time Semantic
Segmentation", IEEE Transactions on Intelligent Transportation Systems (2020).

Four backbones with three heads: `ndnet29`, `ndnet29w`, `ndnet45` and `ndnet61` have the encoder-decoder head `ende`;
with `_fcn8` or `_fcn32` appended, the others.

Deviations
- From the paper: none known in the architecture; the stated 14.0 GFLOPs of the encoder-decoder are 13.5 when
  convolutions alone are counted.
- From the authors' code: the model returns logits, where the code returns their log-softmax; the argmax is the same.
  Max pooling pads with zero, where the code pads with minus infinity; its input is a ReLU output, so nothing changes.
  Biases of the scores start at zero, where the code leaves them to PyTorch's default.
- Beyond the authors' code, which has `fcn32` for every backbone, but `ende` and `fcn8` for NDNet45 only: here all
  backbones have all heads, with `fusion` of `ende` and the global context of `fcn8` as wide as block 5 and prediction
  blocks always 64 and 128 wide. The authors published `fcn8` in compiled form alone; it was rebuilt by running that.
"""

import functools

import keras
from keras import layers

from keras_liteseg.networks.backbones.ndnet import (
    NDNET29,
    NDNET29W,
    NDNET45,
    NDNET61,
    ndnet_backbone,
    separable_bn_relu,
)
from keras_liteseg.networks.layers import BilinearResize, conv, conv_bn_relu, depthwise_conv
from keras_liteseg.networks.registry import register

HEAD_WIDTH = 64
AUX_WIDTH = 128


def ndnet_ende(name, config, input_shape, num_classes, aux_heads):
    """Encoder-decoder head, that of the official Cityscapes weights: block 5 (output stride 16) upsampled, concatenated
    with block 3, fused, predicted."""
    images = keras.Input(input_shape, name="images")
    block3, block4, block5 = ndnet_backbone(images, config, output_stride=16)
    x = BilinearResize(name="block5_resize")(block5, like=block3)
    x = layers.Concatenate(name="fusion_concat")([x, block3])
    x = conv_bn_relu(x, config.channels[2], 1, "fusion")
    logits = upsample(predict(x, HEAD_WIDTH, num_classes, "seg"), images, "logits")
    if not aux_heads:
        return keras.Model(images, logits, name=name)
    aux = upsample(predict(block4, AUX_WIDTH, num_classes, "aux_seg"), images, "aux_logits")
    return keras.Model(images, [logits, aux], name=name)


def ndnet_fcn8(name, config, input_shape, num_classes, aux_heads, adaptive_fusion=True, global_context=False):
    """FCN8 head: scores of blocks 3, 4 and 5 (output stride 32), summed at the size of block 3.

    Args:
        adaptive_fusion: whether every class has a learned weight in each of the three score maps.
        global_context: whether the global mean of block 5 is fused into block 5 before its scores.
    """
    images = keras.Input(input_shape, name="images")
    block3, block4, block5 = ndnet_backbone(images, config, output_stride=32)
    x = fuse_global_context(block5) if global_context else block5
    scores8 = predict(block3, HEAD_WIDTH, num_classes, "seg8")
    scores16 = predict(block4, HEAD_WIDTH, num_classes, "seg16")
    scores32 = predict(x, HEAD_WIDTH, num_classes, "seg32")
    scores16 = BilinearResize(name="seg16_resize")(scores16, like=scores8)
    scores32 = BilinearResize(name="seg32_resize")(scores32, like=scores8)
    if adaptive_fusion:
        scores8 = depthwise_conv(scores8, 1, "seg8w")
        scores16 = depthwise_conv(scores16, 1, "seg16w")
        scores32 = depthwise_conv(scores32, 1, "seg32w")
    # Pairs, because a layer that adds three has a sum inside that gets no int8 scale.
    x = layers.Add(name="seg_add16")([scores8, scores16])
    x = layers.Add(name="seg_add32")([x, scores32])
    logits = upsample(x, images, "logits")
    if not aux_heads:
        return keras.Model(images, logits, name=name)
    aux = upsample(predict(block4, AUX_WIDTH, num_classes, "aux_seg"), images, "aux_logits")
    aux1 = upsample(predict(block5, AUX_WIDTH, num_classes, "aux_seg1"), images, "aux_logits1")
    return keras.Model(images, [logits, aux, aux1], name=name)


def ndnet_fcn32(name, config, input_shape, num_classes, aux_heads):
    """FCN32 head: scores of block 5 (output stride 32), upsampled."""
    images = keras.Input(input_shape, name="images")
    _, block4, block5 = ndnet_backbone(images, config, output_stride=32)
    logits = upsample(predict(block5, HEAD_WIDTH, num_classes, "seg"), images, "logits")
    if not aux_heads:
        return keras.Model(images, logits, name=name)
    aux = upsample(predict(block4, AUX_WIDTH, num_classes, "aux_seg"), images, "aux_logits")
    return keras.Model(images, [logits, aux], name=name)


def predict(x, width, num_classes, name):
    """Prediction block: separable convolution to `width`, 1x1 scores with bias, at the size of `x`."""
    x = separable_bn_relu(x, width, f"{name}_transform")
    return conv(x, num_classes, 1, f"{name}_score", use_bias=True)


def upsample(scores, images, name):
    """Scores to logits of the images' size, which stay float32 under mixed precision: the loss needs the range."""
    return BilinearResize(name=name, dtype="float32")(scores, like=images)


def fuse_global_context(x):
    """Concatenate `x` with its global mean and fuse both to the width of `x`."""
    channels = x.shape[-1]
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="global_context_0")(x)
    mean = conv_bn_relu(mean, channels, 1, "global_context_1")
    mean = BilinearResize(name="global_context_resize")(mean, like=x)
    x = layers.Concatenate(name="context_fusion_concat")([x, mean])
    return conv_bn_relu(x, channels, 1, "context_fusion")


def _register(backbone, config):
    """Register a backbone with its three heads, for the sizes at which every map that is upsampled divides the input's
    size exactly, as in the authors' code, and for those at which its corners lie on those of the input (a pixel more).
    """

    def add(head, name, aliases=(), **sizes):
        attributes = dict(mean=(0.5,) * 3, std=(0.5,) * 3, plus_one=True, **sizes)
        register(name, aliases=aliases, **attributes)(functools.partial(head, name, config))

    add(ndnet_ende, backbone, (f"{backbone}_ende",), output_stride=16, size_multiple=8, aux_size_multiple=16)
    add(ndnet_fcn8, f"{backbone}_fcn8", output_stride=32, size_multiple=8, aux_size_multiple=32)
    add(ndnet_fcn32, f"{backbone}_fcn32", output_stride=32, size_multiple=32, aux_size_multiple=32)


_register("ndnet29", NDNET29)
_register("ndnet29w", NDNET29W)
_register("ndnet45", NDNET45)
_register("ndnet61", NDNET61)
