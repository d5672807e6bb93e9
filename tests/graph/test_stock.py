"""The same network of Keras's own layers."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg import create_model
from keras_liteseg.errors import UserError
from keras_liteseg.graph import at_size, is_stock, stock_layers
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.batch_normalization import BatchNormalization
from keras_liteseg.networks.layers import (
    BilinearResize,
    DepthwiseConv2D,
    ExclusivePooling2D,
    GroupedConv2D,
    near_identity,
)
from keras_liteseg.networks.sppm import AdaptiveAveragePooling2D
from keras_liteseg.networks.uafm import ChannelReduction, Complement


@pytest.mark.parametrize("size", [(12, 17), (13, 8), (3, 5)])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: BilinearResize(2),
        lambda: BilinearResize(2, align_corners=False),
        lambda: BilinearResize(size=(7, 31)),
        lambda: BilinearResize(size=(7, 31), align_corners=False),
        lambda: AdaptiveAveragePooling2D(4),
        lambda: ExclusivePooling2D("max"),
        lambda: ExclusivePooling2D("average"),
        lambda: ChannelShuffle(2),
        lambda: ChannelReduction("max"),
        lambda: ChannelReduction("mean"),
        lambda: Complement(),
        lambda: Complement(stored=True),
        lambda: BatchNormalization(),
        lambda: DepthwiseConv2D(3, padding="same", dilation_rate=2),
        lambda: GroupedConv2D(6, 3, groups=3, padding="same"),
        lambda: GroupedConv2D(6, 3, groups=2, activation="tanh"),
        lambda: layers.Conv2D(6, 3, kernel_initializer=near_identity(9)),
    ],
)
def test_every_layer_is_computed_by_those_of_keras(layer, size):
    inputs = keras.Input((*size, 6))
    model = keras.Model(inputs, layer()(inputs))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.get_weights()])
    stock = stock_layers(model)
    images = rng.normal(size=(2, *size, 6)).astype(np.float32)
    expected, found = np.asarray(model(images, training=False)), np.asarray(stock(images))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(type(each).__module__.startswith("keras.") for each in stock.operations)
    assert "keras_liteseg" not in stock.to_json()


@pytest.mark.parametrize("align_corners", [True, False])
def test_nothing_trains_behind_a_resize(align_corners):
    """Behind Keras's own Resizing, batch normalization does in a model that is called without `training`."""
    inputs = keras.Input((6, 8, 3))
    model = keras.Model(inputs, BatchNormalization()(BilinearResize(2, align_corners)(inputs)))
    stock = stock_layers(model)
    images = np.random.default_rng(0).normal(3, 2, (2, 6, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(stock(images), model(images, training=False), atol=1e-5)
    assert not np.any(stock.layers[-1].moving_mean)


def test_weights_that_are_trained_stay_so_under_their_names():
    network = create_model("lps_net_tiny", (64, 128, 3), 5)
    stock = stock_layers(network)
    assert [weight.path for weight in stock.trainable_weights] == [weight.path for weight in network.trainable_weights]


def test_a_layer_of_somebody_else_is_refused():
    class Twice(layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    inputs = keras.Input((4, 4, 3))
    with pytest.raises(UserError, match="'mine' has the layer 'twice', a Twice, which Keras's own cannot be"):
        stock_layers(keras.Model(inputs, Twice(name="twice")(inputs), name="mine"))


def test_it_is_for_one_size():
    network = create_model("lps_net_tiny", (64, 128, 3), 5)
    stock = stock_layers(network)
    assert is_stock(stock) and not is_stock(network)
    at_size(stock, (64, 128))
    with pytest.raises(UserError, match="exported for Keras alone, at 64x128 and no other size; take the .keras file"):
        at_size(stock, (32, 64))
