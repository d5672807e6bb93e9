import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.networks.layers import GroupedConv2D
from keras_liteseg.quantization.kernel_rounding import round_kernels
from keras_liteseg.quantization.simulate import kernel_scale, rounded_kernel


@pytest.fixture(scope="module")
def pictures():
    """Smooth ones, whose neighbouring pixels are nearly equal, as in a photograph."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(-3, 3, (4, 2, 3)), rng.uniform(0, 6, (4, 3))
    y, x = np.mgrid[0:1:32j, 0:1:48j]
    return [np.sin(y[..., None] * a + x[..., None] * b + c)[None].astype(np.float32) for (a, b), c in zip(*waves)]


def network(*convolutions, channels=3):
    keras.utils.set_random_seed(0)
    x = images = keras.Input((32, 48, channels))
    for convolution in convolutions:
        x = convolution(x)
    return keras.Model(images, x)


def output_error(model, kernels, pictures):
    """Return the mean square of what `kernels` in place of those of `model` change in its output."""
    other = keras.models.clone_model(model)
    other.set_weights(kernels)
    return np.mean([(model.predict_on_batch(x) - other.predict_on_batch(x)) ** 2 for x in pictures])


@pytest.mark.parametrize(
    "convolution",
    [
        lambda: layers.Conv2D(8, 3, strides=2, padding="same", name="first"),
        lambda: layers.Conv2D(8, 3, dilation_rate=2, padding="same", use_bias=False, name="first"),
        lambda: layers.Conv2D(8, (1, 5), name="first"),
    ],
)
def test_a_first_convolution_is_nearer_than_with_the_nearest_values(convolution, pictures):
    model = network(convolution())
    kernel, *bias = model.get_weights()
    nearest = output_error(model, [rounded_kernel(kernel, depthwise=False), *bias], pictures)
    assert output_error(model, round_kernels(model, pictures).get_weights(), pictures) < 0.25 * nearest


def test_the_kernel_is_on_the_grid_of_the_file_with_its_scale(pictures):
    model = network(layers.Conv2D(8, 3, name="first"))
    kernel, found = (x.get_layer("first").kernel.numpy() for x in (model, round_kernels(model, pictures)))
    np.testing.assert_allclose(rounded_kernel(found, depthwise=False), found, rtol=0, atol=1e-7)
    scale = kernel_scale(kernel, depthwise=False)
    np.testing.assert_allclose(kernel_scale(found, depthwise=False), scale, rtol=1e-6)
    assert np.abs(found - kernel).max() > 0
    assert (np.abs(found - kernel) / scale).max() < 10


def test_later_convolutions_of_few_values_are_rounded_too(pictures):
    model = network(layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(16, 1, name="second"))
    kernel, found = (x.get_layer("second").kernel.numpy() for x in (model, round_kernels(model, pictures)))
    assert np.any(found != kernel)
    np.testing.assert_allclose(rounded_kernel(found, depthwise=False), found, rtol=0, atol=1e-7)


def test_other_convolutions_keep_their_kernels():
    images = [np.random.default_rng(0).uniform(-1, 1, (1, 32, 48, 32)).astype(np.float32)]
    many, depthwise = layers.Conv2D(8, 3, name="many"), layers.DepthwiseConv2D(3, name="depthwise")
    model = network(many, depthwise, GroupedConv2D(8, 1, groups=2, name="grouped"), channels=32)
    for found, expected in zip(round_kernels(model, images).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("level", [0.0, 1.0, 1e4])
def test_inputs_that_do_not_vary_are_no_obstacle(level):
    model = network(layers.Conv2D(8, 3, name="first"), layers.Conv2D(4, 1, name="second"))
    found = round_kernels(model, [np.full((1, 32, 48, 3), level, np.float32)])
    kernel = found.get_layer("first").kernel.numpy()
    np.testing.assert_allclose(rounded_kernel(kernel, depthwise=False), kernel, rtol=0, atol=1e-7)


def test_a_mean_far_above_the_variance_is_no_obstacle(pictures):
    model = network(layers.Conv2D(8, 3, name="first"))
    bright = [1e4 + picture for picture in pictures]
    kernel, *bias = model.get_weights()
    found = round_kernels(model, bright).get_weights()
    # The mean is the bias correction's.
    nearest, found = (output_error(model, [k, *bias], pictures) for k in (rounded_kernel(kernel, False), found[0]))
    assert found < 0.25 * nearest


def test_a_kernel_of_zeros_stays(pictures):
    found = round_kernels(network(layers.Conv2D(8, 3, kernel_initializer="zeros")), pictures)
    np.testing.assert_array_equal(found.layers[1].kernel, 0)
