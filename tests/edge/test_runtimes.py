"""Measuring on this machine in OpenVINO and ONNX Runtime: the same file, the same labels."""

import importlib.util

import pytest

from edge import benchmark, correctness, targets
from edge.targets import host
from keras_liteseg.errors import UserError

PACKAGES = {"host:openvino": "openvino", "host:onnxruntime": "onnxruntime"}
NAMES = {"host:openvino": "OpenVINO", "host:onnxruntime": "ONNX Runtime"}

on_each = pytest.mark.parametrize(
    "target",
    [
        pytest.param(
            target,
            marks=pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed"),
        )
        for target, package in PACKAGES.items()
    ],
)


@on_each
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_rows_of_another_runtime(target, kind, float_file, int8_file, monkeypatch):
    # Random weights amplify every rounding, and OpenVINO rounds elsewhere.
    monkeypatch.setattr(correctness, "EQUAL_LABELS", {"float32": 0.995, "int8": 0.9}[kind])
    file = float_file if kind == "float32" else int8_file
    (row,) = benchmark.benchmark([file], target, threads=[1], runs=2, warmup=1, profile=True)
    assert row["status"] == "ok", row
    assert row["runtime"]["name"] == NAMES[target] and row["runtime"]["version"][0].isdigit()
    assert row["accelerator"].startswith(PACKAGES[target])
    assert row["delegation"]["other_ops"] == []
    assert [tensor["dtype"] for tensor in row["inputs"]] == [kind]
    assert row.get("converted") == (None if target == "host:openvino" else "ONNX opset 17")
    assert row["correctness"]["frames"] == 2 and row["correctness"]["equal_labels"] >= 0.9
    assert 0 < row["latency_ms"]["run"]["p50"] <= row["latency_ms"]["end_to_end"]["p50"]
    assert row["init_ms"] >= row["compile_ms"] > 0
    profile = row["profile"]
    assert profile["runs"] == benchmark.PROFILE_RUNS and {op["delegate"] for op in profile["ops"]} == {PACKAGES[target]}
    assert sum(op["ms"] for op in profile["ops"]) <= profile["total_ms"]
    assert any("Conv" in op["op"] for op in profile["ops"])


def test_onnx_is_made_once_for_a_file(float_file, monkeypatch, tmp_path):
    made = []

    def convert(model, path):
        made.append(model)
        path.write_bytes(b"")

    monkeypatch.setattr(host.to_onnx, "convert_for_onnxruntime", convert)
    device = host.Host("onnxruntime", {})
    try:
        first, second = device._with_onnx(float_file), device._with_onnx(float_file)
        assert first == second and first.read_bytes() == float_file.read_bytes() and made == [float_file]
    finally:
        device.close()
    assert not first.parent.exists()


@pytest.mark.parametrize(
    "target, says",
    [
        ("host:openvino", r"host:openvino needs openvino; install it with: pip install 'keras-liteseg\[openvino\]'"),
        ("host:onnxruntime", r"host:onnxruntime, which .* needs .*onnxruntime; install it with: .*onnx\]'"),
    ],
)
def test_missing_package_is_named(target, says, monkeypatch):
    find_spec = importlib.util.find_spec
    hidden = set(PACKAGES.values())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hidden else find_spec(name))
    with pytest.raises(UserError, match=says):
        targets.check(target)
