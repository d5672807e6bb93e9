"""Which tensors have no negative value."""

from keras import layers

from keras_liteseg.graph.traversal import first_input, input_tensors
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, ExclusivePooling2D

# Layers whose output has no negative value where their inputs have none.
_KEEP_SIGN = (
    layers.AveragePooling2D,
    layers.Concatenate,
    layers.Cropping2D,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
    BilinearResize,
    ChannelShuffle,
    ExclusivePooling2D,
)


def is_nonnegative(graph, tensor):
    """Return whether no value of a tensor can be negative, whatever the weights, as far as the graph tells."""
    layer = graph.producer(tensor)
    if isinstance(layer, layers.ReLU):
        return not layer.negative_slope
    if not isinstance(layer, _KEEP_SIGN):
        return False
    # The second input of a resize only gives the size.
    read = [first_input(layer)] if isinstance(layer, BilinearResize) else input_tensors(layer)
    return all(is_nonnegative(graph, tensor) for tensor in read)
