"""Measuring over SSH, against a real sshd on loopback."""

import glob
import importlib.metadata
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from edge import benchmark, targets
from edge.targets import MeasurementFailed, Options, host, ssh
from keras_liteseg.errors import UserError
from tests.edge import sshd

VERSION = importlib.metadata.version("ai-edge-litert")
ROOT = pathlib.Path(__file__).parents[2]
VULKAN = ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")
needs_gpu = pytest.mark.skipif(
    not (host.SWIFTSHADER.exists() or any(map(glob.glob, host._DRIVERS))),
    reason="no Vulkan driver here; on Debian the package chromium holds SwiftShader",
)
needs_sshd = pytest.mark.skipif(sshd.SSHD is None, reason="no sshd here; on Debian: apt install openssh-server")


@pytest.fixture
def server(tmp_path):
    server = sshd.start(tmp_path)
    yield server
    sshd.stop(server)


@pytest.fixture
def ready(server):
    server.make_ready(VERSION)
    return server


def measure(server, model, config=None, target=None, **changes):
    options = Options(ssh_config=str(config or server.config))
    arguments = dict(threads=[1], runs=2, warmup=0, options=options) | changes
    return benchmark.benchmark([model], target or server.target, **arguments)


def reason(server, model, **changes):
    (row,) = measure(server, model, **changes)
    assert row["status"] == "failed" and "latency_ms" not in row and "\n" not in row["reason"]
    return row["reason"]


def port(server):
    return int(server.target.rsplit(":", 1)[1])


@needs_sshd
def test_row_is_that_of_the_host_and_nothing_is_left_behind(ready, int8_file):
    name = int8_file.parent / 'it\'s a "model"; touch oops & $(touch oops).tflite'
    shutil.copy(int8_file, name)
    (there,) = measure(ready, name)
    (here,) = benchmark.benchmark([name], threads=[1], runs=2, warmup=0)
    assert there["status"] == "ok", there
    assert there.keys() == here.keys()
    assert (there["target"], there["model"]) == (ready.target, name.name)
    for key in ("sha256", "precision", "runtime", "accelerator", "delegation", "inputs", "outputs", "device"):
        assert there[key] == here[key]
    assert (there["stand_in"], here["stand_in"]) == ("loopback", None)
    assert there["correctness"] == {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0}
    assert ready.leftovers() == [] and not list(ready.folder.rglob("oops")) and not pathlib.Path("oops").exists()


@needs_sshd
def test_clean_removes_everything(ready, int8_file):
    options = Options(ssh_config=str(ready.config), clean=True)
    (row,) = measure(ready, int8_file, options=options)
    assert row["status"] == "ok"
    assert not (ready.home / ".cache" / "keras_liteseg").exists()


@needs_sshd
def test_wrong_results_fail_the_row(server, int8_file):
    wrong = server.folder / "wrong"
    wrong.mkdir()
    (wrong / "sitecustomize.py").write_text(
        "from ai_edge_litert.interpreter import Interpreter\n"
        "right = Interpreter.get_tensor\n"
        "Interpreter.get_tensor = lambda *arguments: ~right(*arguments)\n"
    )
    server.make_ready(VERSION, f'PYTHONPATH="{wrong}" exec "$python" "$@"')
    assert reason(server, int8_file).startswith("wrong result: ")


@needs_sshd
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo Segmentation fault >&2; exit 139", "exit status 139; it last wrote: Segmentation fault"),
        ("echo '{\"init_ms\": 1'; exit 0", "the answer to 'load' is not JSON"),
        ("printf '{\"init_ms\": '; exit 0", "the process ended, exit status 0"),
    ],
    ids=["crash", "malformed", "truncated"],
)
def test_runner_that_breaks(server, int8_file, script, expected):
    server.make_ready(VERSION, script)
    assert expected in reason(server, int8_file)


