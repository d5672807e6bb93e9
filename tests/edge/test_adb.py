"""Measuring on Android phones: the real adb, a device's end that runs on this machine, and a program in the place of
benchmark_model that measures for real and prints in its words."""

import contextlib
import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest

from edge import benchmark, targets
from edge.table import table
from edge.targets import MeasurementFailed, Options, adb
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.gpu import SWIFTSHADER, swiftshader_variables
from tests.edge.measuring_program import install

ROOT = pathlib.Path(__file__).parents[2]
needs_adb = pytest.mark.skipif(shutil.which("adb") is None, reason="no adb here; on Debian: apt install adb")
needs_gpu = pytest.mark.skipif(not SWIFTSHADER.exists(), reason="no SwiftShader here; on Debian: apt install chromium")


@pytest.fixture
def device(connected):
    return connected()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """{form: path of a program that stands in for benchmark_model}."""
    folder = tmp_path_factory.mktemp("programs")
    return {form: install(folder / form / "benchmark_model", form) for form in ("classic", "litert")}


@pytest.fixture
def classic(programs):
    return programs["classic"]


def measure(device, model, program, accelerator="cpu", **changes):
    options = Options(benchmark_model=str(program))
    arguments = dict(threads=[1], runs=2, warmup=1, options=options) | changes
    return benchmark.benchmark([model], f"adb://{device.serial}/{accelerator}", **arguments)


def reason(device, model, program, accelerator="cpu", **changes):
    (row,) = measure(device, model, program, accelerator, **changes)
    assert row["status"] == "failed" and "latency_ms" not in row and "\n" not in row["reason"], row
    return row["reason"]


def leftovers(device):
    return sorted(path.name for path in (device.root / "data/local/tmp").rglob("*") if not path.is_dir())


def settings(program):
    return Options(benchmark_model=str(program))


@needs_adb
def test_row_of_the_classic_program(device, classic, int8_file):
    name = int8_file.parent / 'it\'s a "model"; touch oops & $(touch oops).tflite'
    shutil.copy(int8_file, name)
    (there,) = measure(device, name, classic)
    (here,) = benchmark.benchmark([name], threads=[1], runs=2, warmup=0)
    assert there["status"] == "ok", there
    assert there.keys() == here.keys() | {"cpu_mask"}
    for key in ("model", "sha256", "precision", "accelerator", "delegation", "inputs", "outputs", "threads"):
        assert there[key] == here[key]
    assert there["correctness"] == {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0}
    assert there["device"] == {
        "cpu": "Nobody Test phone",
        "soc": "Some SoC 1",
        "cores": len(os.sched_getaffinity(0)),
        "os": "Android 14 (API 34), arm64-v8a",
    }
    assert there["runtime"]["name"] == "benchmark_model (classic)"
    run = there["latency_ms"]["run"]
    assert 0 < run["min"] <= run["p50"] <= run["max"] and there["latency_ms"]["end_to_end"] is None
    assert len(there["round_p50_ms"]) == 2 and there["init_ms"] > 0 and there["first_run_ms"] > 0
    assert 0 < there["peak_memory_mb"]["model"] < there["peak_memory_mb"]["process"]
    assert there["stand_in"] == "loopback" and "no device's speed" in table([there])
    assert leftovers(device) == ["benchmark_model", "ready"]
    assert not list(device.root.rglob("oops")) and not pathlib.Path("oops").exists()


@needs_adb
def test_row_of_the_program_of_litert_2(device, programs, int8_file):
    (row,) = measure(device, int8_file, programs["litert"])
    assert row["status"] == "ok", row
    assert row["runtime"]["name"] == "benchmark_model (LiteRT 2)"
    assert "has no flag --input_layer_value_files" in row["correctness"]["unsupported"]
    assert "outputs not compared" in table([row])
    assert 0 < row["latency_ms"]["run"]["min"] <= row["latency_ms"]["run"]["p50"]


@needs_adb
@pytest.mark.parametrize("form", ["classic", "litert"])
def test_profile(device, programs, float_file, form):
    (row,) = measure(device, float_file, programs[form], profile=True, runs=1)
    (here,) = benchmark.benchmark([float_file], threads=[1], runs=1, profile=True)
    assert [(op["op"], op["delegate"]) for op in row["profile"]["ops"]] == [
        (op["op"], op["delegate"]) for op in here["profile"]["ops"]
    ]
    assert all(op["ms"] >= 0 for op in row["profile"]["ops"])
    assert row["delegation"] == here["delegation"]
    assert [(entry["op"], entry["count"]) for entry in row["delegation"]["other_ops"]] == [("ARG_MAX", 1)]


