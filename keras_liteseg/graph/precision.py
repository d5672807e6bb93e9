"""In which number type the layers of a model compute."""

import contextlib

import keras

from keras_liteseg.graph.size import at_size


@contextlib.contextmanager
def dtype_policy(name):
    """Let the layers made inside have a dtype policy, such as 'mixed_bfloat16', whatever the program has set."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_float32(model):
    """Return a functional model whose layers compute in float32: a copy where some do not, else the model itself."""
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    return at_size(model, model.input.shape[1:3])
