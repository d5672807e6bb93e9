import keras
import numpy as np
import pytest

from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.networks.sppm import AdaptiveAveragePooling2D, sppm
from tests.graph.graphs import run
from tests.parity.fixtures import load_fixture

ANY_SIZE = pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])


def block(input_shape, bins=(1, 2, 4)):
    """The block of the fixtures, with taps, as a model."""
    x = keras.Input(input_shape)
    model = keras.Model(x, sppm(x, bins, 16, 24, "sppm"))
    taps = {f"pooled_{count}": model.get_layer(f"sppm_stages_{i}_0").output for i, count in enumerate(bins)}
    return keras.Model(x, {"output": model.output, **taps})


@ANY_SIZE
@pytest.mark.parametrize("name", ["sppm", "sppm_7x11"])
def test_parity_with_the_reference(name, any_size):
    fixture = load_fixture(name)
    feature = fixture.inputs()["feature"]
    model = block((None, None, 32) if any_size else feature.shape[1:])
    assign_state_dict(model, {f"sppm.{entry}": value for entry, value in fixture.state_dict().items()})
    differences = fixture.differences(run(model, feature))
    assert set(differences) == set(fixture.expected())
    assert {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]} == {}


@ANY_SIZE
@pytest.mark.parametrize("bins", [1, 2, 4])
@pytest.mark.parametrize("size", [(8, 16), (23, 30), (3, 5), (1, 2)], ids=str)
def test_pooling_averages_over_windows(size, bins, any_size):
    """The windows divide the map, do not, overlap, and exceed its size."""
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    expected = np.zeros((2, bins, bins, 3))
    for i, j in np.ndindex(bins, bins):
        top, bottom = i * size[0] // bins, int(np.ceil((i + 1) * size[0] / bins))
        left, right = j * size[1] // bins, int(np.ceil((j + 1) * size[1] / bins))
        expected[:, i, j] = x[:, top:bottom, left:right].mean(axis=(1, 2))
    inputs = keras.Input((None, None, 3) if any_size else (*size, 3))
    model = keras.Model(inputs, AdaptiveAveragePooling2D(bins)(inputs))
    assert model.output_shape == (None, bins, bins, 3)
    np.testing.assert_allclose(run(model, x), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(None, 6), (5, None)], ids=str)
def test_pooling_of_one_known_length(size):
    x = np.random.default_rng(0).normal(size=(1, 5, 6, 2)).astype(np.float32)
    inputs = keras.Input((*size, 2))
    model = keras.Model(inputs, AdaptiveAveragePooling2D(2)(inputs))
    np.testing.assert_allclose(run(model, x), AdaptiveAveragePooling2D(2)(x), atol=1e-6)


def test_one_branch_is_not_added():
    x = keras.Input((8, 8, 32))
    model = keras.Model(x, sppm(x, (2,), 16, 24, "sppm"))
    assert model.output_shape == (None, 8, 8, 24)
    assert not any(isinstance(layer, keras.layers.Add) for layer in model.layers)


def test_block_survives_a_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(1, 7, 11, 32)).astype(np.float32)
    model = block((7, 11, 32), bins=(1, 3))
    model.save(tmp_path / "block.keras")
    again = keras.saving.load_model(tmp_path / "block.keras")
    for tap, value in model(x).items():
        np.testing.assert_array_equal(again(x)[tap], value)
