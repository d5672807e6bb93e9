import contextlib
import glob
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from edge import benchmark, targets
from edge.device.tensors import pack, random_input, unpack
from edge.table import table
from edge.targets import MeasurementFailed, host
from keras_liteseg.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]


class ArgMax(keras.layers.Layer):
    """TensorFlow's argmax is a TFLite op outside XNNPACK; that of Keras needs TensorFlow in the runtime."""

    def __init__(self, argmax):
        super().__init__()
        self.argmax = argmax

    def call(self, inputs):
        return self.argmax(inputs)


def to_tflite(argmax, size=16):
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3), batch_size=1)
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, ArgMax(argmax)(x)))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return converter.convert()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")

    def builtin(x):
        return tf.argmax(x, -1, output_type=tf.int32)

    def int64(x):
        return tf.cast(tf.cast(x, tf.int64) + 1, tf.float32)

    (folder / "good.tflite").write_bytes(to_tflite(builtin))
    (folder / "int64.tflite").write_bytes(to_tflite(int64))
    (folder / "any_size.tflite").write_bytes(to_tflite(builtin, size=None))
    (folder / "flex.tflite").write_bytes(to_tflite(lambda x: keras.ops.argmax(x, -1)))
    return folder


@pytest.fixture(scope="module")
def good(folder):
    return folder / "good.tflite"


def test_rows(good):
    rows = benchmark.benchmark([good], threads=(1, 2), runs=12, warmup=1)
    assert [(row["model"], row["threads"], row["status"]) for row in rows] == [
        ("good.tflite", 1, "ok"),
        ("good.tflite", 2, "ok"),
    ]
    first = rows[0]
    assert first["bytes"] == good.stat().st_size
    assert first["target"] == "host:cpu"
    assert first["accelerator"] == "xnnpack"
    delegation = first["delegation"]
    (left_out,) = delegation["other_ops"]
    assert (delegation["partitions"], delegation["delegated_ops"]) == (1, 1)
    assert (left_out["op"], left_out["count"]) == ("ARG_MAX", 1) and "XNNPACK" in left_out["reason"]
    assert [(tensor["dtype"], tensor["shape"]) for tensor in first["inputs"]] == [("float32", [1, 16, 16, 3])]
    assert [(tensor["dtype"], tensor["shape"]) for tensor in first["outputs"]] == [("int32", [1, 14, 14])]
    assert set(first["device"]) == {"cpu", "soc", "cores", "os", "instructions"}
    assert (first["stand_in"], first["network"], first["precision"], first["accuracy"]) == (None,) * 4
    assert first["ratio_to_first"] == 1
    assert first["correctness"] == {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0}
    assert len(first["round_p50_ms"]) == benchmark.ROUNDS
    for row in rows:
        run, end_to_end = row["latency_ms"]["run"], row["latency_ms"]["end_to_end"]
        for times in (run, end_to_end):
            assert 0 < times["min"] <= times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
        assert run["p50"] <= end_to_end["p50"]
        assert row["init_ms"] > row["compile_ms"] > 0 and row["first_run_ms"] > 0
    json.dumps(rows)

    for row in rows:
        row["load_average"] = 0.0
    assert len(table(rows).splitlines()) == 3
    rows[1]["load_average"] = 64.0 * rows[1]["device"]["cores"]
    assert table(rows).splitlines()[-1].startswith("The machine was busy before the measuring")


def test_memory_is_that_of_the_model_and_not_of_this_process(good):
    # This test process has TensorFlow loaded; getrusage would hand its memory on to the runner.
    memory = benchmark.benchmark([good], threads=[1], runs=1)[0]["peak_memory_mb"]
    assert 0 < memory["model"] < memory["process"] < 200


def test_a_failing_model_does_not_stop_the_others(folder, good):
    failed, ok = benchmark.benchmark([folder / "flex.tflite", good], threads=[1], runs=2, warmup=0)
    assert failed["status"] == "failed"
    assert "FlexBitwiseAnd" in failed["reason"] and "\n" not in failed["reason"]
    assert "latency_ms" not in failed
    assert ok["status"] == "ok"
    assert ok["ratio_to_first"] is None


