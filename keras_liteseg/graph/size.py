"""The same network for images of another size."""

import keras

from keras_liteseg.errors import UserError
from keras_liteseg.graph.copies import copy_model
from keras_liteseg.graph.stock import is_stock


def at_size(model, size):
    """Return a float32 copy of a functional model, with its weights, for images of `size` (height, width), which may be
    None.

    Whether the network can take that size is for `check_input_shape` to say.

    Raises:
        UserError: the model was made by `stock_layers` for another size.
    """
    own = model.input.shape[1:3]
    if is_stock(model) and tuple(size) != tuple(own):
        raise UserError(
            f"This '{model.name}' was exported for Keras alone, at {own[0]}x{own[1]} and no other size; take the "
            ".keras file that it was made from."
        )
    images = keras.Input((*size, model.input.shape[-1]), name=model.input.name)

    def clone(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    return copy_model(model, clone, images)
