"""Activation ranges: which tensors carry an int8 scale of their own, and what that scale should cover."""

import keras
import numpy as np
from keras import layers, ops

from keras_liteseg.errors import UserError
from keras_liteseg.graph import Graph, first_input
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, ExclusivePooling2D
from keras_liteseg.quantization.options import CalibrationMethod

# TFLite computes these on the integers as they come: the output has the scale of the input.
SCALE_KEEPING = (
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.Permute,
    layers.Reshape,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalMaxPooling2D,
    BilinearResize,
    ExclusivePooling2D,
    ChannelShuffle,
)
# TFLite computes these and a ReLU behind them as one operation.
_FUSED_WITH_RELU = (layers.Conv2D, layers.DepthwiseConv2D, layers.Add)

_BINS = 2048
_SHRINK = np.linspace(0.2, 1.0, 81)
_TAIL = 5e-5


def quantized_layers(model):
    """Return the layers, in graph order, whose output is quantized with a range of its own.

    Not quantized are outputs that go into one ReLU alone which TFLite fuses into the operation, and the outputs of
    `SCALE_KEEPING` layers.
    """
    ends = fused_operations(model)
    return [layer for layer in model.layers if ends.get(layer.name) == layer.name]


def fused_operations(model):
    """Return {layer name: name of the layer that its operation in TFLite ends with}: of the ReLU that is fused into
    it, or its own. Layers that keep their input's scale are left out."""
    graph, ends = Graph(model), {}
    for layer in model.layers:
        following = graph.readers(layer.output)
        if isinstance(layer, _FUSED_WITH_RELU) and len(following) == 1 and isinstance(following[0], layers.ReLU):
            ends[layer.name] = following[0].name
        elif not isinstance(layer, SCALE_KEEPING):
            ends[layer.name] = layer.name
    return ends


def all_ranges(model, ranges):
    """Return `ranges` with those of the layers that `keras_liteseg.graph.restructure_at_size` added: each
    has the range of its input."""
    ranges, tensors = dict(ranges), {}
    wanted = {layer.name for layer in quantized_layers(model)}
    for layer in model.layers:
        if layer.name in wanted and layer.name not in ranges:
            ranges[layer.name] = tensors[id(first_input(layer))]
        if layer.name in ranges:
            tensors[id(layer.output)] = ranges[layer.name]
        elif isinstance(layer, SCALE_KEEPING):
            tensors[id(layer.output)] = tensors[id(first_input(layer))]
    return ranges


def npu_ranges(model, ranges, origins):
    """Return `ranges` with those of the layers that `keras_liteseg.graph.restructure_for_npu` added.

    Parts of averages that are concatenated get the range of the concatenation, which costs nothing where the average is
    a convolution; an Ethos-U takes as long to bring a tensor to another scale as to copy it.
    """
    ranges = ranges | {new: ranges[old] for new, old in origins.items() if old is not None}
    ranges = share_ranges(model, all_ranges(model, ranges))
    # `all_ranges` gives each of the others the range of its input.
    return all_ranges(model, {name: limits for name, limits in ranges.items() if origins.get(name, name) is not None})


def share_ranges(model, ranges):
    """Return `ranges` with the range of every concatenation given to the inputs that it alone takes.

    TFLite brings the inputs of a concatenation to the scale of its output. An input that has this scale from the start
    is rounded once instead of twice, and needs no operation for it. An input that other layers take too keeps its finer
    range, but at least a hundredth of the concatenation's: XNNPACK brings a scale up at most 128 times.
    """
    ranges, graph = dict(ranges), Graph(model)
    # The last one first, because an input may be a concatenation itself.
    for layer in reversed(model.layers):
        if isinstance(layer, layers.Concatenate):
            for tensor in layer.input:
                alone = len(graph.readers(tensor)) == 1
                while isinstance(graph.producer(tensor), SCALE_KEEPING):
                    tensor = first_input(graph.producer(tensor))
                    alone = alone and len(graph.readers(tensor)) == 1
                producer = graph.producer(tensor)
                low, high = ranges[producer.name]
                wanted = (ranges[layer.name][1] - ranges[layer.name][0]) / 100
                if alone and not isinstance(producer, layers.InputLayer):
                    ranges[producer.name] = ranges[layer.name]
                elif high - low < wanted:
                    ranges[producer.name] = low * wanted / (high - low), high * wanted / (high - low)
    return ranges


def calibrate(model, images, method=CalibrationMethod.MSE):
    """Return {layer name: (smallest, largest)} of `quantized_layers`; see `share_ranges`.

    Few extreme values cost every other value its resolution, so the range may clip them, see `best_range` and
    `percentile_range`. 0 stays inside, as TFLite's padding needs it.

    Args:
        model: a functional model without batch normalization.
        images: sequence of normalized images, float32 (N, height, width, channels).
        method: a `CalibrationMethod`.

    Raises:
        UserError: the method is unknown, or there is no image.
    """
    method = CalibrationMethod(method)
    if not len(images):
        raise UserError("There is no image to calibrate on; give at least one.")
    taps = {layer.name: layer.output for layer in quantized_layers(model)}
    limits = _limits(model, taps, images)
    if method == CalibrationMethod.MINMAX:
        return share_ranges(model, limits)
    edges = {name: np.linspace(low, high, _BINS + 1) for name, (low, high) in limits.items()}
    counts = {name: np.zeros(_BINS) for name in taps}
    tapped = keras.Model(model.input, taps)
    for batch in images:
        for name, value in tapped.predict_on_batch(batch).items():
            counts[name] += np.histogram(value, edges[name])[0]
    choose = {CalibrationMethod.MSE: best_range, CalibrationMethod.PERCENTILE: percentile_range}[method]
    return share_ranges(model, {name: choose(counts[name], edges[name]) for name in taps})


def percentile_range(counts, edges):
    """Return the (smallest, largest) between which all but 0.005 % of a histogram lie at either end, with 0."""
    share = np.cumsum(counts) / counts.sum()
    low = edges[np.searchsorted(share, _TAIL)]
    high = edges[np.searchsorted(share, 1 - _TAIL) + 1]
    return float(min(low, 0.0)), float(max(high, 0.0))


def best_range(counts, edges):
    """Return the (smallest, largest) of least squared int8 error for a histogram.

    Of 81 ranges between a fifth and the whole of what was seen, the one whose rounding error (step ** 2 / 12) plus
    clipping error is smallest. Both ends are shrunk by the same factor.
    """
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
        low, high = min(float(values[:, 0].min()), 0.0), max(float(values[:, 1].max()), 0.0)
        # A tensor that is 0 everywhere still needs a scale.
        limits[name] = (low, high) if high > low else (0.0, 1e-3)
    return limits
