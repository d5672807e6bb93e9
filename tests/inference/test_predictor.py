import shutil

import cv2
import keras
import numpy as np
import pytest

from keras_liteseg.conversion.convert import convert
from keras_liteseg.conversion.export import export
from keras_liteseg.conversion.options import ExportOptions
from keras_liteseg.errors import UserError
from keras_liteseg.graph import at_size, before_last_resize, native_dilation
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.predictor import Predictor, align_corners, calibration_images, prepare
from keras_liteseg.inference.segmenter import Segmenter
from keras_liteseg.inference.tensors import from_tensor, to_tensor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model
from keras_liteseg.models.network import load_network
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.networks.ops import resize_bilinear


@pytest.fixture(scope="module")
def float_file(network, metadata, tmp_path_factory):
    path = tmp_path_factory.mktemp("predictor") / "float.tflite"
    path.write_bytes(convert(native_dilation(network), metadata.replace(quantization="none", output_type="logits")))
    return path


def test_prepare_normalizes(metadata):
    image = np.array([[[0, 255, 51]]], np.uint8)
    metadata = metadata.replace(mean=(0.5, 0.4, 0.0), std=(0.5, 0.2, 1.0))
    found = prepare(image, (1, 1), metadata)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[[[-1.0, 3.0, 0.2]]]], rtol=1e-6)


def test_prepare_averages_when_it_shrinks(metadata):
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2, ::2] = 200  # a quarter of every 2x2 block
    np.testing.assert_allclose(prepare(image, (2, 2), metadata), 2 * 50 / 255 - 1, rtol=1e-5)


def test_calibration_images_are_evenly_spread(scenes, metadata):
    found = calibration_images(scenes, 2, scenes.size, metadata)
    assert len(found) == 2
    for image, index in zip(found, (0, 2)):
        np.testing.assert_array_equal(image, prepare(scenes.image(index), scenes.size, metadata))
    assert len(calibration_images(scenes, 100, scenes.size, metadata)) == len(scenes)


def test_logits_are_resized_before_the_argmax(metadata):
    logits = np.float32([[[0, 1], [3, 0]]])  # class 0 leads by more than class 1 does
    predictor = Predictor(metadata, (1, 2), lambda images: logits)
    labels = predictor.labels(np.zeros((1, 8, 3), np.uint8))
    # The difference of the logits goes from -1 to 3 and passes zero a quarter of the way: between pixels 2 and 3.
    np.testing.assert_array_equal(labels, [[1, 1, 1, 0, 0, 0, 0, 0]])
    assert labels.dtype == np.uint8


def test_classes_are_resized_to_the_nearest(metadata):
    predictor = Predictor(metadata, (1, 2), lambda images: np.int32([[0, 7]]))
    labels = predictor.labels(np.zeros((2, 6, 3), np.uint8))
    np.testing.assert_array_equal(labels, [[0, 0, 0, 7, 7, 7]] * 2)
    assert labels.dtype == np.uint8


@pytest.mark.parametrize("size", [(64, 128), (50, 90), (100, 130)])
def test_file_gives_the_labels_of_keras_at_the_size_of_the_image(size, network, metadata, float_file, scenes):
    image = cv2.resize(scenes.image(0), size[::-1])
    expected = keras_predictor(network, metadata).labels(image)
    found = load_predictor(float_file, threads=1).labels(image)
    assert expected.shape == found.shape == size and expected.dtype == found.dtype == np.uint8
    assert (found == expected).mean() > 0.999


def test_int8_file_takes_and_gives_floats(int8_file, network, metadata, scenes):
    predictor = load_predictor(int8_file, threads=1)
    logits = predictor.logits(scenes.image(1))
    expected = keras_predictor(network, metadata).logits(scenes.image(1))
    assert predictor.size == (64, 128) and predictor.metadata.quantization == "int8"
    assert logits.dtype == np.float32 and logits.shape == expected.shape
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.98


def test_tensor_round_trip():
    details = {"dtype": np.int8, "quantization": (0.5, -3)}
    tensor = to_tensor(np.float32([-100, -1, 0, 0.2, 0.3, 100]), details)
    assert tensor.dtype == np.int8
    np.testing.assert_array_equal(tensor, [-128, -5, -3, -3, -2, 127])
    np.testing.assert_array_equal(from_tensor(tensor, details), [-62.5, -1, 0, 0, 0.5, 65])


def test_tensors_without_a_scale_pass_unchanged():
    values = np.float32([0.25, 7])
    assert to_tensor(values, {"dtype": np.float32, "quantization": (0.0, 0)}) is values
    classes = np.int32([3, 1])
    assert from_tensor(classes, {"dtype": np.int32, "quantization": (0.0, 0)}) is classes


def test_ending_may_be_in_capitals(int8_file, scenes, tmp_path):
    loud = shutil.copy(int8_file, tmp_path / "A.TFLITE")
    np.testing.assert_array_equal(load_predictor(loud).labels(scenes.image(0)), Segmenter(loud)(scenes.image(0)))


def test_tflite_file_has_one_size(int8_file):
    assert load_predictor(int8_file, input_size=(64, 128), threads=1).size == (64, 128)
    with pytest.raises(UserError, match="takes 64x128 images only, not 96x128"):
        load_predictor(int8_file, input_size=(96, 128))


