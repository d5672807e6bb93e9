"""Blocks shared by the parts of PP-LiteSeg, with the layer names of PaddleSeg's `layer_libs`."""

from keras import layers

from keras_liteseg.networks.layers import batch_norm, conv, depthwise_conv, kaiming_normal


def conv_bn(x, filters, kernel_size, name, use_bias=False):
    """Convolution and batch normalization, the attributes `_conv` and `_batch_norm` of the module `name`."""
    x = conv(x, filters, kernel_size, f"{name}__conv", use_bias=use_bias)
    return batch_norm(x, f"{name}__batch_norm")


def conv_bn_relu(x, filters, kernel_size, name, use_bias=False):
    """PaddleSeg's ConvBNReLU, whose parts have other names than those of `keras_liteseg.networks.layers.conv_bn_relu`
    and whose convolution may have a bias."""
    x = conv_bn(x, filters, kernel_size, name, use_bias)
    return layers.ReLU(name=f"{name}_relu")(x)


def separable_conv_bn_relu(x, filters, kernel_size, name):
    """Depthwise convolution with batch normalization and no activation, then a pointwise one with bias."""
    # Paddle counts all input channels in the fan-in, also those that a depthwise kernel does not see.
    fan_in = kernel_size * kernel_size * x.shape[-1]
    x = depthwise_conv(
        x, kernel_size, f"{name}_depthwise_conv__conv", init=lambda depthwise_fan_in: kaiming_normal(fan_in)
    )
    x = batch_norm(x, f"{name}_depthwise_conv__batch_norm")
    return conv_bn_relu(x, filters, 1, f"{name}_piontwise_conv", use_bias=True)  # the reference's spelling
