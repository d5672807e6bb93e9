"""Loss and gradient as NumPy arrays, on whichever Keras backend the tests run."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def loss_and_gradient(loss, truth, logits, compiled=False):
    """Return (loss, gradient with respect to `logits`, float32), computed as a graph when `compiled`."""
    if BACKEND == "tensorflow":
        return _tensorflow(loss, truth, logits, compiled)
    if BACKEND == "jax":
        return _jax(loss, truth, logits, compiled)
    return _torch(loss, truth, logits)


def _tensorflow(loss, truth, logits, compiled):
    import tensorflow as tf

    def run(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(truth, logits)
        return value, tape.gradient(value, logits)

    if compiled:
        run = tf.function(run, input_signature=[tf.TensorSpec([None, None, None, logits.shape[-1]], logits.dtype)])
    value, gradient = run(tf.constant(logits))
    return value.numpy(), gradient.numpy().astype(np.float32)


def _jax(loss, truth, logits, compiled):
    import jax

    run = jax.value_and_grad(lambda logits: loss(truth, logits))
    value, gradient = (jax.jit(run) if compiled else run)(jax.numpy.asarray(logits))
    return np.asarray(value), np.asarray(gradient).astype(np.float32)


def _torch(loss, truth, logits):
    import torch

    logits = torch.tensor(logits, requires_grad=True)
    value = loss(truth, logits)
    value.backward()
    return value.detach().numpy(), logits.grad.numpy().astype(np.float32)
