"""A network with everything that the real ones have, in a hundredth of their time."""

import keras
from keras import layers

from keras_liteseg.networks.layers import BilinearResize, conv, conv_bn_relu


def tiny(input_shape=(16, 24, 3), num_classes=3, aux_heads=False):
    """Return a model with the layers `features_*`, `seg_*` and, with `aux_heads`, `aux_seg_*`."""
    images = keras.Input(input_shape, name="images")
    x = conv_bn_relu(images, 4, 3, "features_conv1", strides=2)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="features_dwconv")(x)
    scores = conv(x, num_classes, 1, "seg_score", use_bias=True)
    outputs = BilinearResize(2, name="logits")(scores)
    if aux_heads:
        aux_scores = conv(x, num_classes, 1, "aux_seg_score", use_bias=True)
        outputs = [outputs, BilinearResize(2, name="aux_logits")(aux_scores)]
    return keras.Model(images, outputs, name="tiny")
