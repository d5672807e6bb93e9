import json

import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.quantization.calibration import best_range, calibrate, npu_ranges, quantized_layers, share_ranges
from keras_liteseg.quantization.options import CalibrationMethod


def small_network():
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3), name="images")
    x = layers.ZeroPadding2D(1, name="pad")(images)
    x = layers.Conv2D(8, 3, strides=2, name="fused")(x)
    x = layers.ReLU(name="relu")(x)
    pooled = layers.MaxPooling2D(name="pool")(x)
    twice = layers.Conv2D(8, 1, name="used_twice")(pooled)
    x = layers.Add(name="add")([layers.ReLU(name="branch")(twice), twice])
    x = layers.ReLU(name="add_relu")(x)
    x = layers.Concatenate(name="concat")([x, pooled])
    x = layers.Conv2D(4, 1, name="score")(x)
    return keras.Model(images, BilinearResize(4, name="logits")(x))


def batches():
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(2)]


def test_quantized_layers():
    names = [layer.name for layer in quantized_layers(small_network())]
    # Left out: fused and add, which go into a ReLU alone, and pad, pool and logits, which keep their input's scale.
    assert names == ["images", "relu", "used_twice", "branch", "add_relu", "concat", "score"]


def test_calibrate_covers_every_quantized_layer():
    model = small_network()
    ranges = calibrate(model, batches())
    assert list(ranges) == [layer.name for layer in quantized_layers(model)]
    assert all(low <= 0 < high for low, high in ranges.values())
    assert ranges["relu"][0] == 0 and ranges["score"][0] < 0
    np.testing.assert_allclose(ranges["images"], (-1, 1), atol=0.01)


def test_a_tensor_that_is_always_zero_gets_a_scale():
    model = small_network()
    kernel, bias = model.get_layer("fused").get_weights()
    model.get_layer("fused").set_weights([0 * kernel, 0 * bias])
    low, high = calibrate(model, batches())["relu"]
    assert low == 0 < high


def histogram(values):
    return np.histogram(values, np.linspace(min(values.min(), 0), max(values.max(), 0), 2049))


def samples(kind):
    rng = np.random.default_rng(0)
    values = {
        "uniform": rng.uniform(-1, 3, 50_000),
        "laplace": rng.laplace(size=50_000),
        "relu_of_normal": np.maximum(rng.normal(size=50_000), 0),
        "heavy_tail": rng.standard_t(3, 50_000),
        "outlier": np.append(rng.uniform(0, 1, 50_000), 4.0),
    }
    return values[kind]


def test_uniform_values_keep_their_whole_range():
    counts, edges = histogram(samples("uniform"))
    assert best_range(counts, edges) == pytest.approx((edges[0], edges[-1]))


@pytest.mark.parametrize("lowest", [-2.0, 0.0])
def test_rare_large_values_are_clipped(lowest):
    edges = np.linspace(lowest, 3.0, 2049)
    counts = np.where(np.abs(edges[:-1]) < 0.3, 1e6, 0)
    counts[-1] = 1
    low, high = best_range(counts, edges)
    assert 0.2 * 3 <= high < 0.3 * 3
    # Both ends shrink alike, and 0 stays inside.
    assert low == pytest.approx(lowest * high / 3)


@pytest.mark.parametrize("kind", ["uniform", "laplace", "heavy_tail", "relu_of_normal", "outlier"])
def test_no_other_candidate_has_a_clearly_smaller_error(kind):
    values = samples(kind)
    counts, edges = histogram(values)

    def error(low, high):
        scale = (high - low) / 255
        rounded = np.clip(np.rint((values - low) / scale), 0, 255) * scale + low
        return np.square(values - rounded).mean()

    candidates = [error(shrink * edges[0], shrink * edges[-1]) for shrink in np.linspace(0.2, 1, 81)]
    # The histogram knows no value better than to a 2048th, and the rounding error only on average.
    assert error(*best_range(counts, edges)) <= 1.05 * min(candidates)


def test_inputs_of_a_concatenation_share_its_range():
    images = keras.Input((8, 8, 3), name="images")
    first = layers.Conv2D(2, 3, padding="same", name="first")(images)
    pooled = layers.MaxPooling2D(2, name="pooled")(layers.ZeroPadding2D(1)(first))
    second = layers.Conv2D(2, 3, 2, padding="same", name="second")(layers.ZeroPadding2D(1)(images))
    inner = layers.Concatenate(name="inner")([second, pooled])
    both = layers.Concatenate(name="outer")([inner, layers.Conv2D(2, 1, name="third")(second)])
    model = keras.Model(images, layers.Conv2D(2, 1, name="last")(both))
    ranges = dict.fromkeys(("images", "third", "last", "inner"), (-1.0, 3.0))
    ranges |= {"first": (-2.0, 2.0), "second": (0.0, 0.002), "outer": (-5.0, 5.0)}
    shared = share_ranges(model, ranges)
    assert [shared[name] for name in ("first", "inner", "third")] == [(-5.0, 5.0)] * 3
    # Another layer takes it too: it keeps its range, but for XNNPACK's limit.
    assert shared["second"] == pytest.approx((0, 0.1))
    assert shared["images"] == shared["last"] == (-1.0, 3.0) and ranges["first"] == (-2.0, 2.0)


def test_ranges_of_what_was_added_for_an_npu():
    images = keras.Input((8, 8, 3), name="images")
    part = layers.ReLU(name="part_relu")(layers.Conv2D(4, 3, padding="same", name="part")(images))
    average = layers.DepthwiseConv2D(2, padding="same", name="average")(layers.Permute((2, 1, 3))(part))
    strip = layers.DepthwiseConv2D(2, padding="same", name="strip")(part)
    strips = layers.Concatenate(axis=1, name="strips")([average, strip])
    model = keras.Model(images, layers.GlobalMaxPooling2D(name="maximum")(strips))
    ranges = {"images": (-1.0, 1.0), "relu": (0.0, 6.0), "strips": (0.0, 5.0), "maximum": (0.0, 1.0)}
    found = npu_ranges(model, ranges, {"part_relu": "relu", "average": None})
    assert found["part_relu"] == found["average"] == (0.0, 6.0)  # of the one named, and of its input
    assert found["strip"] == found["strips"] == (0.0, 5.0)  # that of the concatenation


@pytest.mark.parametrize("method", list(CalibrationMethod))
def test_ranges_can_be_written_beside_the_network(method):
    json.dumps(calibrate(small_network(), batches(), method))
