"""The int8 input is the pixel minus 128, and the network computes the same."""

import keras
import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.graph import fold_batch_norm
from keras_liteseg.inference.predictor import prepare
from keras_liteseg.models import create_model
from keras_liteseg.quantization.input_requantization import byte_input

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture(scope="module", params=[{}, IMAGENET], ids=["one mean", "mean per channel"])
def normalized(request, metadata):
    return metadata.replace(**request.param)


@pytest.fixture(scope="module")
def prepared(network, normalized):
    return byte_input(fold_batch_norm(network), normalized)


def test_every_pixel_value_is_an_int8_step(prepared):
    _, metadata, (low, high) = prepared
    pixels = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=-1)
    steps = prepare(pixels, (16, 16), metadata)[0] * 255 / (high - low)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    np.testing.assert_array_equal(np.rint(steps - steps[0, 0]), pixels)


def test_network_computes_the_same_away_from_the_padding(prepared, network, normalized, scenes):
    model, shifted, _ = prepared
    before, after = outputs("features_conv1_relu", scenes.image(0), network, normalized, model, shifted)
    np.testing.assert_allclose(after[1:, 1:], before[1:, 1:], atol=1e-4 * np.abs(before).max())


def test_every_path_of_a_network_with_several_is_adapted(metadata, scenes):
    normalized = metadata.replace(**IMAGENET)
    network = create_model("lps_net_m", (64, 128, 3), 9)
    model, shifted, _ = byte_input(fold_batch_norm(network), normalized)
    for path in ("netH", "netL"):
        before, after = outputs(f"{path}_stages_0_0_relu", scenes.image(0), network, normalized, model, shifted)
        np.testing.assert_allclose(after[1:, 1:], before[1:, 1:], atol=1e-4 * np.abs(before).max())


def outputs(layer, image, network, metadata, model, shifted):
    """Return what `layer` gives in both networks, each with its own metadata."""
    pairs = (fold_batch_norm(network), metadata), (model, shifted)
    size = image.shape[:2]
    return [_output_of(net, layer).predict(prepare(image, size, data), verbose=0)[0] for net, data in pairs]


def test_network_without_a_first_convolution_is_refused(metadata):
    inputs = keras.Input((8, 8, 3), name="images")
    model = keras.Model(inputs, keras.layers.ReLU()(inputs), name="odd")
    with pytest.raises(UserError, match="'odd' does not begin with convolutions"):
        byte_input(model, metadata)


def _output_of(model, name):
    return keras.Model(model.input, model.get_layer(name).output)
