"""In which number type the layers of a model compute."""

import contextlib

import keras

from keras_liteseg.graph.size import at_size


@contextlib.contextmanager
def dtype_policy(name):
    """Let the layers made inside have a dtype policy, such as 'mixed_bfloat16', whatever the program or its keras.json
    has set. Inputs and losses, which go by `floatx`, are float32."""
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def in_float32(model):
    """Return a functional model whose layers compute in float32: a copy where some do not, else the model itself."""
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    return at_size(model, model.input.shape[1:3])
