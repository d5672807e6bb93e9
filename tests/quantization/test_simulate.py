import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.conversion.convert import convert
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.quantization.simulate import (
    FakeQuantize,
    floating,
    rounded_kernel,
    set_rounded_weights,
    simulate_int8,
)
from keras_liteseg.tflite.inspect import inspect


@pytest.mark.parametrize("shape, depthwise, axes", [((3, 3, 4, 6), False, (0, 1, 2)), ((3, 3, 6, 1), True, (0, 1, 3))])
def test_rounded_kernel(shape, depthwise, axes):
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    scale = np.abs(kernel).max(axis=axes, keepdims=True) / 127
    steps = rounded_kernel(kernel, depthwise) / scale
    np.testing.assert_allclose(steps, np.rint(kernel / scale), atol=1e-4)
    np.testing.assert_allclose(np.abs(steps).max(axis=axes), 127, rtol=1e-6)


def test_rounded_kernel_of_a_dead_channel_is_zero():
    kernel = np.ones((1, 1, 2, 3), np.float32)
    kernel[..., 1] = 0
    np.testing.assert_allclose(rounded_kernel(kernel, False), kernel, rtol=1e-6)


def test_fake_quantize():
    values = np.array([[-3.0, -1.0, 0.0, 0.004, 0.0051, 1.0, 3.0]], np.float32)
    expected = [[-1.28, -1.0, 0.0, 0.0, 0.01, 1.0, 1.27]]
    np.testing.assert_allclose(FakeQuantize(-1.28, 1.27)(values), expected, atol=1e-6)


def test_kernels_are_on_the_grid_and_biases_are_not(calibrated):
    equalized, ranges = calibrated
    simulated = simulate_int8(equalized, ranges)
    kernel, bias = equalized.get_layer("seg_score").get_weights()
    np.testing.assert_array_equal(simulated.get_layer("seg_score").kernel, rounded_kernel(kernel, False))
    np.testing.assert_array_equal(simulated.get_layer("seg_score").bias, bias)

    simulated.get_layer("seg_score").set_weights([0 * kernel, 0 * bias])
    set_rounded_weights(simulated, equalized)
    np.testing.assert_array_equal(simulated.get_layer("seg_score").kernel, rounded_kernel(kernel, False))


@pytest.fixture(scope="module")
def steps_apart(calibrated, images, scenes, metadata, tmp_path_factory):
    """Function of a layer: differences, in int8 steps, between simulation and int8 file of the network up to there."""
    equalized, ranges = calibrated
    # Over [-1, 1] each pixel value lies half way between two steps, and rounding noise decides; not so over this range.
    simulated = simulate_int8(equalized, {**ranges, "images": (-128 / 127, 1.0)})
    path = tmp_path_factory.mktemp("simulate") / "cut.tflite"

    def compare(name):
        cut = keras.Model(simulated.input, simulated.get_layer(name).output)
        path.write_bytes(convert(cut, metadata.replace(quantization="int8", output_type="logits")))
        predictor = load_predictor(path, threads=1)
        found = np.stack([predictor.logits(scenes.image(index)) for index in range(len(scenes))])
        (output,) = inspect(path).outputs
        return (found - cut.predict_on_batch(np.concatenate(images))) / output.scale

    return compare


def test_first_convolution_equals_that_of_the_file(steps_apart):
    assert (np.abs(steps_apart("features_conv1_relu_int8")) < 0.1).mean() > 0.999


def test_first_blocks_equal_those_of_the_file_to_one_step(steps_apart):
    # Pad, pool, strided and plain depthwise convolutions, and both kinds of shortcut. Where a sum lies half way between
    # two steps, the two round differently. Such differences spread from layer to layer, so no deeper layer of a random
    # network can be compared: the kernels of LiteRT disagree among themselves there as much.
    assert (np.abs(steps_apart("features_block3_1_relu_int8")) < 1.1).mean() > 0.99


def test_dilated_block_equals_that_of_the_file(scenes, metadata, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*scenes.size, 3), name="images")
    x = layers.Conv2D(8, 3, strides=4, padding="same", name="first")(inputs)
    x = layers.ReLU(name="relu")(x)
    branches = [layers.DepthwiseConv2D(3, dilation_rate=2, padding="same", name=name)(x) for name in ("left", "right")]
    model = keras.Model(inputs, layers.Add(name="sum")(branches))
    ranges = dict.fromkeys(("left", "right", "sum"), (-2.0, 2.0))
    ranges |= {"images": (-128 / 127, 1.0), "relu": (0.0, 2.0)}
    simulated = simulate_int8(model, ranges)
    path = tmp_path / "dilated.tflite"
    path.write_bytes(convert(simulated, metadata.replace(quantization="int8", output_type="logits")))
    assert inspect(path).space_to_batch == 0
    predictor, keras_predicts = load_predictor(path, threads=1), keras_predictor(simulated, metadata)
    image = scenes.image(0)
    steps = (predictor.logits(image) - keras_predicts.logits(image)) / inspect(path).outputs[0].scale
    assert (np.abs(steps) < 0.1).mean() > 0.99 and np.abs(steps).max() < 1.1


@pytest.mark.parametrize(
    "named, floats",
    [
        ("first", {"first", "relu", "pad", "second"}),  # with its ReLU, and what reads it through the padding
        ("second", {"second", "score"}),
        ("score", {"score"}),
    ],
)
def test_float_layer_computes_in_float_in_the_file_too(named, floats, scenes, metadata, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*scenes.size, 3), name="images")
    x = layers.ReLU(name="relu")(layers.Conv2D(8, 3, strides=4, padding="same", name="first")(inputs))
    x = layers.DepthwiseConv2D(3, name="second")(layers.ZeroPadding2D(1, name="pad")(x))
    model = keras.Model(inputs, layers.Conv2D(4, 1, name="score")(x))
    ranges = {"images": (-128 / 127, 1.0), "relu": (0.0, 2.0), "second": (-2.0, 2.0), "score": (-2.0, 2.0)}
    assert floating(model, [named]) == floats

    simulated = simulate_int8(model, ranges, [named])
    path = tmp_path / "mixed.tflite"
    path.write_bytes(convert(simulated, metadata.replace(quantization="int8", output_type="logits")))
    report = inspect(path)
    assert sum(count for op, count in report.float_ops.items() if "CONV" in op) == len(floats - {"relu", "pad"})
    assert report.problems(expect_int8=True, float_layers=floats) == []
    if named == "first":
        (problem,) = report.problems(expect_int8=True, float_layers=["firs"])
        assert "float op" in problem and "1x CONV_2D" in problem

    for layer in (model.get_layer(name) for name in ("first", "second", "score")):
        kernel, depthwise = layer.get_weights()[0], isinstance(layer, layers.DepthwiseConv2D)
        expected = kernel if layer.name in floats else rounded_kernel(kernel, depthwise)
        np.testing.assert_array_equal(simulated.get_layer(layer.name).get_weights()[0], expected)
    image = scenes.image(0)
    found = load_predictor(path, threads=1).logits(image)
    steps = (found - keras_predictor(simulated, metadata).logits(image)) / (4 / 255)
    assert (np.abs(steps) < 0.1).mean() > 0.98 and np.abs(steps).max() < 1.1
