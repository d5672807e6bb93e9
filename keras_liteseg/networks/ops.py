"""Operations that `keras.ops` lacks, for every Keras backend."""

import keras
import numpy as np


def resize_matrix(length, wanted, align_corners):
    """Return the matrix, float32 (length, wanted), by which `resize_bilinear` resizes an axis."""
    image = np.eye(length, dtype=np.float32)[None, ..., None]
    return keras.ops.convert_to_numpy(resize_bilinear(image, (length, wanted), align_corners))[0, ..., 0]


def resize_bilinear(images, size, align_corners=True):
    """Resize bilinearly, without antialiasing.

    Output index i of m reads input coordinate i * (n - 1) / (m - 1) with aligned corners, and (i + 0.5) * n / m - 0.5,
    kept inside the input, without. On the TensorFlow backend this is one native op, which TFLite keeps as one
    RESIZE_BILINEAR.

    Args:
        images: float tensor (batch, height, width, channels).
        size: output (height, width), integers or scalar tensors.
        align_corners: whether the centres of the corner pixels stay in place; otherwise the corners of the picture do
            (half-pixel centres).

    Returns:
        A tensor (batch, *size, channels) of the dtype of `images`.
    """
    # Lengths that are not integers are tensors, which TensorFlow knows only when it runs.
    known = isinstance(size, list | tuple) and all(isinstance(length, int) for length in size)
    if known and tuple(size) == tuple(images.shape[1:3]):
        return images
    if keras.backend.backend() == "tensorflow":
        return _resize_on_tensorflow(images, size, align_corners)
    if keras.backend.backend() == "jax" and _enlarges(images, size):
        return _enlarge_on_jax(images, size, align_corners)
    return _resize_axis(_resize_axis(images, 1, size[0], align_corners), 2, size[1], align_corners)


def _enlarges(images, size):
    return size[0] * size[1] > images.shape[1] * images.shape[2]


def _resize_on_tensorflow(images, size, align_corners):
    """One native op. The gradient of enlarging is a product with a matrix for each axis: TensorFlow's own adds up one
    number after the other, and took two to five times as long for logits."""
    import tensorflow as tf

    def resize(images):
        resized = tf.raw_ops.ResizeBilinear(
            images=images, size=size, align_corners=align_corners, half_pixel_centers=not align_corners
        )

        def gradient(upstream):
            (height, width), channels = size, images.shape[3]
            rows, columns = _matrices(images.shape[1:3], size, align_corners)
            reduced = tf.matmul(rows, tf.reshape(upstream, (-1, height, width * channels)), transpose_a=True)
            reduced = tf.reshape(reduced, (-1, images.shape[1], width, channels))
            return tf.cast(tf.matmul(columns, reduced, transpose_a=True), images.dtype)

        return resized, gradient

    known = all(isinstance(length, int) for length in (*images.shape[1:3], *tf.nest.flatten(size)))
    resized = tf.custom_gradient(resize)(images) if known and _enlarges(images, size) else resize(images)[0]
    # The op computes in float32 whatever it is given.
    return tf.cast(resized, images.dtype)


def _matrices(source, size, align_corners):
    """Return the matrices (new, old) that resize rows and columns, in float32."""
    return [
        _resize_axis(keras.ops.eye(old, dtype="float32")[None, :, :, None], 1, new, align_corners)[0, :, :, 0]
        for old, new in zip(source, size)
    ]


def _enlarge_on_jax(images, size, align_corners):
    """As a product with a matrix for each axis: its gradient is another product, where that of a choice of rows is a
    sum into places that collide, which a GPU does one after the other."""
    import jax.numpy as jnp

    rows, columns = _matrices(images.shape[1:3], size, align_corners)
    sums = dict(precision="highest", preferred_element_type=jnp.float32)
    enlarged = jnp.einsum("oh,nhwc->nowc", rows.astype(images.dtype), images, **sums).astype(images.dtype)
    return jnp.einsum("pw,nowc->nopc", columns.astype(images.dtype), enlarged, **sums).astype(images.dtype)


def _resize_axis(images, axis, length, align_corners):
    source = keras.ops.shape(images)[axis]
    steps = keras.ops.arange(length, dtype="int32")
    # Integer arithmetic keeps the positions exact: numerator / denominator, in input pixels.
    if align_corners:
        numerator, denominator = steps * (source - 1), max(length - 1, 1)
    else:
        numerator, denominator = keras.ops.maximum((2 * steps + 1) * source - length, 0), 2 * length
    lower = keras.ops.minimum(numerator // denominator, source - 1)
    upper = keras.ops.minimum(lower + 1, source - 1)
    shape = [1] * 4
    shape[axis] = length
    weight = keras.ops.cast(numerator % denominator, "float32") / denominator
    weight = keras.ops.cast(keras.ops.reshape(weight, shape), images.dtype)
    low = keras.ops.take(images, lower, axis=axis)
    return low + (keras.ops.take(images, upper, axis=axis) - low) * weight