needs_gpu = pytest.mark.skipif(
    not (host.SWIFTSHADER.exists() or any(map(glob.glob, host._DRIVERS))),
    reason="no Vulkan driver here; on Debian the package chromium holds SwiftShader",
)


@needs_gpu
def test_gpu(good):
    (row,) = benchmark.benchmark([good], "host:gpu", threads=(1, 2), runs=2, warmup=0)
    assert row["status"] == "ok", row
    assert (row["accelerator"], row["delegation"]["other_ops"]) == ("gpu", [])
    assert set(row["adapter"]) == {"name", "backend", "type"}
    assert row["correctness"]["equal_labels"] >= 0.995
    assert 0 < row["latency_ms"]["run"]["p50"] <= row["latency_ms"]["end_to_end"]["p50"]
    assert bool(row["stand_in"]) == ("no device's speed" in table([row]))
    if "SwiftShader" in row["adapter"]["name"]:
        assert row["stand_in"] == "software GPU"


@needs_gpu
def test_gpu_row_fails_when_an_op_falls_off(folder):
    (row,) = benchmark.benchmark([folder / "int64.tflite"], "host:gpu", threads=[1], runs=1)
    assert row["status"] == "failed"
    assert "not all of it runs on the GPU: " in row["reason"] and "CAST: Tensor type(INT64)" in row["reason"]


def test_gpu_without_a_driver(good, monkeypatch, tmp_path):
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(host, "_DRIVERS", ())
    monkeypatch.setattr(host, "SWIFTSHADER", tmp_path / "none.json")
    (row,) = benchmark.benchmark([good], "host:gpu")
    assert row["status"] == "failed" and row["reason"].startswith("no Vulkan driver was found; install one")


def test_timeout_gives_a_failed_row(good):
    (row,) = benchmark.benchmark([good], threads=[1], timeout_s=0.001)
    assert (row["status"], row["reason"]) == ("failed", "no answer to 'load' within 0.001 s")


def test_crash_is_a_failed_measurement(good):
    session = targets.connect("host:cpu").start(good, threads=1, timeout_s=60)
    session.ask("load")
    os.kill(session.process.pid, signal.SIGKILL)
    with pytest.raises(MeasurementFailed, match="killed by SIGKILL"):
        session.ask("run 1")
    session.close()


def test_session_that_cannot_start_says_why(good):
    session = targets.connect("host:cpu").start(good, threads="many", timeout_s=60)
    with pytest.raises(MeasurementFailed, match="ValueError.*many"):
        session.ask("load")
    session.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"target": "jetson:orin"},
            "Unknown target 'jetson:orin'; choose from host:cpu, host:gpu, host:npu, host:openvino, ",
        ),
        ({"images": "no/such/folder"}, "There is no picture or folder no/such/folder"),
        ({"target": "host:tpu"}, "there are host:cpu, host:gpu, host:npu, host:openvino and host:onnxruntime"),
        ({"threads": [0]}, "threads is 0; give whole numbers from 1 to 1024"),
        ({"threads": []}, "threads is empty"),
        ({"threads": 2}, "threads is 2; give whole numbers from 1 to 1024"),
        ({"threads": ["two"]}, "threads is two; give whole numbers from 1 to 1024"),
        ({"runs": 2.5}, "runs is 2.5"),
        ({"timeout_s": 0}, "timeout_s is 0; it must be a number above 0"),
        ({"models": "none.tflite"}, "models is the path none.tflite; give a list"),
        ({"runs": 0}, "runs is 0"),
        ({"warmup": -1}, "warmup is -1"),
        ({"models": []}, "No model"),
        ({"models": 3}, "models is 3; give a list of paths"),
        ({"models": [None]}, "The .tflite file is None; give a path"),
        ({"images": 3}, "The picture or folder of pictures is 3; give a path"),
        ({"models": ["none.tflite"]}, "Cannot read none.tflite"),
    ],
)
def test_bad_arguments(good, arguments, message):
    with pytest.raises(UserError, match=message):
        benchmark.benchmark(**{"models": [good], **arguments})


