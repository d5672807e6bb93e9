"""What the benchmark says of what to deploy."""

import pytest

from edge.advice import advice


def row(precision="int8", times=(10.0, 10.0, 10.0), target="host:cpu", runtime="ai-edge-litert", **changes):
    return {
        "model": f"ndnet45_{precision}.tflite",
        "sha256": precision,
        "network": "ndnet45",
        "precision": precision,
        "target": target,
        "threads": 1,
        "status": "ok",
        "stand_in": None,
        "runtime": {"name": runtime},
        "inputs": [{"shape": [1, 512, 1024, 3]}],
        "round_p50_ms": list(times),
        **changes,
    }


@pytest.mark.parametrize(
    "times, says",
    [
        ((17.0, 34.0, 17.0), "int8 is 1.70x as fast as float32 here; deploy int8."),
        ((8.0, 8.0, 80.0), "float32 is faster here, 1.25x as fast as int8; deploy float32."),
        ((10.2, 10.2, 10.2), "int8 and float32 are equally fast here; deploy int8, the smaller file."),
    ],
)
def test_precision_is_chosen_by_the_median_over_the_rounds(times, says):
    # The second round met a machine that was twice as slow.
    ours = row(times=(10.0, 20.0, 10.0) if times[1] == 34.0 else (10.0, 10.0, 10.0))
    assert advice([row("float32", times), ours]) == [f"ndnet45 512x1024 on host:cpu, 1 thread: {says}"]


def test_only_files_of_one_network_size_target_and_number_of_threads_are_compared():
    ours = row()
    others = [
        row("float32", network="lps_net_s"),
        row("float32", inputs=[{"shape": [1, 360, 480, 3]}]),
        row("float32", target="ssh://pi@board"),
        row("float32", threads=2),
        row("float32", status="failed", round_p50_ms=[]),
        row("float32", stand_in="emulator"),
        row("float32", network=None),
        row("int16x8"),
    ]
    assert advice([ours, *others]) == []


@pytest.mark.parametrize(
    "times, says",
    [
        ((8.0, 8.0, 8.0), "OpenVINO is 1.25x as fast as LiteRT here; deploy it with OpenVINO (host:openvino)."),
        ((9.5, 9.5, 9.5), "OpenVINO is ahead of LiteRT by less than 10% here; deploy it with LiteRT."),
        ((15.0, 15.0, 15.0), "LiteRT is 1.50x as fast as OpenVINO, the best other here; deploy it with LiteRT."),
    ],
)
def test_runtime_is_litert_unless_another_is_clearly_ahead(times, says):
    rows = [
        row(),
        row(times=times, target="host:openvino", runtime="OpenVINO"),
        row(times=(30.0,) * 3, target="host:onnxruntime", runtime="ONNX Runtime"),
        row(times=(1.0,) * 3, target="host:gpu"),
        row(times=(1.0,) * 3, target="host:onnxruntime", runtime="ONNX Runtime", status="failed"),
    ]
    assert advice(rows) == [f"ndnet45_int8.tflite, 1 thread: {says}"]
