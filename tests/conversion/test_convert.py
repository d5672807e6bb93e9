import functools

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.conversion.convert import convert
from keras_liteseg.errors import UserError
from keras_liteseg.graph import fold_batch_norm, native_dilation
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.tensors import from_tensor, to_tensor
from keras_liteseg.metadata import Metadata, OutputType, Quantization
from keras_liteseg.quantization.options import CalibrationOptions
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.simulate import simulate_int8
from keras_liteseg.tflite.file_metadata import read_metadata
from keras_liteseg.tflite.inspect import inspect
from tests.tiny import tiny

QUANTIZATIONS = ("none", "float16", "int8")
KINDS = [(quantization, output) for quantization in QUANTIZATIONS for output in ("logits", "classes")]


@pytest.fixture(scope="module")
def converted(network, calibrated, int8_file, metadata, tmp_path_factory):
    """Function of (quantization, output type): path of the file."""
    folder = tmp_path_factory.mktemp("convert")

    @functools.cache
    def make(quantization, output_type):
        if (quantization, output_type) == ("int8", "logits"):
            return int8_file
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
    # One convolution makes 12 classes of 9 for the argmax.
    assert report.ops["DEPTHWISE_CONV_2D"] == 48 and report.ops["CONV_2D"] == 51 + (output_type == "classes")
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


@pytest.fixture(scope="module")
def int8(calibrated, int8_file, metadata, tmp_path_factory):
    """Function of options of `convert` and the output type: path of an int8 file."""
    folder = tmp_path_factory.mktemp("int8")
    simulated = simulate_int8(*calibrated)

    @functools.cache
    def make(output_type="logits", **options):
        if output_type == "logits" and not options:
            return int8_file
        path = folder / f"{output_type}{'_'.join(map(str, options.values()))}.tflite"
        path.write_bytes(convert(simulated, metadata.replace(quantization="int8", output_type=output_type), **options))
        return path

    return make


def test_float_input_changes_nothing_behind_it(int8, images):
    path = int8(input_type="float32")
    (source,) = inspect(path).inputs
    assert source.dtype == "float32" and inspect(path).problems(expect_int8=True) == []
    np.testing.assert_array_equal(run(path, images[0]), run(int8(), images[0]))


def test_uint8_takes_pixels_where_the_scale_is_theirs(metadata, scenes, tmp_path):
    model, prepared, _ = quantize(tiny((64, 128, 3), 9), metadata, CalibrationOptions(scenes, images=4))
    path = tmp_path / "a.tflite"
    request = prepared.replace(quantization="int8", output_type="logits", ranges={})
    path.write_bytes(convert(simulate_int8(model, prepared.ranges), request, input_type="uint8"))
    assert inspect(path).inputs[0].dtype == "uint8" and inspect(path).problems(expect_int8=True) == []
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], scenes.image(0)[None])
    interpreter.invoke()
    found = from_tensor(interpreter.get_tensor(result["index"]), result)[0]
    np.testing.assert_array_equal(found, load_predictor(path).logits(scenes.image(0)))


def test_batch(int8, images):
    path = int8(batch_size=2)
    assert inspect(path).inputs[0].shape == (2, 64, 128, 3)
    pair = np.concatenate(images[:2])
    expected = np.concatenate([run(int8(), image) for image in images[:2]])
    np.testing.assert_array_equal(run(path, pair), expected)


def test_probabilities_and_small_class_maps(int8, images):
    logits = run(int8(), images[0])
    probabilities = run(int8("softmax"), images[0])
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(probabilities, exponents / exponents.sum(-1, keepdims=True), atol=1.5 / 256)
    classes = run(int8("classes_uint8"), images[0])
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes, logits.argmax(-1))


def test_16_bit_activations_are_closer_to_float(network, metadata, images, int8, tmp_path):
    path = tmp_path / "a.tflite"
    request = metadata.replace(quantization="int16x8", output_type="logits")
    path.write_bytes(convert(native_dilation(fold_batch_norm(network)), request, calibration=images))
    report = inspect(path)
    assert report.inputs[0].dtype == report.outputs[0].dtype == "int16" and not report.float_ops
    expected = network.predict_on_batch(images[0])
    errors = [np.abs(run(file, images[0]) - expected).mean() for file in (path, int8())]
    assert errors[0] < errors[1]


def test_bytes_are_for_int8_files(network, metadata):
    request = metadata.replace(quantization="float16", output_type="logits")
    with pytest.raises(UserError, match="'uint8' with quantization 'float16'; only int8 files can take bytes"):
        convert(network, request, input_type="uint8")


def test_metadata_with_members_is_written_as_words(metadata):
    words = metadata.replace(quantization="int8", output_type="classes_uint8")
    members = metadata.replace(quantization=Quantization.INT8, output_type=OutputType.CLASSES_UINT8)
    assert members == words and members.to_json() == words.to_json()
    read = Metadata.from_json(members.to_json())
    assert type(read.quantization) is str and read.quantization == Quantization.INT8
