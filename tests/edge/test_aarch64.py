"""The package and LiteRT's kernels on ARM, under qemu's emulation of user programs: what they compute, not how fast.
`make test-edge` prepares what these tests need."""

import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess

import cv2
import numpy as np
import pytest

from edge import benchmark
from edge.correctness import Reference
from edge.table import table
from edge.targets import Options, connect
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, RunnerSession
from tests.edge import aarch64, sshd
from tests.edge.measuring_program import install
from tests.edge.test_adb import measure, needs_adb

FOLDER = aarch64.ROOT / ".aarch64"
EXAMPLE = aarch64.ROOT / "examples" / "cpp"
COMPILER = "aarch64-linux-gnu-g++"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not aarch64.is_ready(FOLDER), reason="nothing for aarch64 is here; make test-edge prepares it"),
]


@pytest.fixture
def start(tmp_path):
    """Function that returns a session of the runner on aarch64."""
    shutil.copytree(DEVICE_FOLDER, tmp_path / "device")
    sessions = []

    def start(model):
        command = [*aarch64.python(FOLDER), "-m", MODULE, model, "1"]
        sessions.append(RunnerSession(command, 300, lambda: None, folder=tmp_path))
        return sessions[-1]

    yield start
    for session in sessions:
        session.close()


def reports(start, model):
    """Return what the same runner says of a file on aarch64 and on this machine, and the comparison of outputs."""
    session = start(model)
    session.ask("load")
    there, compared = session.ask("report"), Reference(model).compare(session)
    with contextlib.closing(connect("host:cpu").start(model, 1, 300)) as ours:
        ours.ask("load")
        return there, ours.ask("report"), compared


def test_int8_outputs_are_those_of_x86_bit_for_bit(start, int8_file):
    there, here, compared = reports(start, int8_file)
    assert compared == {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0}
    for key in ("accelerator", "delegation", "inputs", "outputs"):
        assert there[key] == here[key]
    assert there["accelerator"] == "xnnpack" and there["delegation"]["partitions"] == 1


@pytest.mark.parametrize("name", ["lps_net_s", "pp_liteseg_t", "liteseg_shufflenet"])
def test_int8_outputs_of_other_families_are_those_of_x86_bit_for_bit(start, name, tmp_path):
    from keras_liteseg import CalibrationOptions, ExportOptions, export

    model = tmp_path / f"{name}.tflite"
    options = ExportOptions(quantization="int8")
    export(name, model, options, CalibrationOptions(images=2), input_size=(128, 256))
    there, here, compared = reports(start, model)
    # LiteRT's built-in kernels round otherwise on ARM; here all is XNNPACK's.
    assert there["delegation"] == here["delegation"] and there["delegation"]["other_ops"] == []
    assert compared["max_difference"] == 0.0


def test_float_outputs_are_those_of_x86(start, float_file):
    there, here, compared = reports(start, float_file)
    assert compared["equal_labels"] == 1.0
    assert there["delegation"] == here["delegation"]


def test_emulated_processor_is_named_as_such(start, int8_file):
    session = start(int8_file)
    session.ask("load")
    report = session.ask("report")
    assert report["device"]["cpu"] == "ARM Cortex-A76" and " aarch64, " in report["device"]["os"]
    if pathlib.Path("/proc/sys/kernel/arch").exists():  # since Linux 6.1
        assert report["stand_in"] == "emulator"


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """(a file of published weights in int8, a picture in its size, the picture's labels on this machine)"""
    from keras_liteseg import CalibrationOptions, ExportOptions, load_dataset, load_predictor
    from keras_liteseg.conversion.export import export

    folder = tmp_path_factory.mktemp("street")
    model, size = folder / "street.tflite", (96, 128)
    options = ExportOptions(quantization="int8")
    export("lps_net_s", model, options, CalibrationOptions(images=4), checkpoint="camvid", input_size=size)
    image = load_dataset("street_scenes", split="val", length=2, size=size).image(1)
    labels = load_predictor(model).labels(image)
    assert len(np.unique(labels)) > 2
    return model, image, labels