def test_bad_files(folder, good, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not a model at all")
    truncated = tmp_path / "truncated.tflite"
    truncated.write_bytes(good.read_bytes()[:-100])
    for path, message in [
        (other, "not a TFLite file"),
        (truncated, "truncated"),
        (folder / "any_size.tflite", "any size"),
    ]:
        with pytest.raises(UserError, match=message):
            benchmark.benchmark([good, path])


def test_runs_are_shared_out_evenly():
    assert benchmark._shares(25, 10) == [3] * 5 + [2] * 5
    assert benchmark._shares(3, 10) == [1, 1, 1]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("float32", -1, 1),
        ("float16", -1, 1),
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int16", -(2**15), 2**15 - 1),
        ("bool", 0, 1),
    ],
)
def test_random_input_fills_the_range_of_its_type(dtype, low, high):
    data = random_input(np.random.default_rng(0), (1, 512, 512, 3), np.dtype(dtype))
    assert data.dtype == dtype and data.shape == (1, 512, 512, 3)
    assert float(data.min()) == pytest.approx(low, rel=1e-3)
    assert float(data.max()) == pytest.approx(high, rel=1e-3)


def test_packed_tensors_come_back():
    rng = np.random.default_rng(0)
    arrays = [random_input(rng, (2, 3, 5), np.dtype(dtype)) for dtype in ("float32", "int8", "uint8", "bool")]
    line = pack(arrays)
    assert "\n" not in line
    for ours, theirs in zip(arrays, unpack(line), strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)


def run(*arguments):
    command = [sys.executable, "-m", "keras_liteseg", "benchmark", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_command_line(folder, good, tmp_path):
    output = tmp_path / "new" / "result.json"
    models = f"{good},{folder / 'flex.tflite'}"
    done = run("--model", models, "--threads", "1", "--runs", "2", "--output", output)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: 1 of 2 measurements failed")
    assert "1x ARG_MAX" in done.stdout and "failed: " in done.stdout and f"Wrote {output}" in done.stdout
    result = json.loads(output.read_text())
    assert {"command", "date", "device", "versions", "results"} == set(result)
    assert [row["status"] for row in result["results"]] == ["ok", "failed"]


def test_output_that_cannot_be_written_stops_before_the_measuring(good):
    done = run("--model", good, "--output", good / "result.json")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: Cannot write {good / 'result.json'}")
    assert done.stdout == ""


def test_full_disk_takes_no_table_away(good, disk):
    with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    done = run("--model", good, "--threads", "1", "--runs", "1", "--output", disk / "result.json")
    assert done.returncode == 1 and "No space left on device" in done.stderr.splitlines()[-1]
    assert "measured" in done.stdout


def test_output_that_is_no_result_file(good, tmp_path):
    done = run("--model", good, "--output", tmp_path / "result.txt")
    assert done.returncode == 1 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert "no result file; give a name that ends in .json or .jsonl" in done.stderr.splitlines()[-1]


def test_output_in_place_of_the_card_of_a_network(good, tmp_path):
    card = tmp_path / "a.json"
    card.write_text('{"file": "a.tflite", "bytes": 9, "sha256": "0"}')
    done = run("--model", good, "--threads", "1", "--runs", "1", "--output", card)
    assert done.returncode == 1 and done.stdout == "" and "sha256" in card.read_text()
    assert f"The result {card} would replace the card" in done.stderr.splitlines()[-1]


def test_threads_that_are_not_numbers(good, tmp_path):
    done = run("--model", good, "--threads", "1,two", "--output", tmp_path / "a.json")
    assert done.returncode == 2 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert "'--threads': '1,two': 'two' is not a valid integer range; write it like 1,2." in done.stderr
