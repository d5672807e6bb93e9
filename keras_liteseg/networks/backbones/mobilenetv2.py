"""MobileNetV2 backbone of width 1.0: inverted residuals with linear bottlenecks, without the classifier.

Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), arXiv
1801.04381. Layer names follow the code of LiteSeg's authors.
"""

from keras import layers

from keras_liteseg.networks.layers import batch_norm, conv, depthwise_conv, kaiming_normal

STEM_CHANNELS = 32
LAST_CHANNELS = 1280
# Table 2 of the paper: expansion, channels, blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
LOW_LEVEL_STAGE = 1


def mobilenetv2(images):
    """Return the low-level and the high-level feature: 24 channels at stride 4, 1280 channels at stride 32.

    Args:
        images: float tensor (N, height, width, 3). Each stride of 2 takes a length of n to ceil(n / 2).
    """
    x = conv_bn_relu6(images, STEM_CHANNELS, 3, "mobile_features_features_0", 0, strides=2)
    outputs, number = [], 1
    for expansion, channels, blocks, strides in STAGES:
        for block in range(blocks):
            name = f"mobile_features_features_{number}"
            x = inverted_residual(x, channels, 1 if block else strides, expansion, name)
            number += 1
        outputs.append(x)
    x = conv_bn_relu6(x, LAST_CHANNELS, 1, f"mobile_features_features_{number}", 0)
    return outputs[LOW_LEVEL_STAGE], x


def inverted_residual(x, channels, strides, expansion, name):
    """1x1 expansion, depthwise 3x3, linear 1x1 projection; plus `x` where that has the same shape."""
    hidden = expansion * x.shape[-1]
    y, index = x, 0
    if expansion != 1:
        y = conv_bn_relu6(y, hidden, 1, f"{name}_conv", 0)
        index = 3
    y = depthwise_conv(y, 3, f"{name}_conv_{index}", strides=strides, init=_fan_out_normal(3, hidden))
    y = bn_relu6(y, f"{name}_conv", index + 1)
    y = conv(y, channels, 1, f"{name}_conv_{index + 3}", init=_fan_out_normal(1, channels))
    y = batch_norm(y, f"{name}_conv_{index + 4}")
    if strides == 1 and x.shape[-1] == channels:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def conv_bn_relu6(x, filters, kernel_size, name, index, strides=1):
    """Convolution, batch normalization and ReLU6: elements `index` to `index` + 2 of the sequence `name`."""
    x = conv(x, filters, kernel_size, f"{name}_{index}", strides=strides, init=_fan_out_normal(kernel_size, filters))
    return bn_relu6(x, name, index + 1)


def bn_relu6(x, name, index):
    x = batch_norm(x, f"{name}_{index}")
    return layers.ReLU(6.0, name=f"{name}_{index + 1}")(x)


def _fan_out_normal(kernel_size, filters):
    """The authors' initialization, by the fan-out. It counts all filters for depthwise kernels too."""
    return lambda fan_in: kaiming_normal(kernel_size * kernel_size * filters)
