"""Running models as training and export do: in a TensorFlow graph."""

import tensorflow as tf


def run(model, *inputs):
    """Call `model` in a graph that knows no more of the sizes than the model: None is known only when it runs."""
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    return tf.function(lambda *x: model(x[0] if len(x) == 1 else list(x)), input_signature=signature)(*inputs)
