"""train.py on JAX and PyTorch, with TensorFlow out of reach. `make test-backends` installs these two."""

import dataclasses
import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

import keras_liteseg
from keras_liteseg.datasets import load_dataset
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import Metadata
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.run_folder import read_log
from tests.training.test_train import state

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZE = (64, 128)
SCENES = {"length": 5, "size": [*SIZE]}
CONFIG = {
    "model": "lps_net_tiny",
    "data_options": {"train": SCENES, "val": {**SCENES, "length": 3}},
    "crop_size": [*SIZE],
    "eval_size": [*SIZE],
    "batch_size": 2,
    "epochs": 2,
    "steps_per_epoch": 4,
    "scale_range": [0.75, 1.5],
    "brightness": 0.2,
    "learning_rate": 0.02,
    "schedule": "step",  # the same rates however many epochs there are
    "dice_weight": 0.5,
    "gradient_accumulation_steps": 2,
    "ema_momentum": 0.5,
    "class_weights": {"vehicle": 2},
    "oversample_threshold": 0.9,
}
EVERYTHING_ELSE = {
    "steps_per_epoch": 12,
    "optimizer": "adamw",
    "learning_rate": 5e-3,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "clip_norm": 1.0,
    "precision": "mixed_bfloat16",
    "loss": "ohem",
    "class_weights": "median_frequency",
    "label_smoothing": 0.1,
    "lovasz_weight": 0.5,
    "boundary_weight": 0.5,
    "gradient_accumulation_steps": 1,
    "ema_momentum": 0.0,
    "oversample_threshold": 0.0,
}


@pytest.fixture(scope="module", params=["jax", "torch"])
def backend(request):
    """The first argument of a test, so that nothing is prepared for one that is skipped."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed here; `make test-backends` installs it and runs this test")
    return request.param


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory):
    """A folder that, on PYTHONPATH, makes an import of TensorFlow fail, as where it is not installed."""
    folder = tmp_path_factory.mktemp("without_tensorflow")
    (folder / "sitecustomize.py").write_text("import sys\n\nsys.modules['tensorflow'] = None\n")
    return folder


@pytest.fixture
def run(backend, without_tensorflow):
    """A function that runs a script on the backend, with its arguments, and returns (exit status, stdout, stderr)."""

    def run(script, *arguments, backend=backend):
        path = os.pathsep.join(filter(None, [str(without_tensorflow), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": backend}
        command = [sys.executable, script, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A network with random weights, made on TensorFlow, for trainings on several backends to start from."""
    keras.utils.set_random_seed(0)
    scenes = load_dataset("street_scenes", split="val", **SCENES)
    model = keras_liteseg.create_model(CONFIG["model"], (*SIZE, 3), len(scenes.classes))
    entry = keras_liteseg.model_spec(CONFIG["model"])
    path = tmp_path_factory.mktemp("start") / "start.keras"
    keras_liteseg.save_model(model, path, Metadata(CONFIG["model"], "", scenes.classes, entry.mean, entry.std))
    return path


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture(scope="module")
def on_tensorflow(start, config_file, tmp_path_factory):
    """The folder of a training on TensorFlow."""
    output = tmp_path_factory.mktemp("tensorflow") / "run"
    arguments = ["--config", config_file, "--output_dir", output, "--init_from", start]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run([sys.executable, "train.py", *map(str, arguments)], cwd=ROOT, env=environment, check=True)
    return output


def test_training_is_that_of_tensorflow_and_goes_on(backend, run, on_tensorflow, start, config_file, tmp_path):
    arguments = ("--config", config_file, "--init_from", start)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    status, stdout, stderr = run("train.py", *arguments, "--output_dir", whole)
    assert (status, stderr) == (0, "")
    assert f"no TensorBoard logs on {backend}" in stdout and f"wrote {whole / 'best.keras'}" in stdout

    # The same files and numbers as on TensorFlow, up to float32.
    assert sorted(os.listdir(whole)) == ["best.keras", "config.yaml", "journal.json", "last.weights.h5", "log.csv"]
    ours, theirs = (read_log(folder) for folder in (whole, on_tensorflow))
    assert len(ours) == len(theirs) == CONFIG["epochs"]
    for row, wanted in zip(ours, theirs):
        assert row == pytest.approx(wanted, rel=2e-3, abs=2e-3)

    # Stopped after its first epoch and resumed, it ends in the same state.
    for more in (["--override", "epochs=1"], ["--resume"]):
        status, _, stderr = run("train.py", *arguments, "--output_dir", stopped, *more)
        assert (status, stderr) == (0, "")
    one, other = (state(folder / "last.weights.h5") for folder in (whole, stopped))
    assert one.keys() == other.keys() == state(on_tensorflow / "last.weights.h5").keys()
    for name in one:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-5, atol=1e-7, err_msg=name)
    for row, wanted in zip(read_log(stopped), ours, strict=True):
        assert row == pytest.approx(wanted, rel=1e-5)

    # The file is the same network on either backend.
    scene = load_dataset("street_scenes", split="val", **SCENES).image(0)
    Image.fromarray(scene).save(tmp_path / "scene.png")
    picture, drawn = tmp_path / "scene.png", tmp_path / "drawn"
    status, _, stderr = run("predict.py", "--model", whole / "best.keras", "--input", picture, "--output_dir", drawn)
    assert (status, stderr) == (0, "")
    labels = np.asarray(Image.open(drawn / "scene_labels.png"))
    assert np.mean(labels == load_predictor(whole / "best.keras").labels(scene)) > 0.999


