"""What the GPU accelerator takes, on a GPU or on SwiftShader."""

import collections
import os

import keras
import pytest
import tensorflow as tf

from keras_liteseg.commands import main
from keras_liteseg.tflite import gpu as gpu_module
from keras_liteseg.tflite.flatbuffer import read_model
from keras_liteseg.tflite.gpu import gpu
from tests.tflite.test_inspect import Function, network, to_tflite

INT64 = "LiteRT: Tensor type(INT64) is not supported"
OUTSIDE = "supported, but outside of the largest group of connected ops, and the accelerator takes one group"


def convolutions(count):
    def apply(x):
        for _ in range(count):
            x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        return x

    return apply


# The accelerator has no int64.
cut = Function(lambda x: tf.cast(tf.cast(x, tf.int64), tf.float32))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Function from the bytes of a file to (its `GpuReport`, {(op, reason): count})."""
    folder = tmp_path_factory.mktemp("gpu")

    def apply(content):
        path = folder / f"{len(list(folder.iterdir()))}.tflite"
        path.write_bytes(content)
        report = gpu(path, read_model(path))
        return report, dict(collections.Counter((op.op, op.reason) for op in report.left_out))

    report, _ = apply(to_tflite(network()))
    if report.failure:
        pytest.skip(report.failure)
    return apply


def test_file_that_it_takes_whole(run):
    report, left_out = run(to_tflite(network()))
    assert report.device and report.delegated_ops == 4
    assert left_out == {} and report.unexplained == 0


def test_int8_file(run, int8_file):
    report, left_out = run(int8_file.read_bytes())
    assert report.delegated_ops == len(read_model(int8_file).subgraphs[0].operators)
    assert left_out == {} and report.unexplained == 0


def test_only_the_largest_group_of_ops_is_taken(run):
    # 4 ops and 2 convolutions, 3 convolutions, 7 convolutions.
    tail = lambda x: convolutions(7)(cut(convolutions(3)(cut(convolutions(2)(x)))))  # noqa: E731
    report, left_out = run(to_tflite(network(tail)))
    assert report.delegated_ops == 7 and report.unexplained == 0
    assert left_out.pop(("CAST", INT64)) == 4
    assert sum(left_out.values()) == 4 + 2 + 3
    assert {reason for _, reason in left_out} == {OUTSIDE}


def test_branch_beside_an_op_that_is_left_out(run):
    def tail(x):
        return keras.layers.Add()([convolutions(3)(x), cut(convolutions(1)(x))])

    report, left_out = run(to_tflite(network(tail)))
    assert left_out[("CAST", INT64)] == 2
    # The groups are found as LiteRT finds them: its count of ops agrees.
    assert report.unexplained == 0


def test_file_of_which_it_takes_nothing(run):
    image = keras.Input((8, 8, 3), batch_size=1)
    report, left_out = run(to_tflite(keras.Model(image, cut(image))))
    assert (report.delegated_ops, report.unexplained) == (0, 0)
    assert left_out == {("CAST", INT64): 2}


def test_weights_in_float16(run):
    converter = tf.lite.TFLiteConverter.from_keras_model(network(lambda x: convolutions(3)(cut(x))))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    report, left_out = run(converter.convert())
    assert left_out[("CAST", INT64)] == 2 and report.unexplained == 0


def test_file_that_litert_refuses(run):
    flex = to_tflite(network(Function(lambda x: keras.ops.argmax(x, -1))), [tf.lite.OpsSet.SELECT_TF_OPS])
    report, _ = run(flex)
    assert "LiteRT refuses the file on the GPU accelerator" in report.failure


def test_crash_is_told_with_the_op_that_it_comes_from(run):
    # In LiteRT 2.3.0, groups of more than 4 channels must have a multiple of 4 of them.
    image = keras.Input((8, 8, 12), batch_size=1)
    x = keras.layers.Conv2D(8, 1, groups=2)(keras.layers.DepthwiseConv2D(3)(image))
    report, _ = run(to_tflite(keras.Model(image, keras.layers.Conv2D(4, 1)(x))))
    if report.failure is None:
        pytest.skip("this LiteRT takes groups of any size")
    assert report.failure.startswith("LiteRT crashed in the GPU accelerator (SIG")
    assert report.failure.endswith("at op 1, CONV_2D of shapes [(1, 6, 6, 12), (8, 1, 1, 6), (8,)].")


def test_command_line(run, tmp_path, capsys):
    path = tmp_path / "a.tflite"
    path.write_bytes(to_tflite(network(lambda x: convolutions(7)(cut(x)))))
    assert main(["inspect", "--gpu", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "1 partition of 7 ops on " in printed and ", 6 left out" in printed
    assert f"2x CAST: {INT64}" in printed


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(to_tflite(network()))
    return path


def test_machine_without_vulkan(monkeypatch, tmp_path, file, capsys):
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))
    monkeypatch.setenv("VK_DRIVER_FILES", str(tmp_path / "none.json"))
    monkeypatch.setattr(gpu_module, "SWIFTSHADER", tmp_path / "none.json")
    report = gpu(file, read_model(file))
    assert "no Vulkan driver was found; install one of your GPU, or on Debian the package chromium" in report.failure
    assert report.device is None and report.left_out == ()


def test_silence_of_a_driver_is_told(monkeypatch, file):
    # No driver at hand does either.
    monkeypatch.setattr(gpu_module, "_CHILD", "import time; time.sleep(60)")
    assert "not ready after 1 s" in gpu(file, read_model(file), timeout_s=1).failure
    monkeypatch.setattr(gpu_module, "_CHILD", "print('hello')")
    assert "did not start its GPU accelerator" in gpu(file, read_model(file)).failure


@pytest.mark.parametrize("name", [os.fsdecode(b"\xff.tflite"), "A.TFLITE"])
def test_any_name_reaches_litert_as_it_takes_names(monkeypatch, file, name):
    child = "import sys; print('Selected adapter:', sys.argv[1].encode().endswith(b'.tflite'))"
    monkeypatch.setattr(gpu_module, "_CHILD", child)
    assert gpu(file.rename(file.with_name(name)), read_model(file.with_name(name))).device == "True"
