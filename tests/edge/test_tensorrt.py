"""Measuring on TensorRT: its text and files, the ONNX files that it gets, and the whole way over a real sshd with a
program in place of trtexec that computes with ONNX Runtime."""

import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from edge import benchmark
from edge.correctness import Reference
from edge.device import trtexec
from edge.table import table
from edge.targets import MeasurementFailed, Options, ssh, to_onnx
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, RunnerSession
from keras_liteseg.conversion import onnx_export
from keras_liteseg.errors import UserError
from tests.edge import sshd

STAND_IN = pathlib.Path(__file__).with_name("trtexec_stand_in.py")
MISSING = [name for name in ("tf2onnx", "onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed: pip install -r requirements-onnx.txt"
)
needs_sshd = pytest.mark.skipif(sshd.SSHD is None, reason="no sshd here; on Debian: apt install openssh-server")

# As in https://github.com/NVIDIA/TensorRT/issues/2217, /4587 and https://github.com/OE4T/meta-tegra/pull/2243.
LOG = """&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec --onnx=model.onnx
[09/28/2025-09:21:51] [I] === Device Information ===
[09/28/2025-09:21:51] [I]   Device 0: "Orin" UUID: GPU-f5507ee1
[09/28/2025-09:21:51] [I] Selected Device: Orin
[09/28/2025-09:21:51] [I] Selected Device ID: 0
[09/28/2025-09:21:51] [I] Compute Capability: 8.7
[09/28/2025-09:22:01] [I] Engine built in 10.7204 sec.
[09/28/2025-09:22:02] [I] [TRT] [MemUsageChange] TensorRT-managed allocation in engine deserialization: CPU +0, \
GPU +20, now: CPU 0, GPU 20 (MiB)
[09/28/2025-09:22:02] [I] [TRT] [MemUsageChange] TensorRT-managed allocation in IExecutionContext creation: CPU +0, \
GPU +67, now: CPU 1, GPU 87 (MiB)
&&&& PASSED TensorRT.trtexec [TensorRT v101303] [b9] # trtexec --onnx=model.onnx
"""
# As https://github.com/AUTOMATIC1111/stable-diffusion-webui-tensorrt/issues/54.
PARSER_ERROR = """&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=model.onnx
[07/18/2023-14:17:05] [I] Start parsing network model.
[07/18/2023-14:17:05] [E] [TRT] ModelImporter.cpp:726: While parsing node number 5 [Foo -> "y"]:
[07/18/2023-14:17:05] [E] [TRT] ModelImporter.cpp:732: ERROR: builtin_op_importers.cpp:5428 In function importFallback:
[8] Assertion failed: creator && "Plugin not found"
[07/18/2023-14:17:05] [E] Failed to parse onnx file
[07/18/2023-14:17:05] [I] Finished parsing network model. Parse time: 1.98327
&&&& FAILED TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=model.onnx
"""
# As exportJSONTrace, exportJSONProfile and exportJSONOutput of samples/common/sampleReporting.cpp of
# https://github.com/NVIDIA/TensorRT write them.
TIMES = """[
  { "startEnqMs" : 100.1, "endEnqMs" : 100.2, "startH2dMs" : 100.2, "endH2dMs" : 100.3, "startComputeMs" : 100.3, \
"endComputeMs" : 109.3, "startD2hMs" : 109.3, "endD2hMs" : 109.5, "h2dMs" : 0.1, "computeMs" : 9, "d2hMs" : 0.2, \
"latencyMs" : 9.3 }
, { "startEnqMs" : 200.1, "endEnqMs" : 200.2, "startH2dMs" : 200.2, "endH2dMs" : 200.3, "startComputeMs" : 200.3, \
"endComputeMs" : 203.3, "startD2hMs" : 203.3, "endD2hMs" : 203.5, "h2dMs" : 0.1, "computeMs" : 3, "d2hMs" : 0.2, \
"latencyMs" : 3.3 }
, { "startEnqMs" : 204.1, "endEnqMs" : 204.2, "startH2dMs" : 204.2, "endH2dMs" : 204.3, "startComputeMs" : 204.3, \
"endComputeMs" : 206.8, "startD2hMs" : 206.8, "endD2hMs" : 207, "h2dMs" : 0.1, "computeMs" : 2.5, "d2hMs" : 0.2, \
"latencyMs" : 2.8 }
]
"""
PROFILE = """[
  { "count" : 40 }
, { "name" : "Conv_0 + Relu_1", "timeMs" : 120, "averageMs" : 3, "medianMs" : 2.9, "percentage" : 75 }
, { "name" : "Resize_2", "timeMs" : 40, "averageMs" : 1, "medianMs" : 1, "percentage" : 25 }
]
"""
OUTPUTS = """[
  { "name" : "output_1"
  , "dimensions" : "2"
  , "values" : [ 3, -4 ]
  }
, { "name" : "output_0"
  , "dimensions" : "1x2x2"
  , "values" : [ 0.125, -1e-05, 1.19421e+07, 0 ]
  }
]
"""


def test_text():
    assert trtexec.read_log(LOG) == {
        "version": "10.13.3",
        "device": "Orin",
        "compute_capability": "8.7",
        "build_s": 10.7204,
        "memory_mb": 88.0,
    }
    assert set(trtexec.read_log("nothing of that").values()) == {None}


@pytest.mark.parametrize(
    ("number", "version", "half"),
    [("8602", "8.6.2", False), ("100300", "10.3.0", False), ("110401", "11.4.1", True)],
)
def test_versions(number, version, half):
    assert trtexec.read_log(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] # trtexec")["version"] == version
    assert trtexec.needs_half(version) == half


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            PARSER_ERROR,
            "ModelImporter.cpp:732: ERROR: builtin_op_importers.cpp:5428 In function importFallback: [8] Assertion "
            'failed: creator && "Plugin not found"',
        ),
        ("=== Help ===\n[11/21/2026-12:00:00] [E] Unknown option: --fp16 \n", "Unknown option: --fp16"),
        ("[11/21/2026-12:00:00] [I] Fine\n[11/21/2026-12:00:01] [E] Engine set up failed\n", "Engine set up failed"),
        (
            "trtexec: loading shared libraries: libnvinfer.so.10\n",
            "trtexec: loading shared libraries: libnvinfer.so.10",
        ),
        ("", ""),
    ],
)
def test_why_it_failed(text, sentence):
    assert trtexec.failure(text) == sentence


