"""Kernel rounding: where a convolution sums few values, the errors of its rounded kernel make up for each other.

The first convolution sums 27 values of neighbouring pixels, which are nearly equal. Errors of one sign in its kernel
add up to a shift that follows the brightness, and no later layer takes it back. So each value of the kernel is rounded
up or down such that it takes back what the values rounded before it have done to the output. A sum over many values
gains little by this: there the errors average out.

Frantar, Ashkboos, Hoefler, Alistarh: "GPTQ: Accurate post-training quantization for generative pre-trained
transformers" (2022), arXiv 2210.17323, section 3. Here the order is that of the inputs' variances.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_liteseg.graph import copy_model
from keras_liteseg.graph.convolutions import is_dense
from keras_liteseg.quantization.simulate import kernel_scale

# Convolutions that sum more values for one output than this are rounded to the nearest.
_LARGEST_SUM = 256
# About so many positions of an image are looked at.
_POSITIONS = 4096
# A share of the inputs' variance, below which their differences count as noise.
_NOISE = 1e-4


def round_kernels(model, images):
    """Return a copy of `model` with the kernels of convolutions that sum few values on the int8 grid of TFLite, where
    `keras_liteseg.quantization.simulate.rounded_kernel` leaves them.

    The mean of an output may move; `keras_liteseg.quantization.bias_correction` takes that back.

    Args:
        model: a functional model without batch normalization (see `fold_batch_norm`).
        images: iterable of normalized images, float32 (N, height, width, channels), as calibration data.
    """
    copy = copy_model(model)
    few = [layer for layer in copy.layers if is_dense(layer) and np.prod(layer.kernel.shape[:3]) <= _LARGEST_SUM]
    covariances = _covariances(copy, few, images)
    for layer in few:
        kernel, *bias = layer.get_weights()
        scale = kernel_scale(kernel, depthwise=False)
        columns = (kernel / scale).reshape(-1, layer.filters).astype(np.float64)
        rounded = _rounded(columns, covariances[layer.name]).reshape(kernel.shape)
        layer.set_weights([rounded * scale, *bias])
    return copy


def _covariances(model, convolutions, images):
    """Return {layer name: covariance of the values that a convolution sums, float64 (values, values)}, positive
    definite."""
    if not convolutions:
        return {}
    tapped = keras.Model(model.input, {layer.name: _products(layer) for layer in convolutions})
    seen = [tapped.predict_on_batch(batch) for batch in images]
    found = {}
    for name in seen[0]:
        products = np.mean([batch[name] for batch in seen], axis=0)
        products /= products[-1, -1]
        squares, means = products[:-1, :-1], products[-1, :-1]
        covariance = squares - np.outer(means, means)
        # Inputs may not vary, or be 0 everywhere; what rounding leaves of that may lie below 0.
        noise = _NOISE * np.trace(covariance) + 1e-9 * np.trace(squares) + 1e-9
        found[name] = covariance + noise / len(covariance) * np.eye(len(covariance))
    return found


def _products(layer):
    """Return the sums of the products of the values that a convolution sums, and of a 1 as the last of them, in
    float64: their variance may be far below their mean square."""
    spacing = max(1, math.isqrt(math.prod(layer.output.shape[1:3]) // _POSITIONS))
    strides = [stride * spacing for stride in layer.strides]
    values = ops.image.extract_patches(
        layer.input, layer.kernel_size, strides, layer.dilation_rate, padding=layer.padding
    )
    values = ops.cast(ops.reshape(values, (-1, values.shape[-1])), "float64")
    values = ops.concatenate([values, ops.ones_like(values[:, :1])], axis=1)
    return ops.matmul(ops.transpose(values), values)


def _rounded(columns, covariance):
    """Return the whole numbers, float64 (values, filters), for a kernel in steps of its scales.

    The variance that their errors cause in the output is small. Values that multiply what varies least come last, and
    make up for the others in the finest steps. The largest of each output channel sets its scale and stays.
    """
    order = np.argsort(np.diag(covariance))
    # The variance is a sum of squares, of which each has one value more in it than the one below.
    factor = np.linalg.cholesky(covariance[np.ix_(order, order)]).T
    wanted = columns[order]
    stays = np.abs(wanted) > 126.999
    errors = np.zeros_like(wanted)
    for index in reversed(range(len(order))):
        made_up = factor[index] @ errors / factor[index, index]
        errors[index] = wanted[index] - np.clip(np.rint(wanted[index] + made_up), -127, 127)
        errors[index, stays[index]] = 0
    return columns - errors[np.argsort(order)]