def test_batches_that_jax_normalizes_on_its_device_are_those_of_numpy_bit_for_bit(backend, run):
    code = """
import numpy as np
from keras_liteseg.datasets import load_dataset
from keras_liteseg.training.data_loader import _in_numpy, evaluation_batches

mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
scenes = load_dataset("street_scenes", split="val", length=3, size=(64, 128))
pixels, labels = (np.stack([part(index) for index in range(3)]) for part in (scenes.image, scenes.mask))
for ours, wanted in zip(evaluation_batches(scenes, (64, 128), 3, mean, std)[0], _in_numpy(mean, std)(pixels, labels)):
    assert str(ours.dtype) == str(wanted.dtype)
    np.testing.assert_array_equal(np.asarray(ours), wanted)
"""
    assert run("-c", code) == (0, "", "")


def test_a_training_can_change_its_backend(backend, run, on_tensorflow, config_file, tmp_path):
    output = tmp_path / "run"
    output.mkdir()
    for file in on_tensorflow.iterdir():
        if file.is_file():
            (output / file.name).write_bytes(file.read_bytes())
    arguments = ("--config", config_file, "--output_dir", output, "--override", "epochs=3", "--resume")
    status, _, stderr = run("train.py", *arguments)
    assert (status, stderr) == (0, "")
    rows = read_log(output)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert rows[2]["loss"] < rows[0]["loss"]


def test_every_other_key_of_a_config(backend, run, start, tmp_path):
    values = {**CONFIG, **EVERYTHING_ELSE, "teacher": str(start)}
    assert values.keys() <= {field.name for field in dataclasses.fields(TrainingConfig)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    status, _, stderr = run("train.py", "--config", tmp_path / "config.yaml", "--output_dir", tmp_path / "run")
    assert (status, stderr) == (0, "")
    rows = read_log(tmp_path / "run")
    assert rows[1]["loss"] < rows[0]["loss"]
    assert all(np.isfinite(value) for row in rows for value in row.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--override", "sync_batch_norm=true"], "sync_batch_norm is for several devices"),
        (["--quantization_aware", "--init_from", "a.keras", "--override", "epochs=1"], "is made with TensorFlow, and"),
    ],
)
def test_what_only_tensorflow_can_is_refused_in_one_sentence(backend, run, tmp_path, arguments, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": "lps_net_tiny"}))
    output = tmp_path / "run"
    status, _, stderr = run("train.py", "--config", tmp_path / "config.yaml", "--output_dir", output, *arguments)
    assert status == 1
    assert stderr.startswith("error: ") and message in stderr and stderr.count("\n") == 1


def test_export_from_python_is_refused_in_one_sentence(backend, tmp_path):
    program = (
        "import keras_liteseg\n"
        "try:\n"
        "    keras_liteseg.export('lps_net_tiny', 'tiny.tflite', input_size=(64, 128))\n"
        "except keras_liteseg.UserError as error:\n"
        "    print(error)\n"
    )
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    said = f"Export is made with TensorFlow, and Keras's backend is {backend}; set KERAS_BACKEND=tensorflow.\n"
    assert done.stdout == said, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_tensorflow_another_backend_must_be_chosen(backend, run, config_file):
    status, stdout, stderr = run("train.py", "--config", config_file, "--output_dir", "run", backend="tensorflow")
    assert (status, stdout) == (1, "")
    assert stderr == (
        "error: This needs TensorFlow; install it with: pip install 'keras-liteseg[train]', or choose "
        "KERAS_BACKEND=jax or KERAS_BACKEND=torch.\n"
    )