def test_times_leave_the_warm_up_out():
    assert trtexec.read_times(TIMES) == {"run": [3.0, 2.5], "end_to_end": [3.3, 2.8]}


def test_profile():
    found = trtexec.read_profile(PROFILE)
    assert (found["total_ms"], found["runs"], found["partitions"]) == (4.0, 40, 1)
    assert [(op["op"], op["ms"], op["share"], op["index"]) for op in found["ops"]] == [
        ("Conv_0 + Relu_1", 3.0, 0.75, 0),
        ("Resize_2", 1.0, 0.25, 1),
    ]


def test_outputs():
    found = trtexec.read_outputs(OUTPUTS)
    np.testing.assert_array_equal(found["output_0"], [[[0.125, -1e-05], [1.19421e07, 0]]])
    np.testing.assert_array_equal(found["output_1"], [3, -4])


def test_outputs_that_are_no_numbers():
    found = trtexec.read_outputs(OUTPUTS.replace("3, -4", "-nan, inf"))
    np.testing.assert_array_equal(found["output_1"], [np.nan, np.inf])


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (trtexec.read_times, TIMES[:-20]),
        (trtexec.read_times, "{}"),
        (trtexec.read_times, '[{ "latencyMs" : 3 }]'),
        (trtexec.read_times, "[]"),
        (trtexec.read_profile, PROFILE[:-20]),
        (trtexec.read_profile, "[]"),
        (trtexec.read_outputs, OUTPUTS[:-30]),
        (trtexec.read_outputs, OUTPUTS.replace("1x2x2", "1x2x3")),
        (trtexec.read_outputs, OUTPUTS.replace("-4", "minus four")),
        (trtexec.read_outputs, ""),
    ],
)
def test_damaged_files(read, text):
    with pytest.raises(RuntimeError, match="^trtexec"):
        read(text)