@needs_adb
def test_clean_removes_everything(device, classic, int8_file):
    (row,) = measure(device, int8_file, classic, options=Options(benchmark_model=str(classic), clean=True), runs=1)
    assert row["status"] == "ok", row
    assert leftovers(device) == [] and (device.root / "data/local/tmp").exists()


@needs_adb
def test_big_cores_are_used_for_the_cpu(connected, tmp_path, int8_file):
    phone = connected(environment={"SEEN": str(tmp_path / "seen")})
    for number, mhz in enumerate((1800, 2400) if (os.cpu_count() or 1) > 1 else (1800,)):
        phone.core(number, mhz)
    seen = "import os; open(os.environ['SEEN'], 'a').write(f'{sorted(os.sched_getaffinity(0))}\\n')"
    program = install(tmp_path / "program" / "benchmark_model", "classic", seen)
    (row,) = measure(phone, int8_file, program, runs=1)
    assert row["status"] == "ok", row
    assert row["state"]["before"]["cpu_mhz"][0] == 1800 and row["state"]["before"]["governor"] == "schedutil"
    if os.cpu_count() > 1:
        assert row["cpu_mask"] == "2" and set((tmp_path / "seen").read_text().splitlines()) == {"[1]"}


@pytest.mark.parametrize(
    ("speeds", "mask"),
    [
        ({0: "1800000", 4: "2400000", 5: "2400000", 7: "2800000"}, "b0"),
        ({0: "1800000", 1: "1800000"}, None),
        ({0: "", 1: ""}, None),
        ({}, None),
    ],
)
def test_mask_of_the_big_cores(speeds, mask):
    phone = object.__new__(adb.Phone)
    phone._properties = {f"cpu{core}": speed for core, speed in speeds.items()} | {"taskset": "/system/bin/taskset"}
    assert phone._cpu_mask() == mask
    phone._properties["taskset"] = ""
    assert phone._cpu_mask() is None


@needs_adb
def test_emulator_is_named(connected, classic, int8_file):
    phone = connected(properties={"ro.boot.qemu": "1"})
    (row,) = measure(phone, int8_file, classic, runs=1)
    assert row["stand_in"] == "emulator"


