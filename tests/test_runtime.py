"""Running .tflite files: where only the runtime is installed, and where importing more is an error."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.inference.load import load_predictor
from tests.installation import ROOT, build_wheel, export_tree, make_environment

NOT_NEEDED = ("absl", "h5py", "jax", "keras", "safetensors", "tensorboard", "tensorflow", "tf_keras", "torch")

# Python runs a module of this name when it starts, that of the benchmark's measuring process too.
REFUSAL = f"""
import importlib.abc, sys

class Refusal(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {NOT_NEEDED}:
            raise RuntimeError(f"the runtime imports {{name}}")  # no ImportError, which somebody might catch

sys.meta_path.insert(0, Refusal())
"""


def _installed(tmp_path_factory):
    """Return (command, environment variables) of `liteseg` of the wheel with its dependencies alone."""
    folder = tmp_path_factory.mktemp("installed")
    export_tree(folder / "source")
    programs = make_environment(build_wheel(folder / "source", folder), folder / "environment")
    return [programs / "liteseg"], {}


def _checkout(tmp_path_factory):
    """Return (command, environment variables) of `liteseg` of the checkout, where a needless import is an error."""
    folder = tmp_path_factory.mktemp("refusal")
    (folder / "sitecustomize.py").write_text(REFUSAL)
    return [sys.executable, "-m", "keras_liteseg"], {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.fixture(scope="module", params=[_installed, _checkout], ids=["installed", "checkout"])
def command(request, tmp_path_factory):
    """(Command, environment variables) of `liteseg` without Keras."""
    return request.param(tmp_path_factory)


@pytest.fixture
def liteseg(command, tmp_path):
    """Function that runs `liteseg` outside of the checkout and returns the finished process."""
    start, variables = command
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables

    def run(*arguments):
        return subprocess.run(
            [*start, *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture(scope="module")
def data(scenes, tmp_path_factory):
    """Two scenes as a data set of the kind 'folder'."""
    folder = tmp_path_factory.mktemp("data")
    for index in range(2):
        for kind, array in (("images", scenes.image(index)), ("masks", scenes.mask(index))):
            (folder / kind / "val").mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / kind / "val" / f"{index}.png")
    (folder / "classes.yaml").write_text(json.dumps({"classes": list(scenes.classes.names), "ignore_label": 255}))
    return folder


def test_what_is_not_needed_is_not_there(command, tmp_path):
    """The tests below would say nothing if it were."""
    start, variables = command
    python = start[0] if len(start) > 1 else start[0].parent / "python"
    for name in NOT_NEEDED:
        done = subprocess.run(
            [python, "-c", f"import {name}"], cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True
        )
        assert done.returncode and done.stderr.splitlines()[-1] in (
            f"ModuleNotFoundError: No module named '{name}'",
            f"RuntimeError: the runtime imports {name}",
        )


def test_help_and_lists(liteseg):
    for arguments in (["--help"], ["--version"], ["predict", "--help"], ["configs"], ["weights"]):
        done = liteseg(*arguments)
        assert done.returncode == 0 and "liteseg" in done.stdout, done.stderr


def test_predict(liteseg, int8_file, data, tmp_path):
    picture = data / "images" / "val" / "0.png"
    done = liteseg("predict", "--model", int8_file, "--input", picture, "--output_dir", "out")
    assert done.returncode == 0, done.stderr
    labels = np.array(Image.open(tmp_path / "out" / "0_labels.png"))
    np.testing.assert_array_equal(labels, load_predictor(int8_file).labels(np.array(Image.open(picture))))


@pytest.mark.parametrize("flip", [[], ["--flip"]])
def test_evaluate(liteseg, int8_file, data, tmp_path, flip):
    arguments = ("--model", int8_file, "--data", "folder", "--data_dir", data, "--report_dir", "report", *flip)
    done = liteseg("evaluate", *arguments)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "report" / "result.json").read_text())
    assert result["images"] == 2 and 0 < result["miou"] < 1
    assert {"confusion.png", "images.csv", "worst"} <= {path.name for path in (tmp_path / "report").iterdir()}


def test_inspect(liteseg, int8_file):
    done = liteseg("inspect", int8_file)
    assert done.returncode == 0, done.stderr
    assert "XNNPACK" in done.stdout and "CONV_2D" in done.stdout


def test_benchmark_and_report(liteseg, int8_file, tmp_path):
    arguments = ("--model", int8_file, "--target", "host:cpu", "--threads", 1, "--runs", 3, "--output", "result.json")
    done = liteseg("benchmark", *arguments)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "result.json").read_text())["results"]
    assert row["status"] == "ok" and row["correctness"]["equal_labels"] == 1 and row["latency_ms"]["run"]["p50"] > 0
    done = liteseg("report", "result.json", "--output", "report.html")
    assert done.returncode == 0, done.stderr
    assert int8_file.name in (tmp_path / "report.html").read_text()


def test_command_whose_part_is_missing_says_how_to_install_it(command, liteseg, data):
    if len(command[0]) > 1:
        pytest.skip("in the checkout the part is there")
    network = ("--model", "ndnet45", "--input_size", "64x128")
    for arguments in (
        ["export", *network, "--output", "a.tflite"],
        ["predict", *network, "--input", data / "images" / "val", "--output_dir", "out"],
        ["records", "--data", "folder", "--data_dir", data, "--split", "val", "--shards", 1, "--output_dir", "records"],
        ["train", "--config", "demo", "--output_dir", "run"],
    ):
        done = liteseg(*arguments)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("error: ") and "pip install 'keras-liteseg[train]'" in done.stderr


def test_name_whose_part_is_missing_says_how_to_install_it(command, tmp_path):
    start, _ = command
    if len(start) > 1:
        pytest.skip("in the checkout the part is there")
    program = [start[0].parent / "python", "-c", "from keras_liteseg import load_predictor, create_model"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: keras_liteseg.create_model: This needs Keras; install it with: "
        "pip install 'keras-liteseg[train]'"
    )
