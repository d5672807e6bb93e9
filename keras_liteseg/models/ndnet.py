"""NDNet: narrow and deep networks for real-time segmentation.

Zhengeng Yang, Hongshan Yu, Qiang Fu, Wei Sun, Wenyan Jia, Mingui Sun, Zhi-Hong Mao: "Real time backbone for semantic
segmentation" (2019), arXiv 1903.06922; journal version "NDNet: Narrow While Deep Network for Real-Time Semantic
Segmentation", IEEE Transactions on Intelligent Transportation Systems (2020).

Deviations
- From the paper: none known in the architecture; the stated 14.0 GFLOPs of the encoder-decoder are 13.5 when
  convolutions alone are counted.
- From the authors' code: the model returns logits, where the code returns their log-softmax; the argmax is the same.
  Max pooling pads with zero, where the code pads with minus infinity; its input is a ReLU output, so nothing changes.
"""

import keras
from keras import layers

from keras_liteseg.models.backbones.ndnet import NDNET45, conv_bn_relu, ndnet_backbone, separable_bn_relu
from keras_liteseg.models.layers import BilinearResize, conv
from keras_liteseg.models.registry import register

HEAD_WIDTH = 64
AUX_WIDTH = 128


@register("ndnet45", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), size_multiple=8, aux_size_multiple=16)
def ndnet45(input_shape, num_classes, aux_heads):
    """NDNet45 with the encoder-decoder head (`ende`), the network of the official Cityscapes weights."""
    return _ndnet_ende("ndnet45", NDNET45, input_shape, num_classes, aux_heads)


def _ndnet_ende(name, config, input_shape, num_classes, aux_heads):
    """Encoder at output stride 16; decoder: block 5 upsampled, concatenated with block 3, fused, predicted."""
    images = keras.Input(input_shape, name="images")
    block3, block4, block5 = ndnet_backbone(images, config, output_stride=16)

    x = BilinearResize(name="block5_resize")(block5, like=block3)
    x = layers.Concatenate(name="fusion_concat")([x, block3])
    x = conv_bn_relu(x, config.channels[2], 1, "fusion")
    outputs = predict(x, HEAD_WIDTH, num_classes, 8, "seg", "logits")
    if aux_heads:
        outputs = [outputs, predict(block4, AUX_WIDTH, num_classes, 16, "aux_seg", "aux_logits")]
    return keras.Model(images, outputs, name=name)


def predict(x, width, num_classes, scale, name, output_name):
    """Prediction block: separable convolution to `width`, 1x1 scores with bias, upsampling by `scale`."""
    x = separable_bn_relu(x, width, f"{name}_transform")
    x = conv(x, num_classes, 1, f"{name}_score", use_bias=True)
    # Logits stay float32 under mixed precision: the loss needs the range.
    return BilinearResize(scale, name=output_name, dtype="float32")(x)
