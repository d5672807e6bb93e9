"""Normalization under which the 8-bit values of a picture are int8 values exactly."""

import numpy as np
from keras import layers

from keras_liteseg.errors import UserError
from keras_liteseg.graph import copy_model, first_input
from keras_liteseg.networks.layers import BilinearResize


def byte_input(model, metadata):
    """Return (model, metadata, input range) such that the int8 input is the pixel's value minus a whole number.

    A mean of 0.5 puts every pixel half way between two int8 steps, because zero must be a step (padding needs it): each
    pixel would then be rounded one way or the other by float noise. And one scale must do for all channels. So all get
    one mean, a whole number of the 255 steps, and one deviation; the kernels and biases of the first convolutions make
    up for it, except in the taps over the padding, which stands for a pixel of the mean.

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
    metadata = metadata.replace(mean=(mean,) * 3, std=(std,) * 3)
    return model, metadata, (-steps * step, (255 - steps) * step)


def _first_convolutions(model):
    """Return the convolutions that read the input, padded or resized."""
    inputs, found = {id(model.input)}, []
    for layer in model.layers[1:]:
        if id(first_input(layer)) not in inputs:
            continue
        if isinstance(layer, layers.ZeroPadding2D | BilinearResize):
            inputs.add(id(layer.output))
        elif type(layer) is layers.Conv2D and layer.use_bias:
            found.append(layer)
        else:
            raise UserError(f"'{model.name}' does not begin with convolutions, which int8 pictures need.")
    return found
