"""host:npu: LiteRT's NPU accelerator with Intel's package, where no NPU is."""

import glob
import importlib.util

import pytest

from edge import targets
from edge.advice import advice
from edge.benchmark import benchmark
from edge.table import table
from edge.targets.runner_session import refusal
from keras_liteseg.errors import UserError
from tests.edge.npu_files import branched_file

PACKAGE = "ai_edge_litert_sdk_intel"
intel = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None,
    reason="Intel's package for LiteRT is not installed: pip install -r requirements.txt -r requirements-intel-npu.txt",
)
no_npu = pytest.mark.skipif(bool(glob.glob("/dev/accel/accel*")), reason="there is an NPU here")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return branched_file(tmp_path_factory.mktemp("npu") / "a.tflite")


@intel
@no_npu
def test_row_without_an_npu_says_what_stands_in(file):
    rows = [row for target in ("host:cpu", "host:npu") for row in benchmark([file], target, threads=(1, 2), runs=2)]
    row = rows[-1]
    assert len(rows) == 3 and row["status"] == "ok", row
    assert row["accelerator"] == "npu" and row["stand_in"] == "OpenVINO on the processor"
    assert row["adapter"] == {"name": "OpenVINO on the processor", "backend": "OpenVINO", "type": "CPU"}
    assert row["delegation"]["delegated_ops"] == len(_ops(file)) and row["delegation"]["other_ops"] == []
    assert row["correctness"]["equal_labels"] >= 0.995 and row["latency_ms"]["end_to_end"]["p50"] > 0
    assert "no device's speed" in table([row]) and advice(rows) == []


@intel
@no_npu
def test_npu_that_does_not_answer_is_no_row_of_the_cpu(file, monkeypatch):
    from edge.device import npu_runner
    from edge.device.gpu_runner import AcceleratorFailed

    monkeypatch.setattr(npu_runner, "_DEVICES", str(file))  # Linux has the device
    with pytest.raises(AcceleratorFailed) as failure:
        npu_runner.NpuRunner(str(file), 1)
    assert refusal(failure.value.log).startswith("the NPU's compiler does not compile it: ")


def test_ops_that_the_npu_leaves_are_counted():
    log = "INFO: [compiler_plugin.cc:742] Partitioned subgraph<0>, selected 3 ops, from a total of 5 ops. resulted in"
    assert refusal(log) == "3 of its 5 ops run on the NPU, and not the others"
    assert refusal(log.replace("from a total of 5", "from a total of 3")) is None


def test_missing_package_is_named(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == PACKAGE else find_spec(name))
    with pytest.raises(UserError, match=r"host:npu needs Intel's package .*: pip install 'keras-liteseg\[intel-npu\]'"):
        targets.check("host:npu")


def _ops(file):
    from keras_liteseg.tflite.flatbuffer import read_model

    return read_model(file).subgraphs[0].operators
