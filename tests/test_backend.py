"""Which backend Keras computes on, and what is refused on another one than TensorFlow."""

import sys

import pytest

from keras_liteseg.backend import keras_backend, require_tensorflow
from keras_liteseg.commands.running import start_keras
from keras_liteseg.errors import UserError


@pytest.fixture
def unloaded(monkeypatch, tmp_path):
    """As in a process that has not imported Keras yet, whose keras.json would be in `tmp_path`."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "file", "expected"),
    [
        (None, None, "tensorflow"),
        ("jax", '{"backend": "torch"}', "jax"),
        (None, '{"backend": "torch"}', "torch"),
        ("", '{"backend": "torch"}', "torch"),
        ("", None, "tensorflow"),
        (None, "{}", "tensorflow"),
        (None, "{", "tensorflow"),
    ],
)
def test_backend_is_the_one_that_keras_takes(unloaded, tmp_path, variable, file, expected):
    if variable is not None:
        unloaded.setenv("KERAS_BACKEND", variable)
    if file is not None:
        (tmp_path / "keras.json").write_text(file)
    assert keras_backend() == expected


def test_backends_that_cannot_do_it_are_refused(unloaded):
    unloaded.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(
        UserError, match="^Export is made with TensorFlow, and Keras's backend is jax; set KERAS_BACKEND=tensorflow.$"
    ):
        require_tensorflow("Export")
    unloaded.setenv("KERAS_BACKEND", "jaxx")
    with pytest.raises(
        UserError, match="^There is no backend 'jaxx' here; set KERAS_BACKEND to tensorflow, jax, torch.$"
    ):
        start_keras()
