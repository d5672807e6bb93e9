"""What XNNPACK and the GPU accelerator take of every network, exactly, and that the GPU computes what the CPU does."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.coverage import (
    OUTPUT_TYPES,
    QUANTIZATIONS,
    SIZE,
    coverage,
    line,
    run_on_gpu,
    save_network,
)
from edge.benchmark import benchmark
from edge.correctness import EQUAL_LABELS
from keras_liteseg.conversion import convert
from keras_liteseg.models.archive import load_model
from keras_liteseg.networks import list_models
from keras_liteseg.tflite.flatbuffer import read_model
from tests.edge.test_benchmark import needs_gpu

RESULT = pathlib.Path(__file__).parents[2] / "results" / "coverage.json"
# Both kinds of files, and the network that needs most to stay on the GPU, in every run; all others in `make test-all`.
QUICK = {
    ("lps_net_tiny", "float16", "logits"),
    ("lps_net_tiny", "int8", "logits"),
    ("liteseg_shufflenet", "float16", "logits"),
}
KINDS = [
    pytest.param(*kind, marks=() if kind in QUICK else pytest.mark.slow)
    for kind in [(name, one, other) for name in list_models() for one in QUANTIZATIONS for other in OUTPUT_TYPES]
]
OUTSIDE_XNNPACK = {
    "logits": [],
    "classes": [{"op": "ARG_MAX", "reason": "XNNPACK does not have this op", "count": 1}],
}
# The accelerator of LiteRT 2.3.0 lets every group of an int8 1x1 convolution read the channels of the first one, see
# `test_int8_groups_are_wrong_on_the_gpu`. On a GPU this network wants float16.
WRONG_ON_GPU = {("liteseg_shufflenet", "int8")}


def check(row):
    kind = row["network"], row["quantization"]
    assert row["xnnpack"] == {"partitions": 1, "left_out": OUTSIDE_XNNPACK[row["output_type"]]}, line(row)
    assert (row["gpu"]["left_out"], row["gpu"]["failure"]) == ([], None), line(row)
    # The accelerator gives wrong results for a SPLIT into two, and does not take the others.
    assert not {"SPLIT", "SPLIT_V", "SPACE_TO_BATCH_ND", "ONE_HOT"} & set(row["ops"])
    assert is_right(row["comparison"]) == (kind not in WRONG_ON_GPU), line(row)


def is_right(comparison):
    """Whether the GPU's scores are XNNPACK's, or as near to them as those of LiteRT's built-in kernels, which round in
    other places, and its class map that of its scores."""
    near = comparison["mean_difference"] < 1.5 * comparison["built_in_kernels"]["mean_difference"]
    own = comparison.get("equal_to_own_scores", 1.0)
    return (near or comparison["equal_labels"] >= EQUAL_LABELS) and own >= EQUAL_LABELS


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Function from the name of a network to its `.keras` file. Files that were exported from it lie beside it."""
    folder = tmp_path_factory.mktemp("coverage")

    def make(name):
        path = folder / f"{name}.keras"
        if not path.exists():
            save_network(name, path)
        return path

    return make


@needs_gpu
@pytest.mark.parametrize(("name", "quantization", "output_type"), KINDS)
def test_network(model, name, quantization, output_type):
    check(coverage(model(name), quantization, output_type))


def test_recorded_result_holds_every_network():
    result = json.loads(RESULT.read_text())
    assert result["size"] == list(SIZE)
    kinds = {(row["network"], row["quantization"], row["output_type"]) for row in result["files"]}
    assert len(kinds) == len(result["files"])
    assert kinds == {(name, one, other) for name in list_models() for one in QUANTIZATIONS for other in OUTPUT_TYPES}
    for row in result["files"]:
        check(row)


@needs_gpu
def test_int8_groups_are_wrong_on_the_gpu(tmp_path):
    def convolution(groups, size, quantized):
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 16), batch_size=1)
        layer = keras.layers.Conv2D(32, size, groups=groups, padding="same")
        converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, layer(image)))
        if quantized:
            rng = np.random.default_rng(0)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([rng.normal(size=image.shape).astype(np.float32)] for _ in "12")
            converter.inference_input_type = converter.inference_output_type = tf.int8
        path = tmp_path / f"{groups}_{size}_{quantized}.tflite"
        path.write_bytes(converter.convert())
        return path

    kinds = [(2, 1, False), (1, 1, True), (2, 3, True), (2, 1, True)]
    *right, wrong = benchmark([convolution(*kind) for kind in kinds], "host:gpu", runs=1, warmup=0)
    assert [row["status"] for row in right] == ["ok"] * 3
    assert wrong["status"] == "failed" and wrong["reason"].startswith("wrong result: "), "it has been mended"


@needs_gpu
def test_op_that_falls_off_is_told(tmp_path, monkeypatch):
    # The int64 of TensorFlow's own argmax.
    monkeypatch.setitem(convert._OUTPUTS, "logits", lambda logits: tf.argmax(logits, -1))
    save_network("lps_net_tiny", tmp_path / "a.keras")
    network, metadata = load_model(tmp_path / "a.keras")
    file = tmp_path / "a.tflite"
    metadata = metadata.replace(quantization="none", output_type="logits")
    file.write_bytes(convert.convert(network, metadata))
    gpu, comparison = run_on_gpu(file, file, read_model(file))
    assert comparison is None and gpu["failure"] is None
    assert [(op["op"], op["count"]) for op in gpu["left_out"]] == [("ARG_MAX", 1)]
    assert "INT64" in gpu["left_out"][0]["reason"]
