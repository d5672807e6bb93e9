import keras
import numpy as np
import pytest

from keras_liteseg import ExportOptions, export
from keras_liteseg.errors import UserError
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.multi_scale import MultiScalePredictor, load_multi_scale
from keras_liteseg.inference.predictor import Predictor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model


@pytest.fixture
def tiny_file(tiny_network, scenes, tmp_path):
    """A network that takes multiples of 4, at 64x128."""
    keras.utils.set_random_seed(0)
    network = create_model(tiny_network, (*scenes.size, 3), len(scenes.classes))
    save_model(network, tmp_path / "a.keras", Metadata(tiny_network, "", scenes.classes, (0.5,) * 3, (0.5,) * 3))
    return tmp_path / "a.keras"


def fixed(metadata, logits):
    """Predictor that gives the same logits for every image."""
    return Predictor(metadata, (1, 2), lambda images: np.float32(logits))


def test_probabilities_are_averaged_and_not_logits(metadata):
    # Two moderate votes for class 1 outweigh one certain vote for class 0; their logits would not.
    sure, moderate = [[[100, 0], [0, 1]]], [[[0, 3], [0, 1]]]
    predictors = [fixed(metadata, logits) for logits in (sure, moderate, moderate)]
    labels = MultiScalePredictor((1, 2), predictors).labels(np.zeros((1, 2, 3), np.uint8))
    np.testing.assert_array_equal(labels, [[1, 1]])
    assert labels.dtype == np.uint8


def test_mirrored_prediction_is_mirrored_back(metadata):
    # The network looks at the left pixel only: it is class 1 where the image is bright, whatever the right pixel is.
    def run(images):
        scores = np.zeros((1, 2, 2), np.float32)
        scores[0, 0, 1] = 4 * images[0, 0, 0, 0]
        return scores

    image = np.uint8([[[0, 0, 0], [255, 255, 255]]])
    predictor = Predictor(metadata, (1, 2), run)
    # Left pixel: -4 for class 1. Right pixel: only the mirrored run knows that it is bright.
    np.testing.assert_array_equal(MultiScalePredictor((1, 2), [predictor]).labels(image), [[0, 0]])
    np.testing.assert_array_equal(MultiScalePredictor((1, 2), [predictor], flip=True).labels(image), [[0, 1]])


def test_one_scale_without_flip_is_the_plain_prediction(tiny_file, scenes):
    plain, averaged = load_predictor(tiny_file), load_multi_scale(tiny_file)
    assert averaged.size == (64, 128) and averaged.sizes == [(64, 128)] and averaged.metadata == plain.metadata
    for index in range(2):
        image = scenes.image(index)
        np.testing.assert_array_equal(averaged.labels(image), plain.labels(image))


def test_sizes_are_the_nearest_legal_ones(tiny_file, scenes):
    predictor = load_multi_scale(tiny_file, scales=(0.5, 0.77, 1.0, 1.5, 0.001))
    # 0.77 is 49.28x98.56 before rounding.
    assert predictor.sizes == [(32, 64), (48, 100), (64, 128), (96, 192), (4, 4)]
    assert predictor.size == (64, 128)
    assert predictor.labels(scenes.image(0)[:50, :90]).shape == (50, 90)


def test_scales_with_their_own_networks_are_averaged(tiny_file, scenes):
    predictor = load_multi_scale(tiny_file, scales=(0.5, 1.5))
    image = scenes.image(0)
    total = 0
    for size in ((32, 64), (96, 192)):
        logits = keras.ops.image.resize(load_predictor(tiny_file, input_size=size).logits(image), scenes.size)
        total = total + keras.ops.softmax(logits, axis=-1)
    # Two implementations of the same resize differ in the last digits.
    assert (np.argmax(total, axis=-1) == predictor.labels(image)).mean() > 0.995


