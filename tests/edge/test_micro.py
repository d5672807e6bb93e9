"""micro: on the real TFLite Micro, and its C++ sources in a real compiler."""

import importlib.util
import re
import shutil
import subprocess

import pytest

from edge import targets
from edge.benchmark import benchmark
from edge.table import table
from edge.targets import Options, micro, micro_runner
from edge.targets.micro_sources import method, write_sources
from keras_liteseg.errors import UserError
from tests.edge.npu_files import tiny_file

tflm = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="TFLite Micro is not installed (extra micro)"
)
# What the sources take from TFLite Micro, of which there is no package with headers.
HEADER = """
enum TfLiteStatus { kTfLiteOk };
#define TF_LITE_ENSURE_STATUS(a) do { const TfLiteStatus s = (a); if (s != kTfLiteOk) return s; } while (0)
namespace tflite {
template <unsigned int count> struct MicroMutableOpResolver {
  TfLiteStatus AddConv2D(); TfLiteStatus AddDepthwiseConv2D(); TfLiteStatus AddResizeBilinear(); TfLiteStatus AddPad();
};
}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiny_file(tmp_path_factory.mktemp("micro") / "3 tiny-net.tflite", (16, 24))


@tflm
def test_row(file, tmp_path):
    (row,) = benchmark([file], "micro:tflm", threads=(1, 2), runs=2, options=Options(compiled=tmp_path))
    assert (row["status"], row["kind"], row["stand_in"]) == ("ok", "simulated", "TFLite Micro on this computer"), row
    assert row["runtime"]["name"] == "TFLite Micro" and row["latency_ms"]["run"]["p50"] > 0
    assert row["correctness"]["equal_labels"] >= 0.995 and row["known_difference"] is None
    content, arena = file.read_bytes(), int(row["memory_kib"]["arena"] * 1024)
    assert micro_runner.smallest_arena(content) == arena
    assert micro_runner._try(content, arena) is None and "failed" in micro_runner._try(content, arena - 1024).lower()
    text = table([row])
    assert "simulated" in text and "no device's speed" in text and f"arena {arena // 1024}" in text
    assert f"constexpr std::size_t kArenaBytes = {arena};" in (tmp_path / "3_tiny_net.h").read_text()


@tflm
def test_row_of_a_file_whose_resizes_drift(file, monkeypatch):
    monkeypatch.setattr(micro, "largest_drift", lambda model: 1.5)
    (row,) = benchmark([file], "micro:tflm", runs=1)
    assert row["status"] == "ok" and row["known_difference"] == micro.DRIFT


@tflm
def test_file_that_it_does_not_take(tmp_path):
    import tensorflow as tf

    from tests.edge.test_browser import small_file

    (row,) = benchmark([small_file(tmp_path, "sign", tf.sign)], "micro:tflm", runs=1)
    assert row["status"] == "failed" and "SIGN" in row["reason"], row


@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
def test_sources_compile_and_hold_the_file(file, tmp_path):
    header, source = write_sources(file, 7, tmp_path)
    assert (header.name, source.name) == ("3_tiny_net.h", "3_tiny_net.cc")
    place = tmp_path / "tensorflow" / "lite" / "micro"
    place.mkdir(parents=True)
    (place / "micro_mutable_op_resolver.h").write_text(HEADER)
    done = subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", f"-I{tmp_path}", source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    array = source.read_text().split("kModel[kModelBytes] = {")[1]
    assert bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w)", array)) == file.read_bytes()
    assert "kArenaBytes = 7168" in header.read_text()


@pytest.mark.parametrize(
    ("op", "name"),
    [
        ("CONV_2D", "Conv2D"),
        ("DEPTHWISE_CONV_2D", "DepthwiseConv2D"),
        ("AVERAGE_POOL_2D", "AveragePool2D"),
        ("RESIZE_BILINEAR", "ResizeBilinear"),
        ("STRIDED_SLICE", "StridedSlice"),
        ("L2_NORMALIZATION", "L2Normalization"),
        ("SPACE_TO_BATCH_ND", "SpaceToBatchNd"),
        ("RELU6", "Relu6"),
        ("PADV2", "PadV2"),
        ("CUMSUM", "CumSum"),
    ],
)
def test_methods_have_the_names_of_tflite_micro(op, name):
    assert method(op) == name


def test_without_tflite_micro_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(micro.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs TFLite Micro; install it with: pip install 'keras-liteseg\[micro\]'"):
        targets.check("micro:tflm")
