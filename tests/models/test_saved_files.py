"""Files that version 0.1.0 wrote, before its modules moved, load and compute what they did."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_liteseg.models.archive import load_model

FOLDER = pathlib.Path(__file__).parent / "saved"
ROOT = FOLDER.parents[2]


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


@pytest.mark.parametrize(
    "program",
    [
        "print(keras_liteseg.load_model(path)[0].name)",
        "keras_liteseg.load_model, print(keras.saving.load_model(path, compile=False).name)",
    ],
)
def test_load_model_is_the_first_name_that_a_program_asks_for(program):
    program = f"import sys, keras, keras_liteseg; path = sys.argv[1]; {program}"
    command = [sys.executable, "-c", program, FOLDER / "lps_net_tiny.keras"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "lps_net_tiny\n", done.stderr
