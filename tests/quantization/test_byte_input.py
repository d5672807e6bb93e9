"""The int8 input is the pixel minus 128, and the network computes the same."""

import keras
import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.models import fold_batch_norm
from keras_liteseg.predictor import prepare
from keras_liteseg.quantization.byte_input import byte_input


@pytest.fixture(scope="module")
def prepared(network, metadata):
    return byte_input(fold_batch_norm(network), metadata)


def test_every_pixel_value_is_an_int8_step(prepared):
    _, metadata, (low, high) = prepared
    pixels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=-1)
    steps = prepare(pixels, (16, 16), metadata)[0] * 255 / (high - low)
    np.testing.assert_allclose(steps, pixels.astype(int) - 128, atol=1e-4)


def test_network_computes_the_same_away_from_the_padding(prepared, network, metadata, scenes):
    model, shifted, _ = prepared
    image = scenes.image(0)
    size = image.shape[:2]
    stem = "features_conv1_relu"
    before, after = (
        _output_of(net, stem).predict(prepare(image, size, data), verbose=0)[0]
        for net, data in ((fold_batch_norm(network), metadata), (model, shifted))
    )
    np.testing.assert_allclose(after[1:, 1:], before[1:, 1:], atol=1e-4 * np.abs(before).max())


def test_channels_with_their_own_means_are_left_as_they_are(network, metadata):
    model = fold_batch_norm(network)
    other = metadata.replace(mean=(0.485, 0.456, 0.406))
    kernel = model.get_layer("features_conv1_conv").get_weights()
    assert byte_input(model, other) == (model, other, None)
    for before, after in zip(kernel, model.get_layer("features_conv1_conv").get_weights()):
        np.testing.assert_array_equal(before, after)


def test_network_without_a_first_convolution_is_refused(metadata):
    inputs = keras.Input((8, 8, 3), name="images")
    model = keras.Model(inputs, keras.layers.ReLU()(inputs), name="odd")
    with pytest.raises(UserError, match="'odd' does not begin with a convolution"):
        byte_input(model, metadata)


def _output_of(model, name):
    return keras.Model(model.input, model.get_layer(name).output)
