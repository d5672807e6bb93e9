"""Normalization under which the 8-bit values of a picture are int8 values exactly."""

from keras import layers

from keras_liteseg.errors import UserError


def byte_input(model, metadata):
    """Return (model, metadata, input range) such that the int8 input is the pixel's value minus a whole number.

    A mean of 0.5 puts every pixel half way between two int8 steps, because zero must be a step (padding needs it): each
    pixel would then be rounded one way or the other by float noise. Moving the mean to the next of the 255 steps
    removes that; the bias of the first convolution makes up for it, except in the taps over the padding.

    Args:
        model: a functional model without batch normalization; its first convolution's bias is changed in place.
        metadata: the model's `Metadata`.

    Returns:
        (`model`, metadata with the moved mean, (smallest, largest) input), or what was given and None where the
        channels have means or deviations of their own, so that no one scale fits all.
    """
    if len(set(metadata.mean)) > 1 or len(set(metadata.std)) > 1:
        return model, metadata, None
    mean, std = metadata.mean[0], metadata.std[0]
    steps = int(255 * mean + 0.5)
    shift = (steps / 255 - mean) / std
    first = _first_convolution(model)
    kernel, bias = first.get_weights()
    first.set_weights([kernel, bias + shift * kernel.sum(axis=(0, 1, 2))])
    step = 1 / (255 * std)
    return model, metadata.replace(mean=(steps / 255,) * 3), (-steps * step, (255 - steps) * step)


def _first_convolution(model):
    tensor = model.input
    for layer in model.layers:
        if getattr(layer, "input", None) is tensor and not isinstance(layer, layers.InputLayer):
            if isinstance(layer, layers.Conv2D) and layer.use_bias:
                return layer
            if isinstance(layer, layers.ZeroPadding2D):
                tensor = layer.output
    raise UserError(f"'{model.name}' does not begin with a convolution, which int8 pictures need.")
