"""Normalization under which int8 has the values of a picture: those of 8 bits exactly, of 16 bits 256 steps."""

import numpy as np
from keras import layers

from keras_liteseg.errors import UserError
from keras_liteseg.graph import copy_model, first_layers


def byte_input(model, metadata):
    """Return (model, metadata, input range) such that the int8 input is the pixel's value minus a whole number.

    A mean of 0.5 puts every pixel half way between two int8 steps, because zero must be a step (padding needs it): each
    pixel would then be rounded one way or the other by float noise. And one scale must do for all channels. So all get
    one mean, a whole number of the 255 steps, and one deviation; the kernels and biases of the first convolutions make
    up for it, except in the taps over the padding, which stands for a pixel of the mean.

    For other images than 8-bit RGB the 255 steps go from `min` to `max` of the `ImageFormat`: all that a sensor gives.

    Args:
        model: a functional model without batch normalization.
        metadata: the model's `Metadata`.

    Returns:
        (copy of `model`, metadata with the common mean and deviation, (smallest, largest) input).

    Raises:
        UserError: something other than convolutions, paddings and resizes reads the input.
    """
    old_mean, old_std = np.array(metadata.mean), np.array(metadata.std)
    steps = int(255 * old_mean.mean() + 0.5)
    mean, std = steps / 255, float(old_std.mean())
    model = copy_model(model)
    for layer in _first_convolutions(model):
        kernel, bias = layer.get_weights()
        shift = (mean - old_mean) / old_std
        layer.set_weights([kernel * (std / old_std)[:, None], bias + np.einsum("hwio,i->o", kernel, shift)])
    step = 1 / (255 * std)
    metadata = metadata.replace(mean=(mean,) * len(old_mean), std=(std,) * len(old_std))
    return model, metadata, (-steps * step, (255 - steps) * step)


def _first_convolutions(model):
    """Return the convolutions that read the input, padded or resized."""
    found = first_layers(model)
    for layer in found:
        if type(layer) is not layers.Conv2D or not layer.use_bias:
            raise UserError(f"'{model.name}' does not begin with convolutions, which int8 pictures need.")
    return found
