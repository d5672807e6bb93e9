"""rknn: on the real rknn-toolkit2, in an environment of its own, whose Python RKNN_PYTHON names."""

import importlib.util
import os

import pytest

from edge import targets
from edge.benchmark import benchmark
from edge.family import FamilyLatency
from edge.report.report import report
from edge.result_files import write
from edge.table import table
from edge.targets import Options, rknn
from keras_liteseg.conversion import onnx_export
from keras_liteseg.errors import UserError
from tests.edge.npu_files import branched_file
from tests.edge.report.results import Page

PYTHON = os.environ.get("RKNN_PYTHON")
toolkit = pytest.mark.skipif(
    PYTHON is None,
    reason="RKNN_PYTHON names no Python with rknn-toolkit2; make one: python3.11 -m venv .venv-rknn && "
    ".venv-rknn/bin/pip install --no-deps -r requirements-rknn.txt",
)
MISSING = [name for name in onnx_export.PACKAGES if importlib.util.find_spec(name) is None]
onnx = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed: pip install -r requirements-onnx.txt"
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows of an int8 and a float file, and the folder of what was built."""
    folder = tmp_path_factory.mktemp("rknn")
    files = [branched_file(folder / f"{kind}.tflite", quantization=kind) for kind in ("int8", "none")]
    options = Options(rknn_python=PYTHON, compiled=folder / "built")
    return benchmark(files, "rknn:rk3588", threads=(1, 2), runs=3, profile=True, options=options), folder / "built"


@toolkit
@onnx
def test_row_has_labels_and_no_times(rows):
    int8, floats = rows[0]  # one number of threads
    for row, dtype in ((int8, "int8"), (floats, "float32")):
        assert (row["status"], row["kind"], row["stand_in"]) == ("ok", "simulated", rknn.STAND_IN), row
        assert row["latency_ms"] == {"run": None, "end_to_end": None} and row["round_p50_ms"] == []
        assert row["ratio_to_first"] is None and "no NPU's" in row["profile"]["unsupported"]
        assert row["runtime"]["name"] == "rknn-toolkit2" and row["runtime"]["version"][0].isdigit()
        assert row["device"]["cpu"] == "Rockchip RK3588" and row["accelerator"] == "rknn rk3588"
        assert row["converted"] == "ONNX opset 17"
        assert [tensor["dtype"] for tensor in row["inputs"] + row["outputs"]] == [dtype] * 2
        assert row["correctness"]["frames"] == 2 and row["correctness"]["equal_labels"] >= 0.9
        assert row["delegation"]["partitions"] >= 1 and row["delegation"]["delegated_ops"] >= 3
        assert "Pad" not in str(row["delegation"]["other_ops"])
        assert row["memory_kib"]["internal"] > 0 < row["memory_kib"]["weights"] and row["cycles"]["counted"] > 0
    text = table([int8])
    assert "simulated" in text and "no device's speed" in text and "internal" in text


@toolkit
@onnx
def test_built_file_is_kept_on_demand(rows):
    built = {path.name: path.read_bytes()[:4] for path in rows[1].iterdir()}
    assert built == {"int8_rk3588.rknn": b"RKNN", "none_rk3588.rknn": b"RKNN"}


@toolkit
@onnx
def test_smaller_chip(tmp_path):
    file = branched_file(tmp_path / "a.tflite")
    (row,) = benchmark([file], "rknn:rv1106", options=Options(rknn_python=PYTHON))
    assert row["status"] == "ok" and row["accelerator"] == "rknn rv1106", row


@toolkit
@onnx
def test_page_says_that_there_are_no_times(rows, tmp_path):
    write(tmp_path / "result.json", [], rows[0])
    text = report([tmp_path / "result.json"], tmp_path / "page.html", baseline=tmp_path / "result.json")
    page = Page(tmp_path / "page.html")
    assert "simulated" in text and "no times to compare" in text
    assert "have no times: rknn-toolkit2" in page.text and "fastest on rknn:rk3588" not in page.text


@toolkit
@onnx
def test_times_of_a_family_need_another_target(tmp_path):
    family = FamilyLatency(tmp_path, (64, 96), target="rknn:rk3588", options=Options(rknn_python=PYTHON))
    with pytest.raises(UserError, match="cannot be compared on rknn:rk3588, which tells no times"):
        family(["lps_net_tiny"])


@onnx
@pytest.mark.parametrize("python", ["/no/such/python", None])
def test_environment_without_the_toolkit_is_named(python):
    with pytest.raises(
        UserError, match=r"rknn:rk3566 needs rknn-toolkit2, which .*python\S* has not \(.+\); install it"
    ):
        targets.connect("rknn:rk3566", Options(rknn_python=python))


def test_addresses():
    assert targets.uses_threads("rknn:rk3576") is False
    with pytest.raises(UserError, match="after rknn: choose from rk3588, rk3576"):
        targets.check("rknn:rk1808")


def test_without_tf2onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"rknn:rk3588, which needs the network as ONNX, needs .*; install it with: pip"
    ):
        targets.check("rknn:rk3588")
