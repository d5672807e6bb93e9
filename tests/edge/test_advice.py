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
        "accuracy": None,
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
        row("float32", partial="NPU part only"),
        row("float32", network=None),
        row("int16x8"),
    ]
    assert advice([ours, *others]) == []


@pytest.mark.parametrize(
    "times, says",
    [
        ((8.0, 8.0, 8.0), "OpenVINO is 1.25x as fast as LiteRT here; deploy with OpenVINO (host:openvino)."),
        ((9.5, 9.5, 9.5), "OpenVINO is ahead of LiteRT by less than 10% here; deploy with LiteRT."),
        ((15.0, 15.0, 15.0), "LiteRT is 1.50x as fast as OpenVINO, the best other here; deploy with LiteRT."),
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


def test_only_the_best_number_of_threads_is_named():
    rows = [
        row(precision, (time,) * 3, threads=threads)
        for precision, times in (("float32", (60.0, 40.0, 90.0)), ("int8", (30.0, 16.0, 80.0)))
        for threads, time in zip((1, 2, 4), times, strict=True)
    ]
    (sentence,) = advice(rows)
    assert sentence == "ndnet45 512x1024 on host:cpu, 2 threads: int8 is 2.50x as fast as float32 here; deploy int8."

    (sentence,) = advice(rows[3:] + [row(times=(5.0,) * 3, target="host:openvino", runtime="OpenVINO", threads=2)])
    assert sentence.startswith("ndnet45_int8.tflite, 2 threads: OpenVINO is 3.20x as fast")


def test_networks_and_files_of_which_the_same_is_said_share_a_sentence():
    networks = {"ndnet45": (20.0, 2), "lps_net_s": (30.0, 2), "pp_liteseg_t": (15.0, 4), "other": (5.0, 2)}
    rows = [
        row(precision, (time,) * 3, network=network, threads=threads, inputs=[], model=network, sha256=network)
        for network, (float32, threads) in networks.items()
        for precision, time in (("float32", float32), ("int8", 10.0))
    ]
    assert advice(rows) == [
        "ndnet45, lps_net_s and pp_liteseg_t on host:cpu, each with its best number of threads: "
        "int8 is 1.50 to 3.00x as fast as float32 here; deploy int8.",
        "other on host:cpu, 2 threads: float32 is faster here, 2.00x as fast as int8; deploy float32.",
    ]
    files = [
        row(times=(time,) * 3, model=f"{number}.tflite", sha256=number, network=None, target=target, runtime=runtime)
        for number in range(4)
        for target, runtime, time in (("host:cpu", "ai-edge-litert", 10.0), ("host:openvino", "OpenVINO", 20.0))
    ]
    (sentence,) = advice(files)
    assert sentence == (
        "4 files, 1 thread: LiteRT is 2.00x as fast as OpenVINO, the best other here; deploy with LiteRT."
    )


def accurate(name, time, miou, images=101, **changes):
    accuracy = {"miou": miou, "data": "camvid", "split": "val", "images": images}
    return row(None, (time,) * 3, model=f"{name}.tflite", sha256=name, accuracy=accuracy, **changes)


def test_fastest_and_most_accurate_file_of_each_target():
    rows = [
        accurate("quick", 5.0, 0.5),
        accurate("quick", 2.0, 0.5, threads=2),
        accurate("dull", 5.0, 0.4),
        accurate("good", 9.0, 0.7),
        accurate("good", 8.0, 0.7, target="adb:cpu"),
        accurate("dull", 9.0, 0.4, target="adb:cpu"),
    ]
    assert advice(rows) == [
        "host:cpu, of 3 files with an mIoU on camvid val: quick (2.00 ms with 2 threads, 50.00 %) is the fastest, and "
        "good (9.00 ms with 1 thread, 70.00 %) the most accurate.",
        "adb:cpu, of 2 files with an mIoU on camvid val: good (8.00 ms with 1 thread, 70.00 %) is both the fastest and "
        "the most accurate.",
    ]


def test_accuracies_that_cannot_be_compared_are_not():
    other = {"miou": 0.9, "data": "cityscapes", "split": "val", "images": 500}
    few = [accurate("one", 5.0, 0.5, images=4), accurate("two", 9.0, 0.7, images=4)]
    assert advice([accurate("here", 5.0, 0.5), accurate("there", 5.0, 0.5) | {"accuracy": other}, *few]) == []
