import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, GroupedConv2D
from keras_liteseg.quantization.channel_centering import center_channels
from keras_liteseg.quantization.post_training import post_training

CHANNELS = 6
# Far more than the channels spread, so that each lies on its own side of zero.
FAR = 20.0 * np.array([1, -1, 1, -1, 1, -1])


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(2)]


def network(read):
    """A convolution with channels far from zero, and what `read` makes of its output."""
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(CHANNELS, 3, padding="same", name="first")(images)
    model = keras.Model(images, read(x))
    model.get_layer("first").bias.assign(FAR)
    return model


def middles(model, layer, batches):
    values = np.concatenate([keras.Model(model.input, model.get_layer(layer).output)(batch) for batch in batches])
    return (values.min((0, 1, 2)) + values.max((0, 1, 2))) / 2


def read_by_a_pointwise_convolution(x):
    return layers.Conv2D(4, 1, name="last")(x)


def read_without_padding(x):
    return layers.Conv2D(4, 3, name="last")(layers.DepthwiseConv2D(3, name="depthwise")(x))


def read_without_a_bias(x):
    return layers.Conv2D(4, 1, use_bias=False, name="last")(x)


def read_by_groups_past_a_shuffle(x):
    return GroupedConv2D(4, 1, groups=2, name="last")(ChannelShuffle(2, name="shuffle")(x))


def read_past_a_resize_and_a_concatenation(x):
    other = layers.Conv2D(3, 1, name="other")(x)
    both = layers.Concatenate()([BilinearResize(size=(32, 32))(x), BilinearResize(size=(32, 32))(other)])
    return layers.Conv2D(4, 1, name="last")(both)


def read_past_an_addition(x):
    other = layers.Conv2D(CHANNELS, 1, name="other")(x)
    return layers.Conv2D(4, 1, name="last")(layers.Add(name="sum")([x, other]))


READ = [
    read_by_a_pointwise_convolution,
    read_without_padding,
    read_without_a_bias,
    read_by_groups_past_a_shuffle,
    read_past_a_resize_and_a_concatenation,
    read_past_an_addition,
]


def assert_same_function(found, expected, batches):
    for batch in batches:
        wanted = expected.predict_on_batch(batch)
        np.testing.assert_allclose(found.predict_on_batch(batch), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("read", READ)
def test_channels_are_centered_and_the_network_computes_the_same(read, batches):
    model = network(read)
    centered = center_channels(model, batches)
    assert np.abs(middles(model, "first", batches)).min() > 15
    np.testing.assert_allclose(middles(centered, "first", batches), 0, atol=1e-4)
    assert [layer.name for layer in centered.layers[1:]] == [layer.name for layer in model.layers[1:]]
    assert_same_function(centered, model, batches)


def read_behind_zeros(x):
    return layers.Conv2D(4, 3, padding="same", name="last")(x)


def read_behind_a_padding_layer(x):
    return layers.Conv2D(4, 3, name="last")(layers.ZeroPadding2D()(x))


def read_by_a_relu(x):
    return layers.Conv2D(4, 1, name="last")(layers.ReLU()(x))


def read_by_a_relu_past_an_addition(x):
    return layers.Conv2D(4, 1, name="last")(layers.ReLU()(layers.Add()([x, layers.Conv2D(CHANNELS, 1)(x)])))


def read_twice(x):
    return layers.Concatenate()([layers.Conv2D(4, 1, name="last")(x), layers.ReLU()(x)])


def read_by_nobody(x):
    return BilinearResize(size=(32, 32))(x)


@pytest.mark.parametrize(
    "read",
    [
        read_behind_zeros,
        read_behind_a_padding_layer,
        read_by_a_relu,
        read_by_a_relu_past_an_addition,
        read_twice,
        read_by_nobody,
    ],
)
def test_channels_that_others_read_stay(read, batches):
    model = network(read)
    centered = center_channels(model, batches)
    np.testing.assert_array_equal(centered.get_layer("first").bias, FAR)
    assert_same_function(centered, model, batches)


def test_the_range_of_the_tensor_halves(batches):
    model = network(read_by_a_pointwise_convolution)
    before, after = (post_training(model, batches, cross_layer_equalization=on)[1]["first"] for on in (False, True))
    assert after[1] - after[0] < 0.5 * (before[1] - before[0])


def test_the_model_itself_is_not_changed(batches):
    model = network(read_by_a_pointwise_convolution)
    before = model.get_weights()
    center_channels(model, batches)
    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_real_network(folded, images):
    """The depthwise convolutions of NDNet, whose output a pointwise one reads as it is."""
    centered = center_channels(folded, images)
    assert_same_function(centered, folded, images)
    names = [layer.name for layer in folded.layers if layer.name.endswith("conv1_dwconv")]
    assert len(names) > 10
    for name in names:
        assert np.abs(middles(centered, name, images)).max() < 1e-3
