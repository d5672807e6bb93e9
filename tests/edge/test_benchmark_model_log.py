"""Genuine outputs of benchmark_model, as people have shown them in public."""

import re

import pytest

from edge.targets import MeasurementFailed
from edge.targets.benchmark_model_log import parse

LITERT_2_PROFILE = """\
===================================================== Run Order =====================================================
               [node type]    [start]    [first]   [avg ms]        [%]     [cdf%]   [mem KB] [times called]   [Name]
Delegate/Convolution (NHWC, QC8) IGEMM  0.000    0.458      0.504     2.292%     2.292%      0.000     5   [Delegate]:0
                         Delegate/Add (ND)  0.000    0.021      0.021     0.096%     9.997%    0.000  5   [Delegate]:10
                                   SOFTMAX  0.000    0.080      0.094     0.505%   100.000%    0.000  5   [Builtin]:130

============================================== Top by Computation Time ==============================================
               [node type]    [start]    [first]   [avg ms]        [%]     [cdf%]   [mem KB] [times called]   [Name]
Delegate/Convolution (NHWC, QC8) IGEMM  0.000    0.458      0.504     2.292%     2.292%      0.000     5   [Delegate]:0

================================================ Delegate Statistics ================================================
Op Name                                  Count    Avg(us)    Min(us)    Max(us)  Total(us)
Delegate/Add (ND)                          110      51.65          9       4085       5682

Timings (microseconds): count=152 curr=73504
152 nodes observed
"""


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
    ops = [
        {"op": "CONV_2D", "ms": 60.957, "name": "[MobilenetV1/MobilenetV1/Conv2d_0/Relu6]:0"},
        {"op": "DEPTHWISE_CONV_2D", "ms": 49.870, "name": "[MobilenetV1/MobilenetV1/Conv2d_1_depthwise/Relu6]:1"},
        {"op": "SOFTMAX", "ms": 0.233, "name": "[MobilenetV1/Predictions/Reshape_1]:30"},
    ]
    assert parse(text)["ops"] == [{**op, "delegate": None} for op in ops]


def test_profile_of_litert_2(samples):
    # As its C library writes it, on x86-64, for an int8 network with a softmax.
    assert parse(samples["S3"][0] + LITERT_2_PROFILE)["ops"] == [
        {"op": "Convolution (NHWC, QC8) IGEMM", "ms": 0.504, "name": "[Delegate]:0", "delegate": "xnnpack"},
        {"op": "Add (ND)", "ms": 0.021, "name": "[Delegate]:10", "delegate": "xnnpack"},
        {"op": "SOFTMAX", "ms": 0.094, "name": "[Builtin]:130", "delegate": None},
    ]


def test_profile_of_what_a_delegate_did(samples):
    # Put together from the tables above, in the order of the classic program.
    row = "\t{:>24}\t{:>17}\t{:>9}\t{:>9}\t{:>7}%\t{:>7}%\t{:>10}\t{:>9}\t{}\n"
    head, other = "= Run Order =".center(60, "="), "= Summary by node type =".center(60, "=")
    whole = row.format("TfLiteXNNPackDelegate", 0, 2, 2, 80, 80, 0, 1, "[logits]:3")
    soft = row.format("SOFTMAX", 2, 0.5, 0.5, 20, 100, 0, 1, "[probabilities]:2")
    inside = row.format("Add (ND)", 0, 1.5, 1.5, 100, 100, 0, 1, "Delegate/Add (ND):0")
    begin = "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
    graph, details = f"{head}\n{whole}{soft}\n{other}\n{soft}", f"{head}\n{inside}\n{other}\n{inside}"
    text = samples["S8"][0] + begin + graph
    alone = {"op": "SOFTMAX", "ms": 0.5, "name": "[probabilities]:2", "delegate": None}
    assert parse(text)["ops"] == [
        {"op": "TfLiteXNNPackDelegate", "ms": 2.0, "name": "[logits]:3", "delegate": "xnnpack"},
        alone,
    ]
    assert parse(text + "Delegate internal: \n" + details)["ops"] == [
        {"op": "Add (ND)", "ms": 1.5, "name": "Delegate/Add (ND):0", "delegate": "xnnpack"},
        alone,
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


def test_what_xnnpack_took_is_not_for_the_delegate_that_was_asked_for(samples):
    refusal = "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.\n"
    rest = "Replacing 30 out of 30 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions.\n"
    found = parse(refusal + rest + samples["S8"][0])["delegation"]
    assert (found["delegate"], found["complete"], found["partitions"]) == ("NNAPI", False, 0)


def test_warm_up_of_no_runs(samples):
    text = re.sub(r"count=7028 .*", "count=0", samples["S8"][0])
    found = parse(text)
    assert found["first_run_ms"] == 0.093 and found["runs"] == 14192


def test_litert_2_tells_more_in_the_lines_of_the_classic_program(samples):
    counts = "INFO: count=1 curr=7441040\n\nINFO: count=10 first=7448860 curr=7416401 min=7416401 max=7448860 "
    found = parse(counts + "avg=7.4302e+06 std=9921 p5=7416401 median=7430111 p95=7448860\n\n" + samples["S3"][0])
    assert found["latency_ms"]["p50"] == 7430.111 and found["latency_ms"]["min"] == 7416.401
    assert found["runs"] == 10 and found["first_run_ms"] == 7441.04


@pytest.mark.parametrize("number", ["1.2.3", "e", "-"])
def test_numbers_that_are_none(samples, number):
    with pytest.raises(MeasurementFailed, match="a result that cannot be read"):
        parse(samples["S8"][0].replace("avg=69.691", f"avg={number}"))


def test_failure_of_a_delegate_names_the_operations(samples):
    text = samples["S4b"][0].replace("run on th[cut]", "") + "ERROR: Failed to compile model.\n"
    with pytest.raises(MeasurementFailed, match="does not take all of the model: UNPACK: Operation is not supported."):
        parse(text)


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
