"""Files that version 0.1.0 wrote, before its modules moved, load and compute what they did."""

import pathlib

import keras
import numpy as np
import pytest

from keras_liteseg.models.archive import load_model

FOLDER = pathlib.Path(__file__).parent / "saved"


@pytest.fixture(scope="module")
def expected():
    with np.load(FOLDER / "expected.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["lps_net_tiny", "lps_net_tiny_qat"])
def test_a_training_of_version_0_1_0_loads(name, expected):
    model, metadata = load_model(FOLDER / f"{name}.keras")
    assert metadata.model == "lps_net_tiny"
    assert len(metadata.classes) == model.output.shape[-1]
    assert bool(metadata.ranges) == name.endswith("_qat")
    logits = model.predict_on_batch(expected["images"].astype("float32"))[:, ::8, ::8]
    np.testing.assert_allclose(logits, expected[name], rtol=0, atol=1e-4 * np.abs(expected[name]).max())


def test_every_layer_of_version_0_1_0_loads(expected):
    import keras_liteseg.networks  # noqa: F401  registers the layers

    model = keras.saving.load_model(FOLDER / "every_layer.keras", compile=False)
    outputs = model.predict_on_batch(expected["every_layer_inputs"].astype("float32"))
    np.testing.assert_allclose(outputs, expected["every_layer"], rtol=0, atol=1e-4 * np.abs(outputs).max())
