"""Every published network as an int8 file in every runtime that is here: the labels of LiteRT with XNNPACK.

What is left of differences is rounding: XNNPACK brings a convolution's sums to int8 by one multiplication in float,
other kernels by integers or in 16-bit floats, so that one in some hundred values is a step off, and a hundred layers
carry that on. `benchmarks.portable` measures it on more pictures.
"""

import importlib.util

import numpy as np
import pytest

from benchmarks.portable import REFERENCE, direct, inputs, runtimes, same_labels
from keras_liteseg import CalibrationOptions, ExportOptions, load_dataset
from keras_liteseg.conversion.export import export
from keras_liteseg.models.pretrained import list_pretrained
from keras_liteseg.tflite.drift import largest_drift
from keras_liteseg.tflite.flatbuffer import read_model
from tests.tflite.old_runtimes import python_of, run

EQUAL_OR_TIED = 0.995
PICTURES = 2
NEEDS = {
    "LiteRT, built-in kernels": "ai_edge_litert",
    "LiteRT, reference kernels": "ai_edge_litert",
    "TFLite Micro": "tflite_micro",
    "ONNX Runtime": "onnxruntime",
    "OpenVINO": "openvino",
}
PUBLISHED = {f"{card.model}-{card.name}": card for card in list_pretrained()}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=PUBLISHED)
def published(request, shared, tmp_path_factory):
    """(file, its inputs, XNNPACK's outputs) of a published network at its published size."""
    card = PUBLISHED[request.param]
    path = tmp_path_factory.mktemp("published") / f"{request.param}.tflite"
    calibration = CalibrationOptions(None, 4, cross_layer_equalization=False, bias_correction=False)
    options = ExportOptions(quantization="int8")
    export(card.model, path, options, calibration, checkpoint=card.name, input_size=card.input_size)
    pictures = inputs(path, load_dataset("camvid", shared / "data" / "camvid", "val"), PICTURES)
    infer = runtimes()[REFERENCE](path)
    return path, pictures, [infer(picture) for picture in pictures]


def tied(expected, outputs):
    return np.mean([same_labels(*pair)[1] for pair in zip(expected, outputs, strict=True)])


@pytest.mark.parametrize("runtime", NEEDS)
def test_labels_are_those_of_xnnpack(runtime, published):
    if importlib.util.find_spec(NEEDS[runtime]) is None:
        pytest.skip(f"{runtime} is not installed")
    path, pictures, expected = published
    infer = runtimes()[runtime](path)
    assert tied(expected, [infer(picture) for picture in pictures]) >= EQUAL_OR_TIED


@pytest.mark.parametrize("version", ["2.7.0", "2.11.0", "2.14.0"])
def test_labels_of_tflite_runtime_are_those_of_xnnpack(version, published, tmp_path):
    if not python_of("tflite-runtime", version).exists():
        pytest.skip(f"tflite-runtime {version} is not installed; run: make test-old-runtimes")
    path, pictures, expected = published
    outputs = [run("tflite-runtime", version, path, picture, tmp_path)[0] for picture in pictures]
    assert tied(expected, outputs) >= EQUAL_OR_TIED


def test_fewer_are_the_same_where_resizes_drift(published, tmp_path):
    """The maps in between are what the labels owe it to."""
    path, pictures, expected = published
    if not direct(path, tmp_path / "direct.tflite"):
        pytest.skip("no resize of this network drifts at its size")
    assert largest_drift(read_model(tmp_path / "direct.tflite")) > 0.5 > largest_drift(read_model(path))
    one_step, other = (runtimes()[name](tmp_path / "direct.tflite") for name in (REFERENCE, "LiteRT, built-in kernels"))
    before = tied([one_step(picture) for picture in pictures], [other(picture) for picture in pictures])
    steady = runtimes()["LiteRT, built-in kernels"](path)
    assert before < tied(expected, [steady(picture) for picture in pictures])
