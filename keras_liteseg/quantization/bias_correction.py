"""Bias correction: rounded kernels shift the mean of an output, and the bias can take that back.

Nagel, van Baalen, Blankevoort, Welling: "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), section 4.2, arXiv 1906.04721; with the means of the inputs measured, not derived.
"""

import keras
import numpy as np
from keras import layers, ops

from keras_liteseg.graph import copy_model
from keras_liteseg.graph.convolutions import response
from keras_liteseg.quantization.simulate import rounded_kernel


def correct_biases(model, exact, images):
    """Return a copy of `model` whose biases make up for the mean error of its kernels on the int8 grid.

    Args:
        model: a functional model without batch normalization.
        exact: the network of the same layers that it shall compute, its kernels not rounded; it may be `model`.
        images: list of normalized images, float32 (N, height, width, channels), as calibration data.
    """
    copy = copy_model(model)
    convolutions = [
        layer for layer in copy.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D) and layer.use_bias
    ]
    inputs = {layer.name: exact.get_layer(layer.name).input for layer in convolutions}
    means = keras.Model(exact.input, {name: ops.mean(tensor, axis=(0, 1, 2)) for name, tensor in inputs.items()})
    seen = [means.predict_on_batch(batch) for batch in images]
    for layer in convolutions:
        kernel, bias = layer.get_weights()
        wanted = exact.get_layer(layer.name).get_weights()[0]
        error = wanted - rounded_kernel(kernel, isinstance(layer, layers.DepthwiseConv2D))
        mean = np.mean([batch[layer.name] for batch in seen], axis=0)
        layer.set_weights([kernel, bias + response(layer, error, mean)])
    return copy
