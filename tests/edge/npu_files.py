"""int8 files of a tiny network for NPUs and microcontrollers."""

import keras
import numpy as np

from keras_liteseg.classes import ClassList
from keras_liteseg.conversion.convert import convert
from keras_liteseg.graph import fold_batch_norm, paired_pixels
from keras_liteseg.metadata import Metadata
from keras_liteseg.networks.layers import BilinearResize, conv, conv_bn_relu
from keras_liteseg.quantization.post_training import post_training
from keras_liteseg.quantization.simulate import simulate_int8


def tiny_file(path, size, quantization="int8"):
    """Write a network of three convolutions with random weights, which upsamples with align_corners to `size`, that of
    its images; return the path."""
    keras.utils.set_random_seed(0)
    images = keras.Input((*size, 3), name="images")
    x = conv_bn_relu(images, 4, 3, "conv", strides=2)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="dwconv")(x)
    logits = BilinearResize(name="logits")(conv(x, 3, 1, "score", use_bias=True), like=images)
    return write_file(path, fold_batch_norm(keras.Model(images, logits, name="tiny")), quantization)


def branched_file(path, size=(16, 24), quantization="int8"):
    """Write a network with what the compilers of NPUs stumble over: its first convolution reads pairs of pixels, others
    read a padding, and one result feeds a convolution and, in another scale, a concatenation. Return the path."""
    keras.utils.set_random_seed(0)
    images = keras.Input((*size, 3), name="images")
    x = keras.layers.ZeroPadding2D(((1, 0), (1, 0)), name="first_pad")(images)
    x = keras.layers.ReLU(name="first")(keras.layers.Conv2D(4, 3, strides=2, name="conv")(x))
    y = keras.layers.ZeroPadding2D(((0, 1), (1, 1)), name="pad")(x)
    y = keras.layers.Conv2D(4, (2, 3), kernel_initializer=keras.initializers.RandomNormal(stddev=2.0), name="wide")(y)
    x = keras.layers.Concatenate(name="concat")([x, y])
    model = keras.Model(images, conv(x, 3, 1, "logits", use_bias=True), name="branched")
    return write_file(path, paired_pixels(model) if quantization == "int8" else model, quantization)


def write_file(path, model, quantization):
    size = model.inputs[0].shape[1:3]
    classes = ClassList(("a", "b", "c"), ((0, 0, 0), (9, 9, 9), (99, 99, 99)))
    metadata = Metadata("tiny", "", classes, (0.5,) * 3, (0.5,) * 3)
    metadata = metadata.replace(quantization=quantization, output_type="logits")
    if quantization == "int8":
        rng = np.random.default_rng(0)
        images = [rng.uniform(-1, 1, (1, *size, 3)).astype(np.float32) for _ in range(4)]
        model = simulate_int8(*post_training(model, images)[:2])
    path.write_bytes(convert(model, metadata))
    return path
