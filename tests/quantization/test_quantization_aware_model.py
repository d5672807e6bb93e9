import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from keras import layers

from keras_liteseg.quantization.post_training import post_training
from keras_liteseg.quantization.quantization_aware_model import ChannelQuantizer, quantization_aware_twin
from keras_liteseg.quantization.simulate import FakeQuantize, rounded_kernel, simulate_int8


@pytest.fixture(scope="module")
def small():
    """(Equalized model, ranges, images) of a network with every kind of layer that int8 touches."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 24, 3), name="images")
    x = layers.Conv2D(8, 3, padding="same", bias_initializer="random_normal", name="first")(inputs)
    x = layers.ReLU(name="first_relu")(x)
    y = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, name="pointwise")(y)
    x = layers.ReLU(name="add_relu")(layers.Add(name="add")([x, y]))
    model = keras.Model(inputs, layers.Conv2D(4, 1, name="score")(x))
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (1, 16, 24, 3)).astype(np.float32) for _ in range(3)]
    return *post_training(model, images)[:2], images


def test_twin_computes_what_the_simulation_does(small):
    model, ranges, images = small
    twin, _ = quantization_aware_twin(model, ranges, tf_keras.Model)
    image = np.asarray(FakeQuantize(*ranges["images"])(images[0]))  # the twin takes its input as it comes
    step = (ranges["score"][1] - ranges["score"][0]) / 255
    steps = (twin.predict_on_batch(image) - simulate_int8(model, ranges).predict_on_batch(image)) / step
    # The two sum in different order, so that a value half way between two steps may fall to either side.
    assert np.abs(steps).max() < 1.1 and (np.abs(steps) < 0.1).mean() > 0.99


def test_outputs_take_at_most_256_values(small):
    model, ranges, images = small
    twin, _ = quantization_aware_twin(model, ranges, tf_keras.Model)
    low, high = ranges["score"]
    steps = twin.predict_on_batch(images[0]) / ((high - low) / 255)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-2)
    assert steps.max() - steps.min() <= 255


@pytest.mark.parametrize("shape, depthwise", [((3, 3, 4, 6), False), ((3, 3, 6, 1), True)])
def test_kernels_are_rounded_as_in_the_simulation(shape, depthwise):
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = ChannelQuantizer(depthwise)(tf.constant(kernel), training=True, weights={})
    np.testing.assert_allclose(found, rounded_kernel(kernel, depthwise), atol=1e-6)


def test_variables_are_the_float_weights_and_all_learn(small):
    model, ranges, images = small
    twin, variables = quantization_aware_twin(model, ranges, tf_keras.Model)
    convolutions = [layer for layer in model.layers if layer.weights]
    assert list(variables) == [layer.name for layer in convolutions]
    for layer in convolutions:
        for found, expected in zip(variables[layer.name], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(twin(images[0], training=True)))
    flat = [variable for pair in variables.values() for variable in pair]
    gradients = tape.gradient(loss, flat)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    assert len(twin.trainable_variables) == len(flat)


@pytest.mark.parametrize("depthwise", [False, True])
def test_kernels_are_rounded_as_by_tensorflow_and_pass_their_gradient(depthwise):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, 5, 1 if depthwise else 4)).astype(np.float32)
    channels = kernel[..., 0] if depthwise else kernel
    largest = np.abs(channels).max(axis=tuple(range(channels.ndim - 1)))
    expected = tf.quantization.fake_quant_with_min_max_vars_per_channel(channels, -largest, largest, narrow_range=True)
    variable, upstream = tf.Variable(kernel), rng.normal(size=kernel.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        found = ChannelQuantizer(depthwise)(variable, training=True, weights={})
    np.testing.assert_allclose(np.reshape(found, channels.shape), expected, atol=1e-6)
    np.testing.assert_array_equal(tape.gradient(found, variable, upstream), upstream)
