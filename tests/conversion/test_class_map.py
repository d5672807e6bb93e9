"""Class maps are right on a GPU too."""

import keras
import numpy as np
import pytest

from edge import targets
from edge.device.tensors import pack, unpack
from keras_liteseg.conversion.class_map import even_classes
from keras_liteseg.conversion.convert import convert
from keras_liteseg.datasets import ClassList
from keras_liteseg.metadata import Metadata
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.quantization.simulate import FakeQuantize, simulate_int8
from tests.edge.test_benchmark import needs_gpu

SIZE = (8, 16)
LOWEST = -12.0


def scores(classes, resize=True):
    """Return a model of scores that are all negative for inputs in [0, 1]."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3), name="image")
    x = keras.layers.Conv2D(
        classes,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=1),
        bias_initializer=keras.initializers.RandomUniform(LOWEST / 2 - 1, LOWEST / 2 + 1),
        name="scores",
    )(image)
    return keras.Model(image, BilinearResize(scale=2, name="resized")(x) if resize else x)


@pytest.fixture
def image():
    return np.random.default_rng(0).random((1, *SIZE, 3), np.float32)


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize(("classes", "even"), [(2, 4), (3, 4), (5, 8), (19, 20)])
def test_scores_stay_and_others_follow(classes, even, resize, image):
    before = scores(classes, resize)
    after = even_classes(before)
    assert after.input is before.input
    expected, found = before.predict_on_batch(image), after.predict_on_batch(image)
    assert found.shape == (*expected.shape[:3], even)
    np.testing.assert_allclose(found[..., :classes], expected, rtol=1e-6)
    np.testing.assert_allclose(found[..., classes:], expected[..., :1].repeat(even - classes, -1) - 1, rtol=1e-5)


def test_multiple_of_four_stays():
    model = scores(8)
    assert even_classes(model) is model


def test_added_scores_have_the_int8_range_of_the_others(image):
    simulated = simulate(scores(5))
    after = even_classes(simulated)
    ranges = {(layer.low, layer.high) for layer in after.layers[-4:] if isinstance(layer, FakeQuantize)}
    assert ranges == {(LOWEST, 0.0)}
    expected, found = simulated.predict_on_batch(image), after.predict_on_batch(image)
    np.testing.assert_allclose(found[..., :5], expected, atol=1e-6)


def simulate(model):
    return simulate_int8(model, {"image": (0.0, 1.0), "scores": (LOWEST, 0.0)})


@needs_gpu
@pytest.mark.parametrize("quantization", ["none", "float16", "int8"])
@pytest.mark.parametrize("output_type", ["classes", "classes_uint8"])
def test_gpu_finds_the_highest_of_negative_scores(quantization, output_type, image, tmp_path):
    classes = 19
    model = scores(classes)
    names = ClassList(tuple(map(str, range(classes))), ((0, 0, 0),) * classes)
    metadata = Metadata("test", "test", names, (0.0,) * 3, (1.0,) * 3)
    file = tmp_path / "a.tflite"
    metadata = metadata.replace(quantization=quantization, output_type=output_type)
    file.write_bytes(convert(simulate(model) if quantization == "int8" else model, metadata))
    found = {}
    for target in ("host:cpu", "host:gpu"):
        session = targets.connect(target).start(file, 1, 120)
        try:
            session.ask("load")
            frame = np.round(image * 255 - 128).astype(np.int8) if quantization == "int8" else image
            (found[target],) = unpack(session.ask(f"infer {pack([frame])}")["outputs"])
        finally:
            session.close()
    expected = model.predict_on_batch(image)
    assert expected.min() > LOWEST and expected.max() < 0 and len(np.unique(expected.argmax(-1))) > 3
    assert found["host:gpu"].max() < classes
    # Rounded scores may tie.
    assert np.mean(found["host:gpu"] == found["host:cpu"]) > (0.95 if quantization == "int8" else 0.995)
    assert np.mean(found["host:cpu"] == expected.argmax(-1)) > (0.95 if quantization == "int8" else 0.995)
