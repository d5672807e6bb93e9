import functools

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.predictor import from_tensor, to_tensor
from keras_liteseg.quantization.simulate import native_dilation, simulate_int8
from keras_liteseg.tflite.convert import convert
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.tflite.metadata import read_metadata

QUANTIZATIONS = ("none", "float16", "int8")
KINDS = [(quantization, output) for quantization in QUANTIZATIONS for output in ("logits", "classes")]


@pytest.fixture(scope="module")
def converted(network, calibrated, metadata, tmp_path_factory):
    """Function of (quantization, output type): path of the file."""
    folder = tmp_path_factory.mktemp("convert")

    @functools.cache
    def make(quantization, output_type):
        model = simulate_int8(*calibrated) if quantization == "int8" else native_dilation(network)
        path = folder / f"{quantization}_{output_type}.tflite"
        path.write_bytes(convert(model, metadata.replace(quantization=quantization, output_type=output_type)))
        return path

    return make


def run(path, image):
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], to_tensor(image, source))
    interpreter.invoke()
    return from_tensor(interpreter.get_tensor(result["index"]), result)


@pytest.mark.parametrize("quantization, output_type", KINDS)
def test_file_is_as_documented(converted, quantization, output_type):
    report = inspect(converted(quantization, output_type))
    dtype = "int8" if quantization == "int8" else "float32"
    (source,), (result,) = report.inputs, report.outputs
    assert (source.dtype, source.shape) == (dtype, (1, 64, 128, 3))
    if output_type == "logits":
        assert (result.dtype, result.shape) == (dtype, (1, 64, 128, 9))
    else:
        assert (result.dtype, result.shape) == ("int32", (1, 64, 128))
    assert report.problems(expect_int8=quantization == "int8") == []
    assert (source.scale is not None) == (quantization == "int8")


@pytest.mark.parametrize("quantization, output_type", KINDS)
def test_graph_has_the_ops_of_the_network_and_no_more(converted, quantization, output_type):
    report = inspect(converted(quantization, output_type))
    assert report.ops["RESIZE_BILINEAR"] == 2
    assert report.ops["DEPTHWISE_CONV_2D"] == 48 and report.ops["CONV_2D"] == 51
    assert report.ops.get("ARG_MAX", 0) == (output_type == "classes")
    assert not report.flex_ops and not report.custom_ops and report.space_to_batch == 0
    assert report.is_fully_int8 == (quantization == "int8")
    # XNNPACK has no argmax.
    outside = [] if output_type == "logits" else [{"op": "ARG_MAX", "count": 1}]
    assert (report.delegation["partitions"], report.delegation["other_ops"]) == (1, outside)


def test_float_file_equals_keras(converted, network, images):
    expected = network.predict_on_batch(images[1])
    found = run(converted("none", "logits"), images[1])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_float16_file_is_half_the_size_and_nearly_the_same(converted, network, images):
    ratio = converted("float16", "logits").stat().st_size / converted("none", "logits").stat().st_size
    assert 0.45 < ratio < 0.6
    expected = network.predict_on_batch(images[1])
    found = run(converted("float16", "logits"), images[1])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01 * np.abs(expected).max())


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_classes_are_the_argmax_of_the_logits(converted, images, quantization):
    logits, classes = (run(converted(quantization, kind), images[2]) for kind in ("logits", "classes"))
    np.testing.assert_array_equal(classes, logits.argmax(-1))


def test_metadata_is_in_the_file(converted, metadata):
    expected = metadata.replace(quantization="int8", output_type="classes")
    found = read_metadata(converted("int8", "classes"))
    assert (found.classes, found.quantization, found.output_type) == (expected.classes, "int8", "classes")
