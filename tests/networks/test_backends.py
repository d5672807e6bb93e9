"""The networks compute on JAX and PyTorch what they compute on TensorFlow. `make test-backends` installs these two."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg import create_model, list_models, model_spec

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = {"jax": "jax", "torch": "torch"}


def cases():
    """Every network at an even size, and at an odd one where it takes that."""
    for name in list_models():
        yield name, (64, 96)
        if model_spec(name).size_multiple == 1:
            yield name, (57, 83)
        elif model_spec(name).plus_one:
            yield name, (65, 97)


@pytest.fixture(scope="module")
def on_tensorflow():
    """{case: (images, weights, logits)}."""
    found = {}
    rng = np.random.default_rng(0)
    for name, size in cases():
        model = create_model(name, (*size, 3))
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
                layer.moving_mean.assign(rng.normal(0, 0.2, layer.beta.shape))
                layer.moving_variance.assign(rng.uniform(1, 4, layer.beta.shape))
        images = rng.normal(size=(1, *size, 3)).astype(np.float32)
        found[name, size] = images, model.get_weights(), model.predict(images, verbose=0)
    return found


@pytest.mark.parametrize("backend", PACKAGES)
def test_every_network_computes_the_same(backend, request, tmp_path):
    if importlib.util.find_spec(PACKAGES[backend]) is None:
        pytest.skip(f"{PACKAGES[backend]} is not installed here; `make test-backends` installs it and runs this test")
    assert keras.backend.backend() == "tensorflow"
    on_tensorflow = request.getfixturevalue("on_tensorflow")
    for (name, size), (images, weights, _) in on_tensorflow.items():
        values = {f"weight{index}": value for index, value in enumerate(weights)}
        np.savez(tmp_path / f"{name}-{size[0]}x{size[1]}.npz", images=images, **values)
    done = subprocess.run(
        [sys.executable, "-m", "tests.networks.backend_run", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == backend

    wrong = {}
    for (name, size), (_, _, expected) in on_tensorflow.items():
        logits = np.load(tmp_path / f"{name}-{size[0]}x{size[1]}.logits.npy")
        difference = np.abs(logits - expected).max() / np.abs(expected).max()
        if not difference <= 1e-4:
            wrong[name, size] = difference
    assert not wrong
