"""Another last upsampling, because full-size logits cost an app time and memory that it may not want to spend."""

import keras

from keras_liteseg.conversion.options import Upsampling
from keras_liteseg.errors import UserError
from keras_liteseg.graph import before_last_resize
from keras_liteseg.networks.layers import BilinearResize

_DIVISORS = {Upsampling.HALF: 2, Upsampling.QUARTER: 4, Upsampling.EIGHTH: 8}


def with_upsampling(model, upsampling):
    """Return a model on the same layers whose output is not upsampled to the input's size.

    Args:
        model: a functional model of static size that ends with a `BilinearResize` of the scores, as all networks do.
        upsampling: an `Upsampling`.

    Raises:
        UserError: `upsampling` is unknown, the scores are already larger than that, or the model ends with something
            else.
    """
    upsampling = Upsampling(upsampling)
    if upsampling == Upsampling.FULL:
        return model
    scores, last = before_last_resize(model)
    if last is None:
        raise UserError(f"'{model.name}' does not end with an upsampling that '{upsampling}' could change; use 'full'.")
    if upsampling == Upsampling.NONE:
        return keras.Model(model.input, scores, name=model.name)
    # Rounded up, so that the corners of 8n + 1 pixels lie on those of the 4n + 1 of their half.
    size = tuple(-(-length // _DIVISORS[upsampling]) for length in model.input.shape[1:3])
    if size[0] < scores.shape[1] or size[1] < scores.shape[2]:
        raise UserError(
            f"'{upsampling}' of the input is {size[0]}x{size[1]}, but the scores of {model.name} are "
            f"{scores.shape[1]}x{scores.shape[2]} before any upsampling; choose a larger one or 'none'."
        )
    resize = BilinearResize(size=size, align_corners=last.align_corners, name=last.name)
    return keras.Model(model.input, resize(scores), name=model.name)
