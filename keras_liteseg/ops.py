"""Operations that `keras.ops` lacks, for every Keras backend."""

import keras


def resize_bilinear_align_corners(images, size):
    """Resize bilinearly with aligned corners: output index i of m reads input coordinate i * (n - 1) / (m - 1).

    On the TensorFlow backend this is one native op, which TFLite keeps as one RESIZE_BILINEAR.

    Args:
        images: float tensor (batch, height, width, channels).
        size: output (height, width), integers or scalar tensors.

    Returns:
        A tensor (batch, *size, channels) of the dtype of `images`.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The op computes in float32 whatever it is given.
        resized = tf.raw_ops.ResizeBilinear(images=images, size=size, align_corners=True)
        return tf.cast(resized, images.dtype)
    return _resize_axis(_resize_axis(images, 1, size[0]), 2, size[1])


def _resize_axis(images, axis, length):
    source = keras.ops.shape(images)[axis]
    steps = max(length - 1, 1)
    # Integer arithmetic keeps the corner positions exact.
    numerator = keras.ops.arange(length, dtype="int32") * (source - 1)
    lower = numerator // steps
    upper = keras.ops.minimum(lower + 1, source - 1)
    shape = [1] * 4
    shape[axis] = length
    weight = keras.ops.cast(numerator % steps, "float32") / steps
    weight = keras.ops.cast(keras.ops.reshape(weight, shape), images.dtype)
    low = keras.ops.take(images, lower, axis=axis)
    return low + (keras.ops.take(images, upper, axis=axis) - low) * weight
