"""Weights of a network for the network that it grew into."""

from keras_liteseg.networks.lps_net import PATH_NAMES, STRIDES


def inherit(network, architecture, parent, parent_architecture):
    """Copy into `network` what its parent has learned, path by path, stage by stage and block by block.

    Where a layer of the child has more channels, the parent's weights become its first ones; the others, new blocks,
    which begin near the identity, and new paths keep their values. The authors train every candidate from scratch; this
    saves epochs.

    Args:
        network: `keras.Model` of `architecture`.
        architecture: the child's `Architecture`.
        parent: `keras.Model` of `parent_architecture`, with the same classes.
        parent_architecture: its `Architecture`.
    """
    ours, theirs = _paths(architecture), _paths(parent_architecture)
    for index in sorted(ours.keys() & theirs.keys()):
        for stage in range(len(STRIDES)):
            for block in range(min(architecture.depth[stage], parent_architecture.depth[stage])):
                for part in (0, 1):  # convolution and batch normalization
                    name = f"_stages_{stage}_{block}_{part}"
                    _copy(network.get_layer(ours[index][0] + name), parent.get_layer(theirs[index][0] + name))
    _copy_head(network.get_layer("head"), ours, parent.get_layer("head"), theirs)


def _paths(architecture):
    """Return {position in the resolution: (name of the path, its place among the paths)}."""
    used = [index for index, factor in enumerate(architecture.resolution) if factor]
    # Stable, as the sorting of the network is: of two equal paths the first comes first.
    order = sorted(used, key=lambda index: -architecture.resolution[index])
    names = PATH_NAMES[len(order)]
    return {index: (names[place], place) for place, index in enumerate(order)}


def _copy(layer, source):
    for weight, other in zip(layer.weights, source.weights, strict=True):
        value = weight.numpy()
        common = tuple(slice(min(lengths)) for lengths in zip(value.shape, other.shape))
        value[common] = other.numpy()[common]
        weight.assign(value)


def _copy_head(head, ours, source, theirs):
    """The head's inputs are the paths' last maps, one after the other, the largest path first."""
    kernel, parent = head.kernel.numpy(), source.kernel.numpy()
    width, parent_width = kernel.shape[2] // len(ours), parent.shape[2] // len(theirs)
    for index in ours.keys() & theirs.keys():
        begin, parent_begin = ours[index][1] * width, theirs[index][1] * parent_width
        count = min(width, parent_width)
        kernel[:, :, begin : begin + count] = parent[:, :, parent_begin : parent_begin + count]
    head.kernel.assign(kernel)
    head.bias.assign(source.bias)
