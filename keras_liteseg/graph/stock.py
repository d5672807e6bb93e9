"""The same network of Keras's own layers alone, so that Keras opens its file without this package."""

import functools

import numpy as np
from keras import layers

from keras_liteseg.errors import UserError
from keras_liteseg.graph.copies import rebuild
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.batch_normalization import BatchNormalization
from keras_liteseg.networks.layers import BilinearResize, DepthwiseConv2D, ExclusivePooling2D, GroupedConv2D
from keras_liteseg.networks.ops import resize_matrix
from keras_liteseg.networks.sppm import AdaptiveAveragePooling2D
from keras_liteseg.networks.uafm import ChannelReduction, Complement

_OURS = "keras_liteseg>"  # what the registered names of our classes begin with


def stock_layers(model):
    """Return a copy of a functional model of static size that holds layers of Keras alone, and computes the same.

    Its layers with weights keep their names and can be trained. Resizes, and averages over windows that may overlap,
    are products with fixed matrices along the rows and the columns. Keras's `Resizing` knows no aligned corners, and in
    a model that is called without `training` its own default, True, becomes that of the layers behind it.

    Raises:
        UserError: the model has a layer that Keras's own cannot stand for.
    """
    rules = {}
    for layer in model.layers:
        if type(layer) in _RULES:
            rules[layer.name] = functools.partial(_RULES[type(layer)], layer)
        elif _config(layer) != layer.get_config():
            rules[layer.name] = functools.partial(_plain, type(layer), layer)
    stock = rebuild(model, rules)
    for operation in stock.operations:
        if type(operation).__module__.partition(".")[0] != "keras":
            kind = type(operation).__name__
            raise UserError(f"'{model.name}' has the layer '{operation.name}', a {kind}, which Keras's own cannot be.")
    return stock


def is_stock(model):
    """Return whether a model of ours was made by `stock_layers`: all networks end with a resize, here a product."""
    return any(isinstance(layer, layers.EinsumDense) for layer in model.layers)


def _config(layer):
    """Return the configuration of a layer without initializers of ours, which its weights make needless."""
    return {
        key: value
        for key, value in layer.get_config().items()
        if not (isinstance(value, dict) and str(value.get("registered_name")).startswith(_OURS))
    }


def _plain(kind, layer, x, **_):
    """Call a layer of Keras that has the configuration and the weights of `layer`."""
    plain = kind.from_config(_config(layer))
    result = plain(x)
    plain.set_weights(layer.get_weights())
    return result


def _resize(layer, x, **_):
    height, width = layer.output.shape[1:3]
    if (height, width) == tuple(x.shape[1:3]):
        return x
    rows, columns = (resize_matrix(*lengths, layer.align_corners) for lengths in zip(x.shape[1:3], (height, width)))
    return _along_both(x, rows, columns, layer.name)


def _adaptive_average(layer, x, **_):
    return _along_both(x, *(_averages(length, layer.bins) for length in x.shape[1:3]), layer.name)


def _averages(length, bins):
    """Return the matrix (length, bins) that averages an axis over the windows of `AdaptiveAveragePooling2D`."""
    matrix = np.zeros((length, bins), np.float32)
    for index in range(bins):
        window = slice(index * length // bins, -(-(index + 1) * length // bins))
        matrix[window, index] = 1 / (window.stop - window.start)
    return matrix


def _along_both(x, rows, columns, name):
    """Multiply the rows of images by one fixed matrix and the columns by another."""
    (_, height), (_, width), channels = rows.shape, columns.shape, x.shape[-1]
    steps = (
        ("bhwc,hr->brwc", rows, (height, x.shape[2], channels), f"{name}_rows"),
        ("bhwc,wr->bhrc", columns, (height, width, channels), name),
    )
    for equation, matrix, shape, part in steps:
        layer = layers.EinsumDense(equation, shape, trainable=False, name=part)
        x = layer(x)
        layer.set_weights([matrix])
    return x


def _exclusive_pool(layer, x, **_):
    pads = tuple((0, 1 - length % 2) for length in x.shape[1:3])
    kind = layers.MaxPooling2D if layer.kind == "max" else layers.AveragePooling2D
    if not any(end for _, end in pads):
        return kind(3, 2, "same", name=layer.name)(x)
    # As the layer itself does it: only outputs that are cut off again read the padding.
    x = layers.ZeroPadding2D(pads, name=f"{layer.name}_pad")(x)
    return layers.Cropping2D(pads, name=layer.name)(kind(3, 2, "same", name=f"{layer.name}_same")(x))


def _shuffle(layer, x, **_):
    _, height, width, channels = x.shape
    x = layers.Reshape((height * width, layer.groups, channels // layer.groups), name=f"{layer.name}_groups")(x)
    x = layers.Permute((1, 3, 2), name=f"{layer.name}_permute")(x)
    return layers.Reshape((height, width, channels), name=layer.name)(x)


def _complement(layer, x, **_):
    one = float(layer.get_weights()[0][0]) if layer.stored else 1.0
    return layers.Rescaling(-1.0, one, name=layer.name)(x)


def _channel_reduction(layer, x, **_):
    _, height, width, channels = x.shape
    kind = layers.GlobalAveragePooling1D if layer.statistic == "mean" else layers.GlobalMaxPooling1D
    x = layers.Reshape((height * width, channels), name=f"{layer.name}_pixels")(x)
    x = kind(data_format="channels_first", name=f"{layer.name}_{layer.statistic}")(x)
    return layers.Reshape((height, width, 1), name=layer.name)(x)


_RULES = {
    AdaptiveAveragePooling2D: _adaptive_average,
    BatchNormalization: functools.partial(_plain, layers.BatchNormalization),
    BilinearResize: _resize,
    ChannelReduction: _channel_reduction,
    ChannelShuffle: _shuffle,
    Complement: _complement,
    DepthwiseConv2D: functools.partial(_plain, layers.DepthwiseConv2D),
    ExclusivePooling2D: _exclusive_pool,
    GroupedConv2D: functools.partial(_plain, layers.Conv2D),
}
