"""LiteRT's ARM kernels, under qemu's emulation of user programs: what they compute, not how fast. `make test-edge`
prepares what these tests need."""

import contextlib
import os
import pathlib
import shlex
import shutil
import signal

import pytest

from edge import benchmark
from edge.correctness import Reference
from edge.table import table
from edge.targets import Options, connect
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, RunnerSession
from tests.edge import aarch64, sshd
from tests.edge.measuring_program import install
from tests.edge.test_adb import measure, needs_adb

FOLDER = pathlib.Path(__file__).parents[2] / ".aarch64"
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
