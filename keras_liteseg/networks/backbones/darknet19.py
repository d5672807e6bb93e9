"""Darknet19 backbone at output stride 16, without the classifier.

Redmon, Farhadi: "YOLO9000: Better, Faster, Stronger" (2017), table 6, arXiv 1612.08242. Layer names follow the code of
LiteSeg's authors. So do the paddings, with which the official weights were trained: three 1x1 convolutions pad by 1,
which surrounds their output with a ring of constants, and the three dilated 3x3 convolutions pad by 1 instead of 2,
which takes such a ring away again.
"""

from keras import layers

from keras_liteseg.networks.layers import batch_norm, conv, fan_in_uniform

MOMENTUM = 0.99
SLOPE = 0.1
POOL = "2x2 max pooling"
# Channels, kernel size, padding, dilation of each layer; the change of height and width where there is one. The
# authors' layer 18, a max pooling of 1x1, does nothing and is left out. So is the dilation of 1x1 convolutions.
LAYERS = {
    1: (32, 3, 1, 1),
    2: POOL,
    3: (64, 3, 1, 1),
    4: POOL,
    5: (128, 3, 1, 1),
    6: (64, 1, 0, 1),
    7: (128, 3, 1, 1),
    8: POOL,
    9: (256, 3, 1, 1),
    10: (128, 1, 0, 1),
    11: (256, 3, 1, 1),
    12: POOL,
    13: (512, 3, 1, 1),
    14: (256, 1, 1, 1),  # + 2
    15: (512, 3, 1, 1),
    16: (256, 1, 1, 1),  # + 2
    17: (512, 3, 1, 1),
    19: (1024, 3, 1, 2),  # - 2
    20: (512, 1, 1, 1),  # + 2
    21: (1024, 3, 1, 2),  # - 2
    22: (512, 1, 0, 1),
    23: (1024, 3, 1, 2),  # - 2
}
LOW_LEVEL, HIGH_LEVEL = 7, 23


def darknet19(images):
    """Return the low-level and the high-level feature: 128 channels at stride 4, 1024 channels at stride 16.

    Args:
        images: float tensor (N, height, width, 3); the poolings drop a last odd row or column.
    """
    x, outputs = images, {}
    for number, layer in LAYERS.items():
        name = f"resnet_features_layers_{number}"
        if layer == POOL:
            x = layers.MaxPooling2D(2, name=f"{name}_max")(x)
        else:
            x = conv_bn_leaky_relu(x, *layer, f"{name}_convbatch")
        outputs[number] = x
    return outputs[LOW_LEVEL], outputs[HIGH_LEVEL]


def conv_bn_leaky_relu(x, filters, kernel_size, padding, dilation, name):
    x = conv(x, filters, kernel_size, f"{name}_layers_0", dilation=dilation, padding=padding, init=fan_in_uniform)
    x = batch_norm(x, f"{name}_layers_1", momentum=MOMENTUM)
    return layers.LeakyReLU(negative_slope=SLOPE, name=f"{name}_layers_2")(x)