def run(*command):
    process = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_predict_gives_the_labels_of_x86(street, tmp_path):
    model, image, labels = street
    assert cv2.imwrite(str(tmp_path / "street.png"), image[..., ::-1])
    command = aarch64.liteseg(FOLDER, tmp_path)
    run(*command, "predict", "--model", model, "--input", tmp_path / "street.png", "--output_dir", tmp_path / "out")
    found = cv2.imread(str(tmp_path / "out" / "street_labels.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, labels)


def test_benchmark_measures_there(street, tmp_path):
    result = tmp_path / "result.json"
    options = ["--threads", 1, "--runs", 2, "--warmup", 1, "--output", result]
    said = run(*aarch64.liteseg(FOLDER, tmp_path), "benchmark", "--model", street[0], "--target", "host:cpu", *options)
    assert "no device's speed" in said
    (row,) = json.loads(result.read_text())["results"]
    assert row["status"] == "ok" and row["accelerator"] == "xnnpack" and row["delegation"]["partitions"] == 1
    assert row["device"]["cpu"] == "ARM Cortex-A76" and "NEON dot product" in row["device"]["instructions"]
    assert row["stand_in"] == "emulator" or not pathlib.Path("/proc/sys/kernel/arch").exists()


@pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason=f"no {COMPILER} here; on Debian: apt install g++-aarch64-linux-gnu"
)
def test_cpp_example_gives_the_labels_of_x86(street, tmp_path):
    model, image, labels = street
    folder = shutil.copytree(EXAMPLE, tmp_path / "cpp", ignore=shutil.ignore_patterns("segment"))
    library = (FOLDER / "site" / "ai_edge_litert").resolve()
    run("make", "-C", folder, f"CXX={COMPILER}", f"LITERT={library}", "CXXFLAGS=-O2 -Werror")
    assert cv2.imwrite(str(tmp_path / "street.ppm"), image[..., ::-1])
    card = json.loads(model.with_suffix(".json").read_text())
    numbers = [",".join(map(repr, card["normalization"][name])) for name in ("mean", "std")]
    aligned = ["align_corners"] if card["align_corners"] else []
    program = aarch64.emulated(FOLDER, folder / "segment")
    run(*program, model, tmp_path / "street.ppm", tmp_path / "labels.pgm", *numbers, *aligned)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "labels.pgm"), cv2.IMREAD_UNCHANGED), labels)


@pytest.mark.skipif(sshd.SSHD is None, reason="no sshd here; on Debian: apt install openssh-server")
def test_whole_benchmark_over_ssh(tmp_path, int8_file):
    server = sshd.start(tmp_path)
    try:
        server.make_ready(aarch64.version(), f'exec {shlex.join(aarch64.python(FOLDER))} "$@"')
        options = Options(ssh_config=str(server.config))
        (row,) = benchmark.benchmark(
            [int8_file], server.target, threads=[1], runs=2, warmup=1, profile=True, options=options
        )
    finally:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert row["status"] == "ok", row
    assert row["device"]["cpu"] == "ARM Cortex-A76" and row["accelerator"] == "xnnpack"
    assert row["correctness"] == {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0}
    assert row["stand_in"] in ("emulator", "loopback") and "no device's speed" in table([row])
    assert {op["delegate"] for op in row["profile"]["ops"]} == {"xnnpack"}


@needs_adb
def test_whole_benchmark_over_adb(connected, tmp_path, int8_file):
    phone = connected()
    program = install(tmp_path / "program" / "benchmark_model", "classic", python=aarch64.python(FOLDER))
    (row,) = measure(phone, int8_file, program, runs=1)
    assert row["status"] == "ok", row
    assert row["stand_in"] == "loopback" and row["accelerator"] == "xnnpack"
    assert row["correctness"] == {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0}
