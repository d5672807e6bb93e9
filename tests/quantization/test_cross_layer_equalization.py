import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import GroupedConv2D
from keras_liteseg.quantization.cross_layer_equalization import channel_ranges, equalize

CHANNELS = 8
# Within the largest factor, so that the ranges can become equal.
UNEQUAL = np.geomspace(1, 30, CHANNELS)


def unequal_network(activation, separable=True):
    """Convolution with very unequal channels, activation, and a layer that uses the channels."""
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(CHANNELS, 3, padding="same", name="first")(images)
    x = layers.Activation(activation, name="middle")(x) if activation != "relu" else layers.ReLU(name="middle")(x)
    if separable:
        x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    model = keras.Model(images, layers.Conv2D(4, 1, name="last")(x))
    first = model.get_layer("first")
    # The same kernel in every channel: the factors alone make them unequal.
    kernel = np.repeat(first.kernel.numpy()[..., :1], CHANNELS, -1)
    first.set_weights([kernel * UNEQUAL, 0.1 * UNEQUAL])
    return model


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(2)]


def spread(model, layer, batches):
    ranges = channel_ranges(model, batches)[layer]
    return ranges.max() / ranges.min()


def assert_same_function(found, expected, image):
    expected = expected.predict_on_batch(image)
    np.testing.assert_allclose(found.predict_on_batch(image), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_network_computes_the_same(folded, images):
    equalized = equalize(folded, images)
    assert [layer.name for layer in equalized.layers] == [layer.name for layer in folded.layers]
    for image in images:
        assert_same_function(equalized, folded, image)


def test_network_is_brought_together(folded, calibrated, images):
    before, after = channel_ranges(folded, images), channel_ranges(calibrated[0], images)
    relus = [name for name in before if name.endswith("_relu") and name != "seg_transform_relu"]

    def unequal(ranges):
        return np.mean([ranges[name].max() / ranges[name].mean() for name in relus])

    assert unequal(after) - 1 < 0.5 * (unequal(before) - 1)


def test_channels_before_a_depthwise_convolution_become_equal(batches):
    model = unequal_network("relu")
    equalized = equalize(model, batches)
    assert spread(model, "middle", batches) > 29
    assert spread(equalized, "middle", batches) < 1.001
    assert_same_function(equalized, model, batches[0])


def test_channels_before_a_dense_convolution_share_the_burden_with_its_kernel(batches):
    model = unequal_network("relu", separable=False)
    equalized = equalize(model, batches)
    assert spread(equalized, "middle", batches) < 0.5 * spread(model, "middle", batches)
    assert_same_function(equalized, model, batches[0])


def test_a_factor_has_a_limit(batches):
    model = unequal_network("relu")
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 0] *= 1e-6
    bias[0] *= 1e-6
    model.get_layer("first").set_weights([kernel, bias])
    equalized = equalize(model, batches)
    grown = equalized.get_layer("first").kernel.numpy()[..., 0] / kernel[..., 0]
    np.testing.assert_allclose(grown, 64, rtol=1e-4)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_layer_that_is_not_homogeneous_stays_as_it_is(activation, batches):
    model = unequal_network(activation)
    equalized = equalize(model, batches)
    np.testing.assert_array_equal(equalized.get_layer("first").kernel, model.get_layer("first").kernel)
    assert_same_function(equalized, model, batches[0])


def test_the_model_itself_is_not_changed(batches):
    model = unequal_network("relu")
    before = model.get_weights()
    equalize(model, batches)
    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def grouped_network():
    """A convolution with very unequal channels, a channel shuffle, a grouped convolution, a leaky ReLU."""
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    x = layers.ReLU(name="middle")(layers.Conv2D(CHANNELS, 3, padding="same", name="first")(images))
    x = layers.AveragePooling2D(2)(ChannelShuffle(2, name="shuffle")(x))
    x = GroupedConv2D(6, 1, groups=2, name="grouped")(x)
    x = layers.LeakyReLU(0.1)(x)
    model = keras.Model(images, layers.Conv2D(4, 1, name="last")(x))
    first = model.get_layer("first")
    kernel = np.repeat(first.kernel.numpy()[..., :1], CHANNELS, -1)
    first.set_weights([kernel * UNEQUAL, 0.1 * UNEQUAL])
    return model


def test_groups_shuffles_and_leaky_relus(batches):
    model = grouped_network()
    equalized = equalize(model, batches)
    assert_same_function(equalized, model, batches[0])
    assert spread(equalized, "middle", batches) < 0.5 * spread(model, "middle", batches)


def network_of_relu6(separable):
    model = unequal_network("relu", separable)
    first, middle = model.get_layer("first"), model.get_layer("middle")
    middle.max_value = 6.0
    # The largest channels exceed 6 somewhere, the smallest stay far below.
    first.set_weights([0.5 * first.kernel, 0.1 * UNEQUAL])
    return keras.models.clone_model(model), model.get_weights()


@pytest.mark.parametrize("separable", [True, False])
def test_channels_below_a_relu6_become_equal_and_what_it_cuts_stays_cut(separable, batches):
    model, weights = network_of_relu6(separable)
    model.set_weights(weights)
    before = channel_ranges(model, batches)["middle"]
    assert before.max() == 6 and before.min() < 1
    equalized = equalize(model, batches)
    after = channel_ranges(equalized, batches)["middle"]
    assert after.max() <= 6
    assert after.min() > (5.99 if separable else 2 * before.min())
    for batch in batches:
        assert_same_function(equalized, model, batch)
