"""Activation ranges: which tensors carry an int8 scale of their own, and what that scale should cover."""

import keras
import numpy as np
from keras import layers, ops

from keras_liteseg.models.layers import BilinearResize

# TFLite computes these on the integers as they come: the output has the scale of the input.
SCALE_KEEPING = (layers.ZeroPadding2D, layers.MaxPooling2D, BilinearResize)

_BINS = 2048
_SHRINK = np.linspace(0.2, 1.0, 81)


def quantized_layers(model):
    """Return the layers, in graph order, whose output is quantized with a range of its own.

    Not quantized are outputs that go into one ReLU alone, because TFLite fuses it into the operation, and the outputs
    of `SCALE_KEEPING` layers.
    """
    consumers = {}
    for layer in model.layers:
        for node in layer._inbound_nodes[:1]:
            for tensor in node.input_tensors:
                consumers.setdefault(id(tensor), []).append(layer)
    found = []
    for layer in model.layers:
        following = consumers.get(id(layer.output), [])
        fused = len(following) == 1 and isinstance(following[0], layers.ReLU)
        if not fused and not isinstance(layer, SCALE_KEEPING):
            found.append(layer)
    return found


def calibrate(model, images):
    """Return {layer name: (smallest, largest)} of `quantized_layers`, with the least expected squared error of int8.

    Few extreme values cost every other value its resolution, so the range may clip them: of 81 ranges between a fifth
    and the whole of what was seen, the one whose rounding error (step ** 2 / 12) plus clipping error is smallest, over
    a histogram of all values. Both ends are shrunk by the same factor; 0 stays inside, as TFLite's padding needs it.

    Args:
        model: a functional model without batch normalization.
        images: sequence of normalized images, float32 (N, height, width, 3).
    """
    taps = {layer.name: layer.output for layer in quantized_layers(model)}
    limits = _limits(model, taps, images)
    edges = {name: np.linspace(low, high, _BINS + 1) for name, (low, high) in limits.items()}
    counts = {name: np.zeros(_BINS) for name in taps}
    tapped = keras.Model(model.input, taps)
    for batch in images:
        for name, value in tapped.predict_on_batch(batch).items():
            counts[name] += np.histogram(value, edges[name])[0]
    return {name: best_range(counts[name], edges[name]) for name in taps}


def best_range(counts, edges):
    """Return the (smallest, largest) of least squared int8 error for a histogram; see `calibrate`."""
    low, high = edges[0], edges[-1]
    centres = (edges[:-1] + edges[1:]) / 2
    errors = []
    for shrink in _SHRINK:
        step = shrink * (high - low) / 255
        clipped = np.maximum(centres - shrink * high, 0) + np.maximum(shrink * low - centres, 0)
        errors.append((counts * (clipped**2 + step**2 / 12)).sum())
    shrink = _SHRINK[int(np.argmin(errors))]
    return float(shrink * low), float(shrink * high)


def _limits(model, taps, images):
    extremes = {name: ops.stack([ops.min(x), ops.max(x)]) for name, x in taps.items()}
    tapped = keras.Model(model.input, extremes)
    seen = [tapped.predict_on_batch(batch) for batch in images]
    limits = {}
    for name in taps:
        values = np.array([batch[name] for batch in seen])
        low, high = min(values[:, 0].min(), 0.0), max(values[:, 1].max(), 0.0)
        # A tensor that is 0 everywhere still needs a scale.
        limits[name] = (low, high) if high > low else (0.0, 1e-3)
    return limits