@needs_adb
def test_only_device_needs_no_serial_number(device, classic, int8_file, tmp_path):
    output = tmp_path / "result.json"
    command = [
        sys.executable,
        "-m",
        "keras_liteseg",
        "benchmark",
        f"--model={int8_file}",
        "--target=adb:cpu",
        "--threads=1,2",
    ]
    command += ["--runs=1", f"--benchmark_model={classic}", f"--output={output}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(output.read_text())["results"]
    assert [(row["target"], row["threads"], row["status"]) for row in rows] == [
        ("adb:cpu", 1, "ok"),
        ("adb:cpu", 2, "ok"),
    ]
    assert "loopback: no device's speed" in done.stdout


@needs_adb
@needs_gpu
@pytest.mark.parametrize("form", ["classic", "litert"])
def test_gpu(connected, programs, float_file, form):
    phone = connected(environment=swiftshader_variables())
    (row,) = measure(phone, float_file, programs[form], "gpu", threads=(1, 2))
    assert row["status"] == "ok", row
    assert (row["accelerator"], row["cpu_mask"], row["threads"]) == ("gpu", None, 1)
    assert row["delegation"]["partitions"] == 1 and row["delegation"]["other_ops"] == []
    if form == "classic":
        assert row["correctness"]["equal_labels"] >= 0.995


@needs_adb
@needs_gpu
@pytest.mark.parametrize("form", ["classic", "litert"])
def test_silent_fall_back_to_the_cpu_fails_the_row(connected, programs, tmp_path, form):
    import tensorflow as tf

    from tests.edge.test_benchmark import to_tflite

    path = tmp_path / "int64.tflite"
    path.write_bytes(to_tflite(lambda x: tf.cast(tf.cast(x, tf.int64) + 1, tf.float32)))
    phone = connected(environment=swiftshader_variables())
    said = reason(phone, path, programs[form], "gpu")
    assert "CAST: Tensor type(INT64)" in said
    if form == "classic":
        assert said.startswith("none of the model runs on the GPU: ")


@needs_adb
def test_program_that_knows_no_accelerator_fails_the_row(device, classic, int8_file):
    said = reason(device, int8_file, classic, "npu")
    assert said == "benchmark_model does not say that the NPU took the model; it may not support it"


@needs_adb
def test_wrong_results_fail_the_row(device, tmp_path, int8_file):
    wrong = (
        "from ai_edge_litert.interpreter import Interpreter\n"
        "right = Interpreter.get_tensor\n"
        "Interpreter.get_tensor = lambda *arguments: ~right(*arguments)"
    )
    assert reason(device, int8_file, install(tmp_path / "wrong" / "benchmark_model", "classic", wrong)).startswith(
        "wrong result: "
    )


@needs_adb
def test_phone_cools_down_between_calls(device, classic, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "edge")
    device.zone(0, "cpu-0-0", 30)
    device.zone(1, "battery", 30)
    phone = targets.connect(f"adb://{device.serial}", settings(classic))
    monkeypatch.setattr(adb, "PAUSE_S", 0.05)
    device.zone(1, "battery", 60)
    phone.cool_down()
    assert "cooling down" not in caplog.text
    device.zone(0, "cpu-0-0", 45)
    timer = threading.Timer(0.5, device.zone, (0, "cpu-0-0", 32))
    timer.start()
    phone.cool_down()
    assert not timer.is_alive() and phone.state()["temperature_c"] == {"cpu-0-0": 32, "battery": 60}
    assert "15.0 C warmer than at the start; cooling down" in caplog.text

    device.zone(0, "cpu-0-0", 45)
    monkeypatch.setattr(adb, "COOL_DOWN_S", 0.3)
    phone.cool_down()  # comes to an end
    phone.close()


PAUSING = "import sys, time\nif '--num_runs=?' not in sys.argv: time.sleep(600)"


@needs_adb
def test_timeout_ends_the_program_on_the_device_too(device, tmp_path, int8_file):
    program = install(tmp_path / "pausing" / "benchmark_model", "classic", PAUSING)
    assert reason(device, int8_file, program, timeout_s=3) == "benchmark_model gave no result within 3 s"
    assert not running(device)


def running(device):
    """Return the command lines of what runs in the device's folder."""
    end = time.monotonic() + 5
    while True:
        found = subprocess.run(["pgrep", "-af", f"{device.root}/data"], capture_output=True, text=True).stdout
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)


@needs_adb
def test_lost_connection_is_told(device, tmp_path, int8_file):
    phone = targets.connect(
        f"adb://{device.serial}", settings(install(tmp_path / "pausing" / "benchmark_model", "classic", PAUSING))
    )
    session = phone.start(int8_file, 1, timeout_s=60)
    threading.Timer(1, device.stop).start()
    with pytest.raises(MeasurementFailed, match=f"the connection to {device.serial} is lost .*offline"):
        session.ask("load")
    phone.close()
    subprocess.run(["pkill", "-KILL", "-f", f"{device.root}/data"])


@needs_adb
def test_device_that_is_offline(device, classic, int8_file):
    device.stop()
    expected = f"{device.serial} is offline; unplug it and plug it in again, then try `adb reconnect`"
    assert reason(device, int8_file, classic) == expected


@needs_adb
def test_no_device(adb_server, classic, int8_file):
    for target, expected in (
        ("adb:", "no device is connected; switch on USB debugging on the phone and plug it in"),
        ("adb://R5CT1234", "no device is connected; switch on USB debugging on the phone and plug it in"),
    ):
        (row,) = benchmark.benchmark([int8_file], target, threads=[1], options=settings(classic))
        assert (row["status"], row["reason"]) == ("failed", expected)


@needs_adb
def test_two_devices_and_no_serial_number(connected, classic, int8_file):
    serials = sorted([connected().serial, connected().serial])
    (row,) = benchmark.benchmark([int8_file], "adb:gpu", options=settings(classic))
    assert row["reason"] == (
        f"several devices are connected, {serials[0]}, {serials[1]}; say which, such as adb://{serials[0]}"
    )
    (row,) = benchmark.benchmark([int8_file], f"adb://{serials[1]}", threads=[1], runs=1, options=settings(classic))
    assert row["status"] == "ok", row


