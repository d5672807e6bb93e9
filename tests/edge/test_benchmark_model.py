"""Genuine outputs of benchmark_model, as people have shown them in public."""

import re

import pytest

from edge.benchmark_model import parse
from edge.targets import MeasurementFailed


@pytest.fixture(scope="module")
def samples(shared):
    """{number of the sample: its texts}."""
    text = (shared / "notes" / "benchmark_model_samples.txt").read_text()
    text = re.sub(r"^\[(rows )?cut\]\n", "", text, flags=re.MULTILINE)
    parts = re.split(r"^## (\w+) \|.*\n", text, flags=re.MULTILINE)[1:]
    block = re.compile(r"^----\n(.*?)^----$", re.DOTALL | re.MULTILINE)
    return {name: block.findall(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def test_gpu_on_a_phone_in_2020(samples):
    found = parse(samples["S1"][0])
    assert found["init_ms"] == 870.557 and found["first_run_ms"] == 130.565
    assert found["runs"] == 50
    assert found["latency_ms"] == {"mean": 119.375, "std": 1.948, "min": 113.737, "max": 124.776}
    assert (found["delegation"]["delegate"], found["delegation"]["complete"]) == ("GPU", True)
    assert found["memory_mb"] == {} and found["ops"] == []


def test_compiled_model_of_litert_2(samples):
    found = parse(samples["S3"][0])
    assert (found["init_ms"], found["first_run_ms"], found["runs"]) == (23744.73, 7441.04, 10)
    assert found["latency_ms"] == {"mean": 7430.20, "std": 9.92, "min": 7416.40, "max": 7448.86}
    assert found["memory_mb"] == {"init": 6391.74, "overall": 6391.74}


def test_android_log(samples):
    found = parse(samples["S4"][0].replace("\n", "\r\n"))
    assert (found["init_ms"], found["first_run_ms"], found["runs"]) == (126.059, 32.942, 75)
    assert found["latency_ms"]["mean"] == pytest.approx(12.1676)
    assert (found["delegation"]["delegate"], found["delegation"]["complete"]) == ("NNAPI", False)
    assert found["delegation"]["partitions"] == 44


def test_current_classic_program(samples):
    found = parse(samples["S5"][0])
    assert found["latency_ms"] == {
        "p50": 42.419,
        "p5": 42.133,
        "p95": 42.671,
        "mean": pytest.approx(42.3948),
        "std": 0.188,
        "min": 41.938,
        "max": 42.840,
    }
    assert found["memory_mb"] == {"init": 23.5938, "overall": 26.6797}
    assert found["delegation"] == {
        "delegate": "TfLiteXNNPackDelegate",
        "complete": False,
        "partitions": 65,
        "delegated_ops": 2136,
        "all_ops": 2168,
        "refused": [],
    }


def test_warm_up_of_one_run_and_scientific_notation(samples):
    found = parse(samples["S6"][0])
    assert found["first_run_ms"] == 1357.602
    assert found["latency_ms"]["mean"] == pytest.approx(1240.27) and found["latency_ms"]["p50"] == 1239.807


def test_a_single_measured_run(samples):
    text = samples["S6"][0]
    measured = next(line for line in text.splitlines() if "count=50" in line)
    found = parse(text.replace(measured, "INFO: count=1 curr=1240143 p5=1240143 median=1240143 p95=1240143"))
    assert found["runs"] == 1
    assert found["latency_ms"] == {
        **dict.fromkeys(("mean", "min", "max", "p5", "p50", "p95"), 1240.143),
        "std": 0.0,
    }


def test_no_delegate(samples):
    found = parse(samples["S8"][0])
    assert found["latency_ms"]["mean"] == pytest.approx(0.069691)
    assert (found["delegation"]["delegate"], found["delegation"]["complete"]) == (None, None)


def test_no_warm_up(samples):
    with pytest.raises(MeasurementFailed, match="ended without a result; it last wrote: count=20 first=31530"):
        parse(samples["S9"][0])
    found = parse(samples["S9"][0] + "Inference timings in us: Init: 10115400, First inference: 31530\n")
    assert found["runs"] == 20 and found["latency_ms"]["mean"] == 28.473
    assert found["delegation"]["complete"] is True


def test_profile(samples):
    text = samples["S8"][0] + samples["S7"][0]
    assert parse(text)["ops"] == [
        {"op": "CONV_2D", "ms": 60.957, "name": "[MobilenetV1/MobilenetV1/Conv2d_0/Relu6]:0"},
        {"op": "DEPTHWISE_CONV_2D", "ms": 49.870, "name": "[MobilenetV1/MobilenetV1/Conv2d_1_depthwise/Relu6]:1"},
        {"op": "SOFTMAX", "ms": 0.233, "name": "[MobilenetV1/Predictions/Reshape_1]:30"},
    ]


def test_peak_memory(samples):
    found = parse(samples["S8"][0] + samples["S10"][0])
    assert found["memory_mb"] == {"init": 2.43359, "overall": 8.67578, "peak": 13.1797}
    old = parse(samples["S8"][0] + "Peak memory footprint (MB): init=4.92969 overall=138.809\n")
    assert old["memory_mb"] == {"init": 4.92969, "overall": 138.809}


def test_refused_operations(samples):
    rest = "run on the GPU, and the remaining 7 operations will run on the CPU."
    refusal = samples["S4b"][0].replace("run on th[cut]", rest)
    found = parse(refusal + samples["S4"][0].replace("Explicitly applied NNAPI delegate", "-"))["delegation"]
    assert found["refused"] == ["UNPACK: Operation is not supported."]
    assert (found["complete"], found["delegated_ops"], found["all_ops"]) == (False, 294, 301)


def test_delegate_that_took_nothing(samples):
    line = "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.\n"
    found = parse(line + samples["S8"][0])["delegation"]
    assert (found["delegate"], found["complete"], found["partitions"]) == ("NNAPI", False, 0)


def test_failing_run(samples):
    with pytest.raises(MeasurementFailed, match="failed: .*was not true.; Node number 57 .BATCH_MATMUL."):
        parse(samples["S5"][1])


@pytest.mark.parametrize("number", ["S1", "S3", "S4", "S5", "S6", "S8"])
def test_truncated_output_never_passes_for_a_result(samples, number):
    text = samples[number][0]
    whole = parse(text)
    results = set()
    for end in range(0, len(text), 7):
        try:
            results.add(parse(text[:end])["latency_ms"].get("mean"))
        except MeasurementFailed as failure:
            assert "\n" not in str(failure)
    assert results <= {whole["latency_ms"]["mean"]}


def test_other_text():
    with pytest.raises(MeasurementFailed, match="wrote nothing"):
        parse("")
    with pytest.raises(MeasurementFailed, match="it last wrote: sh: benchmark_model: not found"):
        parse("sh: benchmark_model: not found\r\n")