@needs_sshd
def test_silence_in_the_middle_is_a_timeout(ready, int8_file):
    device = targets.connect(ready.target, Options(ssh_config=str(ready.config)))
    session = device.start(int8_file, 1, timeout_s=2)
    session.ask("load")
    (runner,) = runners(ready)
    os.kill(int(runner), signal.SIGSTOP)
    with pytest.raises(MeasurementFailed, match="no answer to 'run 1' within 2 s"):
        session.ask("run 1")
    end = time.monotonic() + 20
    while runners(ready) and time.monotonic() < end:
        time.sleep(0.1)
    assert runners(ready) == []  # it does not go on there
    other = device.start(int8_file, 1, timeout_s=60)
    assert "first_run_ms" in other.ask("load")  # the others go on
    other.close()
    device.close()


@needs_sshd
def test_lost_connection_is_told(ready, int8_file, monkeypatch):
    monkeypatch.setattr(ssh, "CONNECT_S", 3)  # so long it tries to end what runs there
    device = targets.connect(ready.target, Options(ssh_config=str(ready.config)))
    session = device.start(int8_file, 1, timeout_s=60)
    session.ask("load")
    os.killpg(ready.process.pid, signal.SIGSTOP)
    subprocess.run(["pkill", "-KILL", "-f", f"{device._sockets.name}"])  # the client's connection
    with pytest.raises(MeasurementFailed, match="the process ended"):
        session.ask("run 1")
    sshd.stop(ready)
    device.close()


@needs_sshd
@needs_gpu
def test_gpu_and_a_model_that_crashes_the_runtime(server, tmp_path):
    server.make_ready(VERSION, f'{settings(host._vulkan())} exec "$python" "$@"')
    crash = to_tflite(tmp_path / "crash.tflite", lambda x: tf.matmul(x, x, transpose_b=True), (1, 1, 8, 8))
    good = to_tflite(tmp_path / "good.tflite", lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), (1, 8, 8, 4))
    options = Options(ssh_config=str(server.config))
    rows = benchmark.benchmark([crash, good], server.target + "/gpu", runs=2, warmup=0, options=options)
    assert [row["status"] for row in rows] == ["failed", "ok"], [row.get("reason") for row in rows]
    assert re.match("the process ended, .*; it last wrote: .*Check failed", rows[0]["reason"])
    assert rows[1]["accelerator"] == "gpu" and rows[1]["correctness"]["equal_labels"] >= 0.995
    assert rows[1]["stand_in"] == ("software GPU" if "SwiftShader" in rows[1]["adapter"]["name"] else "loopback")


@needs_sshd
def test_device_without_vulkan(server, int8_file):
    server.make_ready(VERSION, f'{settings(dict.fromkeys(VULKAN, "/nowhere"))} exec "$python" "$@"')
    said = reason(server, int8_file, target=server.target + "/gpu")
    assert said.endswith("Vulkan finds no GPU here; install its driver and Vulkan's loader (on Debian: libvulkan1)")


def settings(variables):
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def to_tflite(path, function, shape, dtype=tf.float32):
    function = tf.function(function, input_signature=[tf.TensorSpec(shape, dtype)])
    concrete = function.get_concrete_function()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], function).convert())
    return path


@needs_sshd
@pytest.mark.parametrize(("dtype", "name"), [(tf.string, "string"), (tf.complex64, "complex64")])
def test_input_of_an_unsupported_type(ready, int8_file, tmp_path, dtype, name):
    odd = to_tflite(tmp_path / "odd.tflite", lambda x: tf.reshape(x, (2, 2)), (4,), dtype)
    sentence = f"the model takes an input of type {name}; supported are floats, integers and bool"
    assert reason(ready, odd) == sentence
    here = benchmark.benchmark([odd, int8_file], threads=[1], runs=1, warmup=0)
    assert [(row["status"], row.get("reason")) for row in here] == [("failed", sentence), ("ok", None)]


def runners(server):
    """Return the process numbers of the runners on the device."""
    found = subprocess.run(
        ["pgrep", "-f", f"^{sys.executable} -m device.runner {server.home}"], capture_output=True, text=True
    )
    return found.stdout.split()


@needs_sshd
def test_host_that_is_down(server, int8_file):
    sshd.stop(server)
    assert "refuses connections; is sshd running there" in reason(server, int8_file)