@needs_adb
def test_unknown_serial_number(device, classic, int8_file):
    (row,) = benchmark.benchmark([int8_file], "adb://R5CT1234/npu", options=settings(classic))
    assert row["reason"].startswith(f"no device R5CT1234 is connected, only {device.serial}; one in the network has to")


@needs_adb
def test_unauthorised_device(connected, classic, int8_file):
    phone = connected(trusts=False)
    expected = f"{phone.serial} does not trust this computer; unlock it and accept the dialog about USB debugging"
    assert reason(phone, int8_file, classic) == expected


@needs_adb
def test_full_disk(device, classic, int8_file, disk):
    (device.root / "data").rename(device.root / "old")
    (device.root / "data").symlink_to(disk)
    (disk / "local" / "tmp").mkdir(parents=True)
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    assert reason(device, int8_file, classic) == f"{device.serial}: No space left on device; free some there"
    (disk / "filler").unlink()
    assert [row["status"] for row in measure(device, int8_file, classic, runs=1)] == ["ok"]
    assert not list(disk.rglob("*.part")) and not list(disk.rglob("*.tflite"))


@needs_adb
def test_program_for_another_processor(device, int8_file, tmp_path):
    program = tmp_path / "benchmark_model"
    # A program of no processor that there is.
    program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xfe\xca" + bytes(100))
    said = reason(device, int8_file, program)
    assert said.startswith(f"benchmark_model cannot be executed on {device.serial}, whose processor is arm64-v8a: ")


@needs_adb
def test_program_that_is_another(device, int8_file, tmp_path):
    program = tmp_path / "other"
    program.write_text("#!/bin/sh\necho hello\n")
    assert reason(device, int8_file, program) == (
        "what was given as benchmark_model is none: it does not list the flags of one, but ends with exit status 0 and "
        "writes: hello"
    )


@needs_adb
def test_no_program(device, int8_file, tmp_path):
    said = reason(device, int8_file, tmp_path / "none")
    assert (
        said.startswith(f"there is no benchmark_model at {tmp_path / 'none'}; download one") and "android_arm64" in said
    )


@needs_adb
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("os.kill(os.getpid(), 11)", "benchmark_model crashed, killed by SIGSEGV; it last wrote: "),
        ("print('INFO: STARTING!'); sys.exit(0)", "ended without a result; it last wrote: STARTING!"),
        ("print('INFO: count=3 first=1 curr=1 min'); sys.exit(0)", "ended without a result; it last wrote: count=3"),
        (
            "print('INFO: count=5 first=1.2.3 curr=e\\nINFO: Inference timings in us: Init: 1'); sys.exit(0)",
            "wrote a result that cannot be read",
        ),
        ("sys.argv = [word.replace('num_runs=2', 'num_runs=1') for word in sys.argv]", "made 1 runs instead of 2"),
    ],
    ids=["crash", "nothing", "truncated", "malformed", "too few runs"],
)
def test_program_that_breaks(device, int8_file, tmp_path, lines, expected):
    program = install(
        tmp_path / "broken" / "benchmark_model",
        "classic",
        f"import os\nif '--num_runs=?' not in sys.argv:\n    {lines}",
    )
    assert expected in reason(device, int8_file, program, runs=20)


@needs_adb
def test_a_failing_model_does_not_stop_the_others(device, classic, int8_file, tmp_path):
    import keras

    from tests.edge.test_benchmark import to_tflite

    path = tmp_path / "flex.tflite"
    path.write_bytes(to_tflite(lambda x: keras.ops.argmax(x, -1)))
    target = f"adb://{device.serial}"
    failed, ok = benchmark.benchmark([path, int8_file], target, threads=[1], runs=1, options=settings(classic))
    assert failed["status"] == "failed" and "FlexBitwiseAnd" in failed["reason"] and ok["status"] == "ok"


@pytest.mark.parametrize("address", ["adb:tpu", "adb://", "adb:///gpu", "adb://a/b", "adb://a/gpu/1", "adb://a b/gpu"])
def test_address_that_names_no_device(address, int8_file):
    with pytest.raises(
        UserError, match="names no device; write it like adb:gpu, for the only one, or adb://SERIAL/gpu"
    ):
        benchmark.benchmark([int8_file], address)


def test_no_adb(int8_file, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="There is no adb here; install it"):
        benchmark.benchmark([int8_file], "adb:")