def test_network_with_pooled_context_changes_its_size(scenes, tmp_path):
    network = create_model("pp_liteseg_t", (64, 128, 3), len(scenes.classes))
    metadata = Metadata("pp_liteseg_t", "", scenes.classes, (0.5,) * 3, (0.5,) * 3)
    save_model(network, tmp_path / "a.keras", metadata)
    predictor = load_multi_scale(tmp_path / "a.keras", scales=(1.6,))
    assert predictor.sizes == [(102, 205)]
    assert predictor.labels(scenes.image(0)).shape == scenes.size


def test_sizes_of_one_pixel_more_stay_such(scenes, tmp_path):
    network = create_model("ndnet29", (33, 65, 3), len(scenes.classes))
    save_model(network, tmp_path / "a.keras", Metadata("ndnet29", "", scenes.classes, (0.5,) * 3, (0.5,) * 3))
    predictor = load_multi_scale(tmp_path / "a.keras", scales=(1.0, 2.0, 0.6, 0.001))
    assert predictor.sizes == [(33, 65), (65, 129), (17, 41), (9, 9)]
    assert load_multi_scale(tmp_path / "a.keras", input_size=(32, 65), scales=(1.0,)).sizes == [(32, 65)]


def test_file_has_no_averaged_weights(int8_file):
    with pytest.raises(UserError, match="holds one set of weights; leave out --averaged"):
        load_multi_scale(int8_file, flip=True, averaged=True)


def test_file_of_one_size_takes_flip_alone(int8_file, scenes):
    predictor, plain = load_multi_scale(int8_file, flip=True), load_predictor(int8_file)
    assert (predictor.labels(scenes.image(0)) != plain.labels(scenes.image(0))).any()
    symmetric = np.concatenate([scenes.image(0)[:, :64], scenes.image(0)[:, :64][:, ::-1]], axis=1)
    labels = predictor.labels(symmetric)
    assert (labels == labels[:, ::-1]).mean() > 0.98
    with pytest.raises(UserError, match="takes images of one size only; leave out --scales"):
        load_multi_scale(int8_file, scales=(0.75, 1.0))


@pytest.mark.parametrize("output_type", ["classes", "classes_uint8"])
def test_file_that_gives_class_maps_is_refused(output_type, tiny_network, tmp_path):
    export(tiny_network, tmp_path / "a.tflite", ExportOptions(output_type=output_type), input_size=(32, 64))
    with pytest.raises(UserError, match="'tiny' that gives class maps cannot be averaged .* --output_type logits"):
        load_multi_scale(tmp_path / "a.tflite", flip=True)


def test_probabilities_of_a_softmax_file_are_averaged_as_they_are(tiny_network, scenes, tmp_path):
    for output_type in ("logits", "softmax"):
        options = ExportOptions(output_type=output_type)
        export(tiny_network, tmp_path / f"{output_type}.tflite", options, input_size=scenes.size)
    logits, softmax = (load_multi_scale(tmp_path / f"{name}.tflite", flip=True) for name in ("logits", "softmax"))
    for index in range(2):
        image = scenes.image(index)
        assert (logits.labels(image) == softmax.labels(image)).mean() > 0.999


def test_probabilities_get_no_second_softmax(metadata):
    # 1 + 2 * 0.255 is more than 2 * 0.745, but a softmax of them would weaken the sure vote: class 1 would win.
    sure, moderate = [[[1, 0], [0, 1]]], [[[0.255, 0.745], [0, 1]]]
    predictors = [fixed(metadata.replace(output_type="softmax"), scores) for scores in (sure, moderate, moderate)]
    image = np.zeros((1, 2, 3), np.uint8)
    np.testing.assert_array_equal(MultiScalePredictor((1, 2), predictors).labels(image), [[0, 1]])
    as_logits = [fixed(metadata, scores) for scores in (sure, moderate, moderate)]
    np.testing.assert_array_equal(MultiScalePredictor((1, 2), as_logits).labels(image), [[1, 1]])


@pytest.mark.parametrize("scales", [(), (0.0, 1.0), (-1.0,), (float("nan"),), (float("inf"),), ("1",), 1.0])
def test_scales_must_be_positive(scales):
    with pytest.raises(UserError, match="give positive factors"):
        load_multi_scale("a.keras", scales=scales)
