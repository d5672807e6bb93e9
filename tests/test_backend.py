"""Which backend Keras computes on, and what is refused on another one than TensorFlow."""

import os
import subprocess
import sys

import pytest

from keras_liteseg.backend import keras_backend, require_tensorflow
from keras_liteseg.commands.running import start_keras
from keras_liteseg.errors import UserError
from tests.conftest import ROOT


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


UNUSABLE = [
    ("[]", "it is no JSON object with keys"),
    ("3", "it is no JSON object with keys"),
    ('{"floatx": "float8"}', "floatx is 'float8'"),
    ('{"epsilon": 1}', "epsilon is 1"),
    ('{"image_data_format": null}', "image_data_format is None"),
]


@pytest.mark.parametrize("backend", [None, "jax"])
@pytest.mark.parametrize(("file", "said"), UNUSABLE)
def test_file_that_keras_cannot_use(unloaded, tmp_path, file, said, backend):
    if backend:
        unloaded.setenv("KERAS_BACKEND", backend)
    (tmp_path / "keras.json").write_text(file)
    for function in (keras_backend, start_keras):
        with pytest.raises(UserError) as error:
            function()
        assert str(error.value) == f"Keras cannot use its {tmp_path}/keras.json: {said}. Correct or remove it."


def test_folder_in_place_of_the_file(unloaded, tmp_path):
    (tmp_path / "keras.json").mkdir()
    with pytest.raises(UserError, match="Keras cannot read its .*/keras.json: Is a directory. Correct or remove it."):
        start_keras()


PROGRAMS = [
    ["-m", "keras_liteseg", "train", "--config", "demo", "--output_dir", "run"],
    ["-m", "keras_liteseg", "summary", "--models", "ndnet45"],
    ["-m", "keras_liteseg", "check", "--data", "street_scenes"],
    ["-c", "import keras_liteseg; keras_liteseg.create_model('ndnet45')"],
    ["-c", "from keras_liteseg import TrainingConfig, train"],
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_keras_json_is_told_where_keras_would_have_given_a_traceback(program, tmp_path):
    (tmp_path / "keras.json").write_text("[]")
    environment = os.environ | {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *program], env=environment, cwd=tmp_path, capture_output=True, text=True)
    if done.returncode == 0:  # what needs no Keras
        assert "check" in program
        return
    last = done.stderr.splitlines()[-1]
    assert last.endswith(
        f"Keras cannot use its {tmp_path}/keras.json: it is no JSON object with keys. Correct or remove it."
    )
    assert done.stderr.count("\n") == 1 or program[0] == "-c"