def test_address():
    assert ssh._parse("//pi@board:2222/tensorrt") == ("pi@board", 2222, "tensorrt")
    assert [ssh.uses_threads(f"//board{path}") for path in ("", "/gpu", "/tensorrt")] == [True, False, False]


def test_without_tf2onnx(int8_file, monkeypatch):
    monkeypatch.setattr(onnx_export, "PACKAGES", ("tf2onnx_that_is_not_here",))
    said = "needs tf2onnx_that_is_not_here.*; install it with: pip install 'keras-liteseg"
    with pytest.raises(UserError, match=re.escape("TensorRT, which needs the network as ONNX, ") + said):
        benchmark.benchmark([int8_file], "ssh://jetson/tensorrt")


def test_quantized_file_is_refused(int8_file, tmp_path):
    with pytest.raises(MeasurementFailed, match=r"zero point other than 0, .*\); give the float32 or float16 file"):
        to_onnx.convert(int8_file, tmp_path / "int8.onnx")
    assert not list(tmp_path.iterdir())


def write(path, model, metadata, **changes):
    from keras_liteseg.conversion.convert import convert

    path.write_bytes(convert(model, metadata.replace(**changes)))
    return path


@pytest.fixture(scope="session")
def float_file(folded, metadata, tmp_path_factory):
    """`network` as a float32 .tflite file that gives logits."""
    return write(
        tmp_path_factory.mktemp("float") / "float32.tflite", folded, metadata, quantization="none", output_type="logits"
    )


@pytest.fixture(scope="session")
def onnx_file(float_file):
    """`float_file` as ONNX, beside it."""
    path = float_file.with_suffix(".onnx")
    to_onnx.convert(float_file, path)
    return path


@pytest.fixture(scope="session")
def reference(float_file):
    return Reference(float_file)


