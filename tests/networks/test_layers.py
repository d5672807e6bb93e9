import keras
import numpy as np
import pytest

from keras_liteseg.networks import layers

RNG = np.random.default_rng


def run(build, x):
    """Return (the model that `build` makes on an input like `x`, its output)."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, build(inputs))
    return model, np.asarray(model(x))


def windows(x, kernel_size, strides, dilation, fill):
    """Return x under every kernel tap, (N, rows, columns, taps, channels), with PyTorch's symmetric padding."""
    margin = dilation * (kernel_size - 1) // 2
    padded = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)], constant_values=fill)
    span = dilation * (kernel_size - 1)
    rows, columns = ((length + 2 * margin - span - 1) // strides + 1 for length in x.shape[1:3])
    taps = [
        padded[:, r * dilation :, c * dilation :][:, : rows * strides : strides, : columns * strides : strides]
        for r in range(kernel_size)
        for c in range(kernel_size)
    ]
    return np.stack(taps, axis=3)


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_conv_is_padded_on_every_side(size, strides, kernel_size):
    x = RNG(0).normal(size=(2, *size, 3)).astype(np.float32)
    model, y = run(lambda inputs: layers.conv(inputs, 5, kernel_size, "c", strides=strides, use_bias=True), x)
    model.get_layer("c").bias.assign(np.arange(5.0))
    kernel = model.get_layer("c").kernel.numpy().reshape(kernel_size**2, 3, 5)
    expected = np.einsum("nrcti,tio->nrco", windows(x, kernel_size, strides, 1, 0), kernel)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(model(x), expected + np.arange(5.0), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_depthwise_conv_is_padded_on_every_side(size, strides, dilation):
    x = RNG(0).normal(size=(2, *size, 3)).astype(np.float32)
    model, y = run(lambda inputs: layers.depthwise_conv(inputs, 3, "d", strides=strides, dilation=dilation), x)
    kernel = model.get_layer("d").kernel.numpy().reshape(9, 3)
    expected = np.einsum("nrcti,ti->nrci", windows(x, 3, strides, dilation, 0), kernel)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert not model.get_layer("d").use_bias


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_max_pool_of_a_relu_output_pads_as_with_minus_infinity(size):
    x = np.maximum(RNG(0).normal(size=(2, *size, 3)), 0).astype(np.float32)
    _, y = run(lambda inputs: layers.max_pool(inputs, 3, 2, "p"), x)
    np.testing.assert_array_equal(y, windows(x, 3, 2, 1, -np.inf).max(axis=3))


def test_batch_norm_has_pytorch_defaults():
    x = RNG(0).normal(size=(4, 3, 5, 2)).astype(np.float32)
    model, y = run(lambda inputs: layers.batch_norm(inputs, "b"), x)
    np.testing.assert_allclose(y, x / np.sqrt(1 + 1e-5), rtol=1e-6)
    model(x, training=True)
    np.testing.assert_allclose(model.get_layer("b").moving_mean, 0.1 * x.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "fan_in"),
    [
        (lambda x: layers.depthwise_conv(x, 3, "k"), 9),
        (lambda x: layers.conv(x, 400, 3, "k"), 9 * 400),
        (lambda x: layers.conv(x, 400, 1, "k"), 400),
    ],
)
def test_kernels_start_kaiming_normal(build, fan_in):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 400))
    kernel = keras.Model(inputs, build(inputs)).get_layer("k").kernel.numpy()
    # The spread of the estimate is 1 / sqrt(2 * count), below 1.2 % for 3600 values.
    assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)
    assert abs(kernel.mean()) < 0.1 * np.sqrt(2 / fan_in)


def test_resize_by_a_scale():
    x = RNG(0).normal(size=(1, 3, 5, 2)).astype(np.float32)
    model, y = run(layers.BilinearResize(4), x)
    assert model.output_shape == (None, 12, 20, 2) and y.shape == (1, 12, 20, 2)
    np.testing.assert_array_equal(y[0, [0, -1], [0, -1]], x[0, [0, -1], [0, -1]])


