"""The comparison of runtimes, as far as it goes without the other runtimes."""

import importlib.util

import keras
import numpy as np
import pytest

from benchmarks import runtimes
from benchmarks.runtimes_files import _repeated, _whole, before_last_upsampling, litert, network_of
from benchmarks.runtimes_sessions import LiteRT
from keras_liteseg.commands.running import run
from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model
from keras_liteseg.networks.ops import resize_bilinear

without_others = pytest.mark.skipif(
    importlib.util.find_spec("tf2onnx") is not None, reason="the other runtimes are installed"
)


def row(runtime, precision, rounds, **changes):
    return {
        "model": "ndnet45",
        "runtime": runtime,
        "precision": precision,
        "threads": 1,
        "status": "ok",
        "latency_ms": {"p50": float(np.median(rounds))},
        "round_p50_ms": rounds,
        **changes,
    }


@pytest.mark.parametrize("name", ["ndnet45", "lps_net_s", "liteseg_mobilenetv2", "pp_liteseg_t"])
def test_every_network_is_cut_before_its_last_upsampling(name):
    model = create_model(name, (64, 96, 3), 5)
    cut = before_last_upsampling(model)
    images = np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype(np.float32)
    scores, logits = cut.predict_on_batch(images), model.predict_on_batch(images)
    assert scores.shape[1] < 64 and scores.shape[3] == 5
    resized = resize_bilinear(scores, (64, 96), model.get_layer("logits").align_corners)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(resized), logits)


@pytest.mark.parametrize("quantization, precision, error", [("none", "float32", 1e-5), ("int8", "int8", 0.1)])
def test_litert_computes_what_keras_computes(tiny_network, tmp_path, quantization, precision, error):
    network, metadata, dataset, images = network_of(tiny_network, (64, 128), 2)
    path = tmp_path / "a.tflite"
    litert(network, metadata, dataset, 2, quantization, path)
    scores = LiteRT(path, precision, 1).scores(images[0])
    assert 0 <= runtimes.relative_error(scores, network.predict_on_batch(images[0])) < error


@pytest.mark.slow
@without_others
def test_litert_is_measured_where_the_others_fail(tiny_network):
    rows = runtimes.measure(tiny_network, (64, 128), [1, 2], runs=12, calibration_images=2)
    assert {(row["runtime"], row["precision"]) for row in rows} == set(runtimes.VARIANTS)
    assert [row["threads"] for row in rows] == [1, 2] * len(runtimes.VARIANTS)
    for each in rows:
        if each["runtime"] in ("LiteRT", "TFLite converter"):
            assert each["status"] == "ok" and len(each["round_p50_ms"]) == runtimes.ROUNDS
            assert 0 < each["latency_ms"]["min"] <= each["latency_ms"]["p50"] <= each["latency_ms"]["p90"]
            assert each["bytes"] > 1000
        else:
            assert each["status"] == "failed" and "Error: " in each["reason"]
    assert runtimes.ratios(rows) == []
    faster = runtimes.restructured(rows)
    pairs = {(each["precision"], each["threads"]) for each in faster}
    assert pairs == {("float32", 1), ("float32", 2), ("int8", 1), ("int8", 2)}
    text = runtimes.table({"results": rows, "ratios": [], "restructured": faster})
    assert "failed: tiny, OpenVINO int8, threads 2: ModuleNotFoundError" in text
    assert "tiny, threads 2, int8: " in text


@without_others
def test_missing_packages_are_named():
    with pytest.raises(UserError, match="onnxruntime is not installed; run `make bench-runtimes`"):
        runtimes.package_versions()


def test_ratio_is_to_the_fastest_of_the_others():
    rows = [
        row("LiteRT", "int8", [10.0, 20.0, 11.0]),
        row("LiteRT", "float32", [1.0, 1.0, 1.0]),
        row("TFLite converter", "int8", [12.0, 22.0, 16.5]),
        row("OpenVINO", "int8", [20.0, 38.0, 22.0]),
        row("OpenVINO", "bfloat16", [30.0, 30.0, 30.0]),
        row("ONNX Runtime", "int8", [5.0], threads=2),
        row("ONNX Runtime", "float32", [5.0], model="other"),
        {"model": "ndnet45", "threads": 1, "runtime": "ONNX Runtime", "precision": "int8", "status": "failed"},
    ]
    # Round by round: 2, 1.9 and 2.
    assert runtimes.ratios(rows) == [{"model": "ndnet45", "threads": 1, "best_other": "OpenVINO int8", "ratio": 2.0}]
    assert runtimes.restructured(rows) == [{"model": "ndnet45", "precision": "int8", "threads": 1, "ratio": 1.2}]


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2\), those of Keras \(2, 1\)"):
        runtimes.relative_error(np.zeros((1, 2)), np.ones((2, 1)))


def test_pieces_are_merged_into_one_result():
    output = "a.json"
    wanted = {"input_size": [512, 1024], "clock": "wall", "cpu": "EPYC"}
    assert runtimes.rows_so_far(output, {}, wanted) == []
    old = [row("LiteRT", "int8", [1.0], threads=count, model=model) for model in "ab" for count in (1, 2)]
    before = {**wanted, "device": {"cpu": "EPYC"}, "results": old}
    new = [row("LiteRT", "int8", [2.0], model="b"), row("LiteRT", "float32", [3.0], model="b")]
    assert runtimes.merged(runtimes.rows_so_far(output, before, wanted), new) == [old[0], old[1], old[3], *new]
    for name, value in (("clock", "processor"), ("cpu", "Xeon")):
        with pytest.raises(UserError, match=f"its {name} is .*; remove it or give another --output"):
            runtimes.rows_so_far(output, before, wanted | {name: value})


def test_files_are_made_once_and_whole(tmp_path):
    def make(content, path):
        path.with_suffix(".bin").write_text("weights")
        path.write_text(content)
        if not content:
            raise ValueError("it cannot be made")

    _whole(make, ["graph"], tmp_path / "a.xml")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.xml": "graph", "a.bin": "weights"}
    with pytest.raises(ValueError, match="cannot be made"):
        _whole(make, [""], tmp_path / "b.xml")
    assert len(list(tmp_path.iterdir())) == 2


def test_runs_are_shared_out_evenly():
    assert runtimes.shares(23, 10) == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("text", ["", "0", "1,two", "-1"])
def test_bad_numbers_of_threads_are_refused(text, tmp_path, capsys):
    assert run(runtimes.main, ["--threads", text, "--output", str(tmp_path / "a.json")]) == 2
    assert "write it like 1,2." in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_processor_time_is_for_one_thread(tmp_path, capsys):
    arguments = ["--threads", "1,2", "--processor_time", "--output", str(tmp_path / "a.json")]
    assert run(runtimes.main, arguments) == 1
    assert "The processor's time of several threads is no latency" in capsys.readouterr().err


def test_further_classes_repeat_the_first():
    kernel = np.arange(6).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(_repeated(kernel, 5)[0, 0], [[0, 1, 2, 0, 1], [3, 4, 5, 3, 4]])