def compute(path, frame):
    """Return the outputs of an ONNX file for a list of input tensors."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {f"input_{number}": values for number, values in enumerate(frame)})


@needs_onnx
def test_onnx_computes_what_the_file_does(onnx_file, reference):
    for frame, (expected,) in zip(reference.frames, reference.outputs, strict=True):
        (found,) = compute(onnx_file, frame)
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(found, expected, atol=1e-4)
        np.testing.assert_array_equal(found.argmax(-1), expected.argmax(-1))


@pytest.fixture(scope="module")
def small():
    """A network of three convolutions, folded: for what changes types alone."""
    import keras

    from keras_liteseg.graph import fold_batch_norm
    from tests.tiny import tiny

    keras.utils.set_random_seed(0)
    return fold_batch_norm(tiny((64, 128, 3), 9))


@needs_onnx
def test_onnx_in_16_bits_is_near(small, metadata, tmp_path):
    import onnx

    file = write(tmp_path / "float32.tflite", small, metadata, quantization="none", output_type="logits")
    path, reference = tmp_path / "half.onnx", Reference(file)
    to_onnx.convert(file, path, half=True)
    weights = {tensor.data_type for tensor in onnx.load(path).graph.initializer if len(tensor.dims) == 4}
    assert weights == {onnx.TensorProto.FLOAT16}
    for frame, (expected,) in zip(reference.frames, reference.outputs, strict=True):
        (found,) = compute(path, frame)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=0.01 * np.ptp(expected))


@needs_onnx
def test_class_map_of_a_float16_file(small, metadata, tmp_path):
    path = write(tmp_path / "float16.tflite", small, metadata, quantization="float16", output_type="classes")
    to_onnx.convert(path, tmp_path / "float16.onnx")
    reference = Reference(path)
    for frame, (expected,) in zip(reference.frames, reference.outputs, strict=True):
        (found,) = compute(tmp_path / "float16.onnx", frame)
        assert found.dtype == expected.dtype == np.int32
        assert np.mean(found == expected) > 0.999 and len(np.unique(expected)) > 2


@needs_onnx
def test_op_that_onnx_has_not(tmp_path):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def complex_numbers(x):
        return tf.abs(tf.complex(x, x))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([complex_numbers.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (tmp_path / "complex.tflite").write_bytes(converter.convert())
    with pytest.raises(MeasurementFailed, match="^tf2onnx cannot make ONNX of it: .+") as failed:
        to_onnx.convert(tmp_path / "complex.tflite", tmp_path / "complex.onnx")
    assert "\n" not in str(failed.value) and not (tmp_path / "complex.onnx").exists()


def stand_in(folder, **variables):
    """Write a `trtexec` into `folder`, and return the folder."""
    folder.mkdir()
    program = folder / "trtexec"
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    words = shlex.join([sys.executable, str(STAND_IN)])
    program.write_text(f'#!/bin/sh\n{settings} exec {words} "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def device(float_file, onnx_file, tmp_path):
    """Function that returns a session of the runner on TensorRT, without SSH."""
    # trtexec splits its lists at commas and colons.
    folder = tmp_path / "a home, it's: mine"
    folder.mkdir()
    shutil.copytree(DEVICE_FOLDER, folder / "device")
    for file in (float_file, onnx_file):
        shutil.copy(file, folder)
    sessions = []

    def start(timeout_s=120, **variables):
        environment = {**os.environ, "PATH": f"{stand_in(tmp_path / 'bin', **variables)}:{os.environ['PATH']}"}
        command = [sys.executable, "-m", MODULE, folder / float_file.name, "1", "tensorrt"]
        sessions.append(RunnerSession(command, timeout_s, lambda: None, environment, folder))
        return sessions[-1]

    yield start
    for session in sessions:
        session.close()


@needs_onnx
def test_runner(device, reference):
    session = device()
    loaded = session.ask("load")
    assert loaded["init_ms"] > loaded["compile_ms"] > 0 and loaded["first_run_ms"] is None
    assert session.ask("warmup 5") == {}
    times = session.ask("run 3")
    assert len(times["run"]) == len(times["end_to_end"]) == 3 and min(times["run"]) > 0
    assert reference.compare(session)["max_difference"] < 1e-4
    report = session.ask("report")
    assert report["runtime"] == {"name": "TensorRT", "version": "10.3.0"}
    assert report["accelerator"] == "tensorrt fp16" and report["converted"] == "ONNX opset 17, TensorRT fp16"
    assert report["adapter"] == {"name": "stand-in", "backend": "CUDA", "type": "compute capability 8.7"}
    assert report["peak_memory_mb"] == {"model": 7.0}
    assert report["delegation"]["other_ops"] == []


@needs_onnx
def test_profile_needs_no_loaded_model(device):
    found = device().ask("profile 4")
    assert found["runs"] >= 4 and found["ops"] and sum(op["share"] for op in found["ops"]) == pytest.approx(1)
    assert found["total_ms"] == pytest.approx(sum(op["ms"] for op in found["ops"]))


@needs_onnx
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"FAULT": "killed"}, "trtexec was killed by SIGKILL"),
        ({"TENSORRT": "abc"}, "does not tell its version"),
    ],
)
def test_trtexec_that_cannot_build(device, variables, message):
    with pytest.raises(MeasurementFailed, match=message):
        device(**variables).ask("load")


@needs_onnx
@pytest.mark.parametrize(
    ("fault", "message"), [("no times", "wrote no times.json"), ("cut times", "trtexec's times cannot be read")]
)
def test_trtexec_whose_times_are_missing(device, fault, message):
    session = device(FAULT=fault)
    session.ask("load")
    with pytest.raises(MeasurementFailed, match=message):
        session.ask("run 2")


@needs_onnx
@pytest.mark.parametrize(
    ("fault", "message"),
    [("wrong", "wrong result: "), ("nan", "wrong result: "), ("cut outputs", "trtexec's output output_0")],
)
def test_trtexec_whose_outputs_are_wrong(device, reference, fault, message):
    session = device(FAULT=fault)
    session.ask("load")
    with pytest.raises(MeasurementFailed, match=message):
        reference.compare(session)


@needs_onnx
def test_onnx_file_that_trtexec_refuses(device, onnx_file):
    session = device()
    (copy,) = pathlib.Path(session.process.args[3]).parent.glob("*.onnx")
    copy.write_bytes(onnx_file.read_bytes()[:1000])
    with pytest.raises(MeasurementFailed, match="trtexec failed with exit status 1: ModelImporter.cpp:914: Failed to"):
        session.ask("load")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    server = sshd.start(tmp_path / "server")
    yield server
    sshd.stop(server)


def measure(server, models, **changes):
    arguments = dict(runs=2, warmup=1, options=Options(ssh_config=str(server.config))) | changes
    return benchmark.benchmark(models, f"{server.target}/tensorrt", **arguments)


def make_ready(server, folder):
    server.make_ready(importlib.metadata.version("ai-edge-litert"), f'PATH="{folder}:$PATH" exec "$python" "$@"')


@needs_sshd
@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("version", ["100300", "110401"])
def test_whole_way(server, float_file, int8_file, tmp_path, version):
    # The stand-in of TensorRT 11 refuses --fp16, as 11 does.
    make_ready(server, stand_in(tmp_path / "bin", TENSORRT=version))
    odd = tmp_path / 'it\'s a "model"; touch oops & $(touch oops), a:b.tflite'
    shutil.copy(float_file, odd)
    row, failed = measure(server, [odd, int8_file], threads=(1, 2), profile=True)
    assert row["status"] == "ok", row
    assert (row["stand_in"], row["accelerator"]) == ("loopback", "tensorrt fp16")
    assert row["converted"] == "ONNX opset 17, TensorRT fp16"
    assert row["runtime"]["version"] == {"100300": "10.3.0", "110401": "11.4.1"}[version]
    assert [tensor["name"] for tensor in row["inputs"] + row["outputs"]] == ["images", "logits"]
    assert row["correctness"]["equal_labels"] >= 0.995 and row["correctness"]["max_difference"] > 0
    assert 0 < row["latency_ms"]["run"]["p50"] <= row["latency_ms"]["end_to_end"]["p50"]
    assert row["compile_ms"] > 0 and row["profile"]["ops"] and row["first_run_ms"] is None
    assert failed["status"] == "failed" and "give the float32 or float16 file" in failed["reason"]
    lines = table([row, failed]).splitlines()
    assert "tensorrt fp16: stand-in (loopback: no device's speed)" in lines[1] and "failed: " in lines[2]
    assert server.leftovers() == [] and not list(tmp_path.rglob("oops")) and not pathlib.Path("oops").exists()


@needs_sshd
@needs_onnx
def test_device_without_trtexec(server, float_file):
    make_ready(server, "/nowhere")
    (row,) = measure(server, [float_file])
    assert row["status"] == "failed" and ": there is no trtexec, neither on PATH nor as /usr/src" in row["reason"]
    assert server.leftovers() == []


@needs_sshd
@needs_onnx
@pytest.mark.slow
def test_trtexec_that_hangs_is_ended(server, float_file, tmp_path):
    make_ready(server, stand_in(tmp_path / "bin", FAULT="hang"))
    (row,) = measure(server, [float_file], timeout_s=15)
    assert (row["status"], row["reason"]) == ("failed", "no answer to 'load' within 15 s")
    end = time.monotonic() + 20
    while hanging() and time.monotonic() < end:
        time.sleep(0.1)
    assert not hanging()


def hanging():
    """Return the process numbers of stand-ins for trtexec."""
    return subprocess.run(["pgrep", "-f", f"^{sys.executable} {STAND_IN} "], capture_output=True, text=True).stdout
