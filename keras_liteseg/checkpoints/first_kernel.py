"""Weights of a network for RGB as the start of one for images of other channels.

Only the first kernels know of the channels. Where RGB weights come with three input channels and the network has C, the
first three of C >= 3 start from the kernels of red, green and blue, and all others, and those of one and two, from the
mean of the three; all are multiplied by 3 / C. So where all channels are equal, the network gives what the RGB network
gives for grey; for one channel that is the sum over red, green and blue. The mean is that of L. Wang et al., Temporal
Segment Networks (ECCV 2016), section 3.2, for optical flow.
"""

import numpy as np

from keras_liteseg.graph import first_layers

COLORS = 3


def first_kernels(model):
    """Return the kernels (variables) that see the images of a model for other than three channels."""
    if model.input.shape[-1] == COLORS:
        return []
    return [layer.kernel for layer in first_layers(model)]


def adapted(kernel, channels):
    """Return a kernel (height, width, 3, filters) for images of another number of channels, any other as it is."""
    if kernel.shape[2] != COLORS:
        return kernel
    mean = kernel.mean(axis=2, keepdims=True)
    if channels < COLORS:
        parts = [mean.repeat(channels, axis=2)]
    else:
        parts = [kernel, mean.repeat(channels - COLORS, axis=2)]
    return np.concatenate(parts, axis=2) * np.asarray(COLORS / channels, kernel.dtype)