@needs_sshd
def test_unknown_name(server, int8_file):
    said = reason(server, int8_file, target="ssh://no-such-host.invalid")
    assert said == "the name in no-such-host.invalid is not known; check it, or give the address"


@needs_sshd
def test_refused_key(server, int8_file):
    config = sshd.client_config(server.folder, port(server), key="stranger")
    assert "refuses the login; give it your public key with ssh-copy-id" in reason(server, int8_file, config=config)


@needs_sshd
def test_changed_host_key(server, int8_file):
    config = sshd.client_config(server.folder, port(server), host_key="stranger")
    assert "has another host key than before" in reason(server, int8_file, config=config)


@needs_sshd
def test_unknown_host_key(server, int8_file):
    config = sshd.client_config(server.folder, port(server), host_key=None)
    assert "is not known yet; log in once by hand" in reason(server, int8_file, config=config)


@needs_sshd
def test_device_without_python(tmp_path, int8_file):
    server = sshd.start(tmp_path, programs=["sh", "bash", "mkdir", "mktemp", "cat", "mv", "rm"])
    try:
        assert "has no Python 3.10 to 3.13; install one there" in reason(server, int8_file)
    finally:
        sshd.stop(server)


@needs_sshd
def test_full_disk(ready, int8_file, disk):
    folder = disk / "keras_liteseg"
    shutil.copytree(ready.home / ".cache" / "keras_liteseg", folder)
    shutil.rmtree(ready.home / ".cache")
    (ready.home / ".cache").symlink_to(disk)
    with open(disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(4096))
    assert "No space left on device; free some there" in reason(ready, int8_file)
    (disk / "filler").unlink()
    assert [row["status"] for row in measure(ready, int8_file)] == ["ok"]


@needs_sshd
@pytest.mark.slow
def test_environment_is_installed_from_wheels_and_kept(server, int8_file):
    """What a device without internet gets: the wheels that this machine's environment would be made of."""
    wheels = server.folder / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", wheels, f"ai-edge-litert=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the wheels cannot be downloaded here: {done.stderr.splitlines()[-1]}")
    options = Options(ssh_config=str(server.config), wheels=str(wheels))
    assert [row["status"] for row in measure(server, int8_file, options=options)] == ["ok"]
    start = time.monotonic()
    assert [row["status"] for row in measure(server, int8_file)] == ["ok"]
    assert time.monotonic() - start < 60
    assert server.leftovers() == []


@needs_sshd
def test_wheels_that_do_not_fit(server, int8_file, tmp_path):
    (tmp_path / "empty").mkdir()
    options = Options(ssh_config=str(server.config), wheels=str(tmp_path / "empty"))
    said = reason(server, int8_file, options=options)
    assert f"LiteRT {VERSION} cannot be installed" in said and "give --wheels FOLDER" in said


@needs_sshd
def test_command_measures_several_targets_and_goes_on_after_a_lost_one(ready, int8_file, tmp_path):
    output = tmp_path / "result.json"
    lost = ready.target.rsplit(":", 1)[0] + ":1"
    command = [
        sys.executable,
        "-m",
        "keras_liteseg",
        "benchmark",
        f"--model={int8_file}",
        f"--target={lost},{ready.target}",
    ]
    command += [f"--ssh_config={ready.config}", "--threads=1", "--runs=2", f"--output={output}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "1 of 2 measurements failed" in done.stderr and "Traceback" not in done.stderr
    rows = json.loads(output.read_text())["results"]
    assert [(row["target"], row["status"]) for row in rows] == [(lost, "failed"), (ready.target, "ok")]
    assert ready.target in done.stdout and "refuses connections" in done.stdout


@pytest.mark.parametrize(
    "address", ["ssh:jetson", "ssh://", "ssh://user@", "ssh://jetson:many", "ssh://jetson/folder", "ssh://a:b@jetson"]
)
def test_address_that_names_no_device(address, int8_file):
    with pytest.raises(UserError, match="names no device; write it like ssh://user@host"):
        benchmark.benchmark([int8_file], address)
