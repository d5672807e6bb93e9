"""Resizes of integers: the same pixels by XNNPACK and by the kernels that count positions in 1024ths."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_liteseg.conversion import convert as conversion
from keras_liteseg.conversion.convert import convert
from keras_liteseg.conversion.steady_resizes import between_length, steady_resizes
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.quantization.simulate import FakeQuantize
from keras_liteseg.tflite.drift import drift, largest_drift
from keras_liteseg.tflite.flatbuffer import read_model
from keras_liteseg.tflite.inspect import inspect

KERNELS = OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN_REF


def resize_model(before, after, align_corners=True):
    images = keras.Input((*before, 3), name="images")
    x = FakeQuantize(-1.0, 1.0, name="images_int8")(images)
    return keras.Model(images, BilinearResize(size=after, align_corners=align_corners, name="logits")(x))


def run(path, values, kernels):
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).astype(int)


def step_at(length, place):
    """Return a picture, int8 (1, 2, length, 3), that is black up to `place` and white behind."""
    values = np.full((1, 2, length, 3), -100, np.int8)
    values[:, :, place:] = 100
    return values


@pytest.mark.parametrize(("length", "wanted"), [(45, 360), (90, 720), (17, 360), (64, 512), (256, 2048)])
def test_drift_is_what_the_kernels_do_and_goes_away(length, wanted, metadata, tmp_path, monkeypatch):
    request = metadata.replace(quantization="int8", output_type="logits")
    model = resize_model((2, length), (2, wanted))
    steady, direct = tmp_path / "steady.tflite", tmp_path / "direct.tflite"
    steady.write_bytes(convert(model, request))
    monkeypatch.setattr(conversion, "steady_resizes", lambda model: model)
    direct.write_bytes(convert(model, request))
    # An edge between black and white at the right end: its place in the output is where the values cross 0.
    places = {}
    for path in (steady, direct):
        exact, *others = (run(path, step_at(length, length - 1), kernels)[0, 0, :, 0] for kernels in KERNELS)
        places[path] = max(abs(float(np.sum(exact - other))) / 200 for other in others)
    assert places[direct] == pytest.approx(drift(length, wanted), abs=0.6) and places[direct] > 0.5
    assert places[steady] <= 1.1 and places[steady] < 0.8 * places[direct]
    assert largest_drift(read_model(direct)) == drift(length, wanted) > largest_drift(read_model(steady))
    assert f"off by up to {drift(length, wanted):.1f} pixels" in str(inspect(direct))


def test_way_over_a_finer_map_interpolates_the_same():
    values = np.random.default_rng(0).uniform(-1, 1, (1, 17, 45, 3)).astype(np.float32)
    model = keras.Model(
        images := keras.Input((17, 45, 3)), BilinearResize(size=(360, 360), name="logits")(images), name="resize"
    )
    steady = steady_resizes(model)
    assert [layer.output.shape[1:3] for layer in steady.layers] == [(17, 45), (129, 89), (360, 360)]
    np.testing.assert_allclose(steady.predict_on_batch(values), model.predict_on_batch(values), atol=1e-5)


@pytest.mark.parametrize(
    ("length", "wanted", "between"),
    [(45, 360, 89), (60, 480, 60), (1, 12, 1), (360, 270, 360), (33, 257, 33), (23, 45, 23), (128, 1024, 128)],
)
def test_map_in_between_is_there_where_it_helps_and_small(length, wanted, between):
    assert between_length(length, wanted) == between


def test_half_pixel_resizes_stay_one():
    model = resize_model((45, 60), (360, 480), align_corners=False)
    assert steady_resizes(model) is model


def test_class_maps_too(metadata, tmp_path):
    request = metadata.replace(quantization="int8", output_type="classes_uint8")
    path = tmp_path / "a.tflite"
    path.write_bytes(convert(resize_model((45, 60), (360, 480)), request))
    assert largest_drift(read_model(path)) < 0.5 and inspect(path).ops["RESIZE_BILINEAR"] == 2


def test_16_bits_too(metadata, tmp_path):
    images = keras.Input((45, 60, 3), name="images")
    model = keras.Model(images, BilinearResize(size=(360, 480), name="logits")(images))
    request = metadata.replace(quantization="int16x8", output_type="logits")
    path = tmp_path / "a.tflite"
    path.write_bytes(convert(model, request, calibration=[np.ones((1, 45, 60, 3), np.float32)]))
    assert largest_drift(read_model(path)) < 0.5 and inspect(path).ops["RESIZE_BILINEAR"] == 2