def test_keras_file_at_another_size(tiny_network, scenes, tmp_path):
    network = create_model(tiny_network, (64, 128, 3), 9)
    save_model(network, tmp_path / "a.keras", Metadata(tiny_network, "", scenes.classes, (0.5,) * 3, (0.5,) * 3))
    larger, metadata = load_network(tmp_path / "a.keras", input_size=(96, 160))
    assert larger.input.shape[1:3] == (96, 160) and metadata.classes == scenes.classes
    for found, expected in zip(larger.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_ndnet_of_an_older_version_keeps_to_its_multiples(scenes, tmp_path):
    network = create_model("ndnet29", (64, 128, 3), 9)
    scores, _ = before_last_resize(network)
    older = keras.Model(network.input, BilinearResize(8, name="logits", dtype="float32")(scores), name="ndnet29")
    save_model(older, tmp_path / "a.keras", Metadata("ndnet29", "", scenes.classes, (0.5,) * 3, (0.5,) * 3))
    images = np.random.default_rng(0).normal(size=(1, 72, 136, 3)).astype(np.float32)
    found, _ = load_network(tmp_path / "a.keras", input_size=(72, 136))
    np.testing.assert_array_equal(found(images), at_size(network, (72, 136))(images))
    with pytest.raises(UserError, match="saved by an older version, whose ndnet29 takes multiples of 8 only"):
        load_network(tmp_path / "a.keras", input_size=(65, 129))


def test_keras_file_after_quantization_aware_training_at_another_size(calibrated, metadata, tmp_path):
    equalized, ranges = calibrated
    save_model(equalized, tmp_path / "qat.keras", metadata.replace(ranges=ranges))
    larger, found = load_network(tmp_path / "qat.keras", input_size=(96, 160))
    assert larger.output.shape == (None, 96, 160, 9) and list(found.ranges) == list(ranges)
    np.testing.assert_array_equal(larger.get_layer("seg_score").kernel, equalized.get_layer("seg_score").kernel)


def test_registered_name(tiny_network, scenes):
    network, metadata = load_network(tiny_network, input_size=(16, 24), classes=scenes.classes)
    assert network.output.shape == (None, 16, 24, 9)
    assert (metadata.model, metadata.data, metadata.classes) == ("tiny", "", scenes.classes)
    assert len(load_network(tiny_network, input_size=(16, 24))[1].classes) == 19


def test_weights_that_are_random_are_called_so(tiny_network, caplog):
    load_predictor(tiny_network, input_size=(16, 24))
    assert caplog.messages == ["tiny has no checkpoint: its weights are random, and so are the labels."]
    caplog.clear()
    load_predictor("ndnet45", "camvid", (64, 64))
    assert caplog.messages == []


@pytest.mark.parametrize(
    "arguments, match",
    [
        (("missing.tflite",), "Cannot read missing.tflite"),
        (("missing.keras",), "There is no model file missing.keras"),
        (("ndnet54", None, (64, 128)), "There is no model 'ndnet54'.*ndnet45"),
        (("ndnet45",), "has no size of its own"),
        (("ndnet45", "a.keras", (64, 128)), "is a whole model: give it as --model"),
        (("ndnet45", None, (60, 128)), "nearest legal sizes"),
    ],
)
def test_mistakes(arguments, match):
    with pytest.raises(UserError, match=match):
        load_predictor(*arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pth", "no .keras file; if it holds weights alone, give it as --checkpoint"),
        ("last.weights.h5", "no .keras file; if it holds weights alone, give it as --checkpoint"),
        ("a.onnx", "an exported file; give the .keras file that it was made from"),
    ],
)
def test_other_files_in_place_of_a_keras_network(tmp_path, name, message):
    path = tmp_path / name
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=f"{path} is {message}"):
        load_network(path)


@pytest.mark.parametrize("size", [(16, 24), (19, 50), (9, 7)])
def test_align_corners_is_that_of_the_networks(size):
    scores = np.random.default_rng(0).normal(size=(7, 9, 4)).astype(np.float32)
    expected = np.asarray(resize_bilinear(scores[None], size, align_corners=True))[0]
    np.testing.assert_allclose(align_corners(scores, size), expected, atol=1e-5)


def test_align_corners_of_a_class_map_repeats_classes():
    classes = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    expected = [[0, 1, 1, 2, 2], [0, 1, 1, 2, 2], [3, 4, 4, 5, 5], [3, 4, 4, 5, 5]]
    np.testing.assert_array_equal(align_corners(classes, (4, 5)), expected)
    assert align_corners(classes, (2, 3)) is classes


def test_small_output_of_a_file_is_enlarged_as_the_network_would(tiny_network, scenes, tmp_path):
    full, none = tmp_path / "full.tflite", tmp_path / "none.tflite"
    export(tiny_network, full, input_size=scenes.size)
    export(tiny_network, none, ExportOptions(upsampling="none"), input_size=scenes.size)
    assert load_predictor(none).metadata.align_corners
    image = scenes.image(0)
    expected, found = (load_predictor(path).logits(image) for path in (full, none))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(load_predictor(none).labels(image), found.argmax(-1))
