"""What a training says of GPUs: of those that it uses, and of one that lies idle."""

import logging
import os
import pathlib
import subprocess
import sys

import keras
import pytest
import tensorflow as tf
import yaml

from keras_liteseg.training.devices import counted, log_devices, nvidia_gpus, visible_gpus, why_idle
from tests.training.test_train import CONFIG

ROOT = pathlib.Path(__file__).resolve().parents[2]
INFORMATION = "Model: \t\t NVIDIA H200\nIRQ:   \t\t 103\nGPU UUID: \t GPU-0\nVideo BIOS: \t 96.00\n"

without_gpu = pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="TensorFlow uses a GPU here")


@pytest.fixture
def nvidia_smi(tmp_path):
    """A function that writes a program `nvidia-smi`, a shell script, and returns the PATH that has it."""

    def write(script):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nvidia-smi").chmod(0o755)
        return os.pathsep.join([str(folder), os.environ["PATH"]])

    return write


@pytest.fixture
def driver(tmp_path):
    """A folder as NVIDIA's driver has it, of two GPUs."""
    for bus in ("0000:0b:00.0", "0000:0c:00.0"):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "gpus" / bus / "information").write_text(INFORMATION)
    return tmp_path / "gpus"


LISTING = '[ "$*" = "--query-gpu=name --format=csv,noheader" ] || exit 2\necho NVIDIA H200\necho NVIDIA L4'


def test_gpus_of_nvidia_smi(nvidia_smi, monkeypatch, driver):
    monkeypatch.setenv("PATH", nvidia_smi(LISTING))
    assert nvidia_gpus(driver) == ["NVIDIA H200", "NVIDIA L4"]


@pytest.mark.parametrize("script", ["echo no driver >&2; exit 9", "kill -9 $$"])
def test_gpus_of_the_driver_where_nvidia_smi_does_not_work(nvidia_smi, monkeypatch, driver, script):
    monkeypatch.setenv("PATH", nvidia_smi(script))
    assert nvidia_gpus(driver) == ["NVIDIA H200"] * 2


def test_gpus_of_the_driver_where_there_is_no_nvidia_smi(monkeypatch, driver, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus(driver) == ["NVIDIA H200"] * 2
    assert nvidia_gpus(tmp_path / "none") == []


def test_equal_names_are_counted():
    assert counted(["NVIDIA H200", "NVIDIA L4", "NVIDIA H200"]) == "2x NVIDIA H200, NVIDIA L4"


@without_gpu
def test_idle_gpu_is_told_with_what_to_install(nvidia_smi, monkeypatch, caplog):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", nvidia_smi(LISTING))
    caplog.set_level(logging.INFO, "keras_liteseg")
    log_devices()
    first, second = caplog.messages
    assert first == "No GPU is used; training on the CPU"
    built = "finds no CUDA libraries that fit its driver" if tf.test.is_built_with_cuda() else "is built for CPUs only"
    assert second == (
        f"This machine has NVIDIA H200, NVIDIA L4, but this TensorFlow {built}; to train there: "
        "pip install 'keras-liteseg[cuda]'"
    )


@without_gpu
def test_machine_without_a_gpu(monkeypatch, tmp_path, caplog):
    if nvidia_gpus():
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("PATH", str(tmp_path))
    caplog.set_level(logging.INFO, "keras_liteseg")
    log_devices()
    assert caplog.messages == ["No GPU is used; training on the CPU"]


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_gpu_that_was_hidden_on_purpose(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert why_idle(["NVIDIA L4"]) == (
        f"This machine has NVIDIA L4, hidden by CUDA_VISIBLE_DEVICES={hidden}; unset it to train there."
    )


def test_gpus_in_use_are_those_of_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend")
    assert len(visible_gpus()) == len(tf.config.list_physical_devices("GPU"))


@without_gpu
def test_command_says_it_before_it_trains(nvidia_smi, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "epochs": 1, "steps_per_epoch": 1}))
    arguments = ["train", "--config", tmp_path / "config.yaml", "--output_dir", tmp_path / "run"]
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-m", "keras_liteseg", *map(str, arguments)],
        cwd=ROOT,
        env={**environment, "PATH": nvidia_smi(LISTING)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third, *_ = done.stdout.splitlines()
    assert first == "No GPU is used; training on the CPU"
    assert second.startswith("This machine has NVIDIA H200, NVIDIA L4, but this TensorFlow ")
    assert third.startswith("Training lps_net_tiny ")
