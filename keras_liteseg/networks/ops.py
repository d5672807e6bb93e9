"""Operations that `keras.ops` lacks, for every Keras backend."""

import keras


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
        import tensorflow as tf

        resized = tf.raw_ops.ResizeBilinear(
            images=images, size=size, align_corners=align_corners, half_pixel_centers=not align_corners
        )
        # The op computes in float32 whatever it is given.
        return tf.cast(resized, images.dtype)
    if keras.backend.backend() == "jax" and size[0] * size[1] > images.shape[1] * images.shape[2]:
        return _enlarge_on_jax(images, size, align_corners)
    return _resize_axis(_resize_axis(images, 1, size[0], align_corners), 2, size[1], align_corners)


def _enlarge_on_jax(images, size, align_corners):
    """As a product with a matrix for each axis: its gradient is another product, where that of a choice of rows is a
    sum into places that collide, which a GPU does one after the other."""
    import jax.numpy as jnp

    rows, columns = (
        _resize_axis(keras.ops.eye(source, dtype="float32")[None, :, :, None], 1, length, align_corners)[0, :, :, 0]
        for source, length in zip(images.shape[1:3], size)
    )
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
