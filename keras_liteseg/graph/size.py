"""The same network for images of another size."""

import keras

from keras_liteseg.graph.copies import copy_model


def at_size(model, size):
    """Return a float32 copy of a functional model, with its weights, for images of `size` (height, width), which may be
    None.

    Whether the network can take that size is for `check_input_shape` to say.
    """
    images = keras.Input((*size, model.input.shape[-1]), name=model.input.name)

    def clone(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    return copy_model(model, clone, images)
