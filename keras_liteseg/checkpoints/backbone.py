"""Weights of a backbone alone, which is how networks pre-trained on ImageNet are published."""

import pathlib

import keras
import numpy as np

from keras_liteseg.checkpoints.assign import assign_backbone, wanted_entries
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.checkpoints.first_kernel import adapted
from keras_liteseg.checkpoints.keras_file import assign_layers, is_keras_file, read_layers
from keras_liteseg.checkpoints.names import canonical_entries, of_the_network, plain_names
from keras_liteseg.choices import require_bool, require_path
from keras_liteseg.errors import UserError, reason
from keras_liteseg.files import suffix_of
from keras_liteseg.graph import listed, not_finite, require_functional
from keras_liteseg.networks.layers import BN_EPSILON
from keras_liteseg.networks.registry import IMAGENET_MEAN, IMAGENET_STD

# What the names of a backbone's layers begin with: LiteSeg's three, PP-LiteSeg's, NDNet's.
_PREFIXES = ("mobile_features_", "shuffle_features_", "resnet_features_", "backbone_", "features_")


def load_backbone(model, source, averaged=False):
    """Load weights into the backbone of `model`, in place; the other weights stay. A model for images of other channels
    starts from weights for RGB, see `first_kernel`.

    Args:
        model: a model of `create_model`; LPS-Net has no backbone of its own.
        source: a weight file of any kind that `load_checkpoint` reads, holding the backbone (MobileNetV2 of
            ericsun99/MobileNet-V2-Pytorch, torchvision or timm, ShuffleNet of ericsun99/ShuffleNet-1g8-Pytorch,
            Darknet's `darknet19_448.weights`, PaddleSeg's `PP_STDCNet1` or `PP_STDCNet2`) or a whole network with it,
            such as our own `best.keras`. For `liteseg_mobilenetv2` also "imagenet", which downloads the MobileNetV2 of
            `keras.applications`, or that file (`.h5`).
        averaged: take the averaged weights (EMA) of the file, see `keras_liteseg.load_checkpoint`.

    Raises:
        UserError: there is no such file, it cannot be read, it does not fit, or it holds no averages.
    """
    require_functional(model)
    require_bool("averaged", averaged)
    prefix = backbone_prefix(model)
    if prefix is None:
        raise UserError(f"'{model.name}' has no backbone that is trained alone; load weights of the whole network.")
    require_path("file of backbone weights", source)
    if averaged and (is_keras_file(source) or source == "imagenet" or suffix_of(source) == ".h5"):
        raise UserError(f"{source} holds one set of weights; leave out --averaged.")
    layers = read_layers(source) if is_keras_file(source) else {}
    if any(name.startswith(prefix) for name in layers) or suffix_of(source) == ".keras":
        assign_layers(model, layers, source, prefix, new_images=True)
    elif source == "imagenet" or suffix_of(source) == ".h5":
        if prefix != "mobile_features_":
            raise UserError(
                f"keras.applications has no weights for the backbone of '{model.name}', only for "
                "'liteseg_mobilenetv2'; give a weight file of this backbone."
            )
        _from_keras_applications(model, source)
    else:
        assign_backbone(model, read_weights(source, averaged), prefix, str(source))


def holds_backbone(model, state):
    """Return whether `state` has entries of the backbone of `model`, but none of the rest of the network."""
    prefix = backbone_prefix(model)
    if prefix is None:
        return False
    wanted = wanted_entries(model)
    given = set(canonical_entries(plain_names(of_the_network(state, wanted, prefix))))
    given |= {prefix + entry for entry in given}
    matches = given.intersection(wanted)
    return bool(matches) and all(entry.startswith(prefix) for entry in matches)


def backbone_prefix(model):
    """Return what the names of the backbone's layers begin with, None where there is no backbone."""
    for prefix in _PREFIXES:
        if any(layer.name.startswith(prefix) and layer.weights for layer in model.layers):
            return prefix
    return None


def _from_keras_applications(model, source):
    """Convert MobileNetV2 of `keras.applications`, which expects images in [-1, 1] and adds 1e-3 to variances.

    Two differences remain. Stride-2 convolutions there pad even sizes at the bottom and right only, so the feature maps
    are shifted by half a pixel per stage; fine-tuning takes care of it. And the first convolution here sees padding of
    mean colour instead of grey.
    """
    if source != "imagenet" and not pathlib.Path(source).is_file():
        raise UserError(f"There is no weight file {source}. Check the path.")
    try:
        donor = keras.applications.MobileNetV2(include_top=False, weights=str(source))
    except Exception as error:  # Keras, h5py and urllib raise errors of many kinds.
        what = "download the ImageNet weights" if source == "imagenet" else f"read {source} as MobileNetV2 without top"
        advice = "Give the file of keras.applications, or another weight file."
        raise UserError(f"Cannot {what}: {reason(error)} {advice}") from error
    broken = not_finite(donor.weights)
    if broken:
        raise UserError(f"{source} holds NaN or infinity in {listed(broken)}; take another weight file.")

    for theirs, ours in _applications_layers():
        weights = donor.get_layer(theirs).get_weights()
        if len(weights) == 4:
            weights[3] += donor.get_layer(theirs).epsilon - BN_EPSILON
        if theirs != "Conv1":
            model.get_layer(f"mobile_features_features_{ours}").set_weights(weights)

    # Ours is z = (image - mean) / std, theirs y = 2 * image - 1 = 2 * std * z + (2 * mean - 1).
    stem, norm = (model.get_layer(f"mobile_features_features_0_{index}") for index in (0, 1))
    (kernel,) = donor.get_layer("Conv1").get_weights()
    shift = sum(kernel[:, :, c].sum(axis=(0, 1)) * (2 * mean - 1) for c, mean in enumerate(IMAGENET_MEAN))
    stem.kernel.assign(adapted(kernel * np.float32(2 * np.reshape(IMAGENET_STD, (3, 1))), stem.kernel.shape[2]))
    norm.moving_mean.assign(norm.moving_mean - shift)


def _applications_layers():
    """Yield (layer of keras.applications, block and place of ours) of MobileNetV2."""
    yield "Conv1", "0_0"
    yield "bn_Conv1", "0_1"
    for part, place in (("depthwise", 0), ("project", 3)):
        yield f"expanded_conv_{part}", f"1_conv_{place}"
        yield f"expanded_conv_{part}_BN", f"1_conv_{place + 1}"
    for block in range(1, 17):
        for part, place in (("expand", 0), ("depthwise", 3), ("project", 6)):
            yield f"block_{block}_{part}", f"{block + 1}_conv_{place}"
            yield f"block_{block}_{part}_BN", f"{block + 1}_conv_{place + 1}"
    yield "Conv_1", "18_0"
    yield "Conv_1_bn", "18_1"