def test_resize_to_the_size_of_another():
    x, like = keras.Input((3, 5, 2)), keras.Input((7, 9, 4))
    model = keras.Model([x, like], layers.BilinearResize()(x, like=like))
    assert model.output_shape == (None, 7, 9, 2)
    assert model([np.zeros((1, 3, 5, 2), np.float32), np.zeros((1, 7, 9, 4), np.float32)]).shape == (1, 7, 9, 2)


def test_resize_of_any_size():
    x = keras.Input((None, None, 2))
    model = keras.Model(x, layers.BilinearResize(2)(x))
    assert model.output_shape == (None, None, None, 2)
    for size in ((3, 5), (4, 2)):
        assert model.predict(np.zeros((1, *size, 2), np.float32), verbose=0).shape == (1, 2 * size[0], 2 * size[1], 2)


def test_resize_survives_its_config():
    layer = layers.BilinearResize(8, name="up")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.scale, again.name) == (8, "up")


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (7, 12), (1, 1)])
@pytest.mark.parametrize("any_size", [False, True])
@pytest.mark.parametrize(("kind", "reduce"), [("max", np.nanmax), ("average", np.nanmean)])
def test_exclusive_pooling_leaves_its_padding_out(kind, reduce, size, any_size):
    x = RNG(0).normal(size=(2, *size, 3)).astype(np.float32) - 3
    inputs = keras.Input((None, None, 3) if any_size else (*size, 3))
    model = keras.Model(inputs, layers.ExclusivePooling2D(kind)(inputs))
    rows, columns = ((length + 1) // 2 for length in size)
    assert model.output_shape == (None, *((None, None) if any_size else (rows, columns)), 3)
    expected = reduce(windows(x, 3, 2, 1, np.nan), axis=3)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)


def test_exclusive_pooling_survives_its_config():
    layer = layers.ExclusivePooling2D("average", name="pool")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.kind, again.name) == ("average", "pool")
    with pytest.raises(ValueError, match="kind is 'median'"):
        layers.ExclusivePooling2D("median")


@pytest.mark.parametrize("use_bias", [False, True])
def test_grouped_convolution_is_one_convolution_per_group(use_bias):
    x = RNG(0).normal(size=(2, 5, 7, 12)).astype(np.float32)
    model, y = run(lambda inputs: layers.conv(inputs, 8, 3, "g", strides=2, groups=4, use_bias=use_bias), x)
    layer = model.get_layer("g")
    if use_bias:
        layer.bias.assign(np.arange(8.0))
    kernel = layer.kernel.numpy().reshape(9, 3, 8)
    parts = [
        np.einsum("nrcti,tio->nrco", windows(x, 3, 2, 1, 0)[..., 3 * g : 3 * g + 3], kernel[..., 2 * g : 2 * g + 2])
        for g in range(4)
    ]
    expected = np.concatenate(parts, axis=-1) + use_bias * np.arange(8.0)
    np.testing.assert_allclose(model(x), expected, atol=1e-5)
    np.testing.assert_allclose(model(x, training=True), expected, atol=1e-5)


def test_convolution_with_padding_of_its_own():
    x = RNG(0).normal(size=(1, 6, 7, 2)).astype(np.float32)
    model, y = run(lambda inputs: layers.conv(inputs, 3, 1, "c", padding=1), x)
    assert y.shape == (1, 8, 9, 3)
    kernel = model.get_layer("c").kernel.numpy()[0, 0]
    np.testing.assert_allclose(y[:, 1:-1, 1:-1], x @ kernel, atol=1e-6)
    assert not y[:, [0, -1]].any() and not y[:, :, [0, -1]].any()


@pytest.mark.parametrize(("scale", "size"), [(3 / 4, (76, 124)), (1 / 4, (25, 41)), (0.29, (29, 48))])
@pytest.mark.parametrize("any_size", [False, True])
def test_resize_by_a_fraction_truncates(scale, size, any_size):
    x = keras.Input((None, None, 1) if any_size else (102, 166, 1))
    model = keras.Model(x, layers.BilinearResize(scale)(x))
    assert model.predict(np.zeros((1, 102, 166, 1), np.float32), verbose=0).shape == (1, *size, 1)
