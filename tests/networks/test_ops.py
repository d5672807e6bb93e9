import keras
import numpy as np
import pytest

from keras_liteseg.networks import ops

LENGTHS = [(1, 1), (1, 5), (5, 1), (4, 4), (3, 7), (7, 3), (4, 8), (9, 2), (16, 128)]
ALIGN_CORNERS = pytest.mark.parametrize("align_corners", [True, False], ids=["align corners", "half pixel"])


def reference(images, size, align_corners):
    """numpy's own linear interpolation, one axis after the other, in float64."""
    for axis, length in zip((1, 2), size):
        old = images.shape[axis]
        if align_corners:
            positions = np.linspace(0, old - 1, length) if length > 1 else np.zeros(1)
        else:
            positions = (np.arange(length) + 0.5) * old / length - 0.5  # np.interp keeps the ends
        images = np.apply_along_axis(lambda line: np.interp(positions, np.arange(len(line)), line), axis, images)
    return images


def portable(images, size, align_corners=True):
    """The path of the backends that have no native op."""
    return ops._resize_axis(ops._resize_axis(images, 1, size[0], align_corners), 2, size[1], align_corners)


@ALIGN_CORNERS
@pytest.mark.parametrize("resize", [ops.resize_bilinear, portable])
@pytest.mark.parametrize(("old", "new"), LENGTHS)
def test_resize_equals_the_reference(resize, old, new, align_corners):
    images = np.random.default_rng(old * 100 + new).normal(size=(2, old, 6, 3)).astype(np.float32)
    for value, size in ((images, (new, 11)), (images.swapaxes(1, 2), (11, new))):
        resized = keras.ops.convert_to_numpy(resize(keras.ops.convert_to_tensor(value), size, align_corners))
        # The native op rounds the position, up to 128, in float32.
        expected = reference(value.astype(np.float64), size, align_corners)
        np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("resize", [ops.resize_bilinear, portable])
def test_aligned_corners_are_exact(resize):
    images = np.random.default_rng(0).normal(size=(1, 5, 7, 2)).astype(np.float32)
    resized = keras.ops.convert_to_numpy(resize(keras.ops.convert_to_tensor(images), (13, 29)))
    np.testing.assert_array_equal(resized[:, [0, 0, -1, -1], [0, -1, 0, -1]], images[:, [0, 0, -1, -1], [0, -1, 0, -1]])


@ALIGN_CORNERS
@pytest.mark.parametrize("resize", [ops.resize_bilinear, portable])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtype_is_kept(resize, dtype, align_corners):
    images = keras.ops.ones((1, 3, 3, 1), dtype)
    assert keras.backend.standardize_dtype(resize(images, (5, 5), align_corners).dtype) == dtype


def test_size_may_be_a_tensor():
    images = np.random.default_rng(0).normal(size=(1, 4, 6, 1)).astype(np.float32)
    resized = ops.resize_bilinear(images, keras.ops.convert_to_tensor([7, 3]))
    np.testing.assert_allclose(resized, reference(images.astype(np.float64), (7, 3), True), atol=2e-6)


@ALIGN_CORNERS
def test_a_resize_to_the_same_size_is_no_operation(align_corners):
    images = keras.ops.ones((1, 3, 5, 1))
    assert ops.resize_bilinear(images, (3, 5), align_corners) is images


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the gradient is written by hand on TensorFlow")
@ALIGN_CORNERS
@pytest.mark.parametrize(("old", "new"), [((3, 5), (8, 20)), ((4, 6), (4, 13)), ((9, 7), (5, 3)), ((1, 1), (6, 4))])
def test_gradient_equals_the_native_one(old, new, align_corners):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(2, *old, 3)), tf.float32)
    upstream = tf.constant(rng.normal(size=(2, *new, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        resized = ops.resize_bilinear(images, new, align_corners)
    native = tf.raw_ops.ResizeBilinearGrad(
        grads=upstream, original_image=images, align_corners=align_corners, half_pixel_centers=not align_corners
    )
    np.testing.assert_allclose(tape.gradient(resized, images, upstream), native, atol=1e-5)
