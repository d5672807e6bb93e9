"""The fused batch normalization has the results of Keras's own."""

import keras
import numpy as np
import pytest

from keras_liteseg.networks.batch_normalization import BatchNormalization

tf = pytest.importorskip("tensorflow")


def stepped(kind, inputs, policy="float32"):
    """Return (outputs, gradients of inputs, gamma and beta, moving mean and variance) after one training step."""
    layer = kind(epsilon=1e-5, momentum=0.8, dtype=policy)
    layer.build(inputs.shape)
    layer.gamma.assign(np.linspace(0.5, 1.5, inputs.shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, inputs.shape[-1]))
    weight = np.random.default_rng(1).normal(size=inputs.shape).astype(np.float32)
    inputs = tf.cast(inputs, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        total = tf.reduce_sum(tf.cast(outputs, tf.float32) * weight)
    gradients = tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])
    values = [outputs, *gradients, layer.moving_mean, layer.moving_variance]
    return [np.asarray(tf.cast(value, tf.float32)) for value in values]


@pytest.mark.parametrize("shape", [(4, 9, 7, 5), (1, 1, 2, 3), (2, 16, 16, 8)])
def test_training_step_equals_keras(shape):
    inputs = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    for ours, keras_own in zip(stepped(BatchNormalization, inputs), stepped(keras.layers.BatchNormalization, inputs)):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-4)


def test_bfloat16_step_is_within_rounding_of_float32():
    inputs = np.random.default_rng(0).normal(3, 2, (4, 16, 16, 8)).astype(np.float32)
    inputs = np.asarray(tf.cast(tf.cast(inputs, tf.bfloat16), tf.float32))
    exact, ours = stepped(BatchNormalization, inputs), stepped(BatchNormalization, inputs, "mixed_bfloat16")
    for value, rounded in zip(exact, ours):
        assert np.abs(value - rounded).max() < 0.01 * np.abs(value).max()


def test_frozen_and_inference_use_the_moving_statistics():
    inputs = np.random.default_rng(0).normal(3, 2, (2, 4, 4, 3)).astype(np.float32)
    layer = BatchNormalization()
    layer.build(inputs.shape)
    expected = layer(inputs, training=False)
    layer.trainable = False
    np.testing.assert_array_equal(layer(inputs, training=True), expected)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


def test_saves_and_loads(tmp_path):
    network = keras.Sequential([keras.Input((4, 4, 3)), BatchNormalization(name="bn")])
    network.save(tmp_path / "bn.keras")
    assert type(keras.saving.load_model(tmp_path / "bn.keras").get_layer("bn")) is BatchNormalization
