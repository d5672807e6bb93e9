"""LPS-Net: paths of plain 3x3 convolutions that see the image at different sizes and exchange their features.

Yiheng Zhang, Ting Yao, Zhaofan Qiu, Tao Mei: "Lightweight and Progressively-Scalable Networks for Semantic
Segmentation" (2022), arXiv 2207.13600; International Journal of Computer Vision 131 (2023), pages 2153-2171.

Deviations
- From the paper: it is said to let the paths interact from stage 3 to stage 5; here, as in the authors' code, they are
  summed after stages 3 and 4 and concatenated after stage 5.
- From the authors' code: the model resizes the logits to the size of the image, as the authors' evaluation program
  does; their network ends before that, at the layer `head`. Their network without batch normalization ("deploy") is
  `fold_batch_norm` of this one.
"""

import itertools
import math
import numbers

import keras
from keras import layers

from keras_liteseg.errors import UserError
from keras_liteseg.networks.layers import BilinearResize, batch_norm, conv, fan_in_uniform, near_identity
from keras_liteseg.networks.registry import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ModelSpec,
    check_image_shape,
    check_num_classes,
    plain_shape,
    register_family,
    register_spec,
    require_channels_last,
)

# Names of the paths in the authors' code, the largest first.
PATH_NAMES = {1: ("net",), 2: ("netH", "netL"), 3: ("net1", "net2", "net3")}
# Stride of the first block of each stage; every other block has stride 1.
STRIDES = (2, 2, 2, 2, 1)


NETWORKS = {
    "lps_net_tiny": ((1, 1, 1, 1, 1), (4, 8, 16, 32, 32), (1 / 2,)),
    "lps_net_s": ((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (3 / 4, 1 / 4)),
    "lps_net_m": ((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (1, 1 / 4)),
    "lps_net_l": ((1, 3, 3, 10, 10), (8, 24, 64, 160, 160), (1, 1 / 4)),
}
"""Name: (depth, width, resolution). The authors' expansion starts with tiny; S, M and L are what they publish of it."""


def _entry(name, depth, width, resolution):
    def build(input_shape, num_classes, aux_heads):  # there are no auxiliary heads, so that `aux_heads` changes nothing
        return lps_net(depth, width, resolution, input_shape, num_classes, name)

    least = math.ceil(1 / min(resolution))
    return ModelSpec(build, IMAGENET_MEAN, IMAGENET_STD, output_stride=16, min_length=least)


for _name, _network in NETWORKS.items():
    register_spec(_name, _entry(_name, *_network))


_COUNT = "[1-9][0-9]{0,3}"


@register_family(f"lps_net_d({_COUNT}(?:-{_COUNT}){{4}})_w({_COUNT}(?:-{_COUNT}){{4}})_r({_COUNT}(?:-{_COUNT}){{0,2}})")
def _lps_net_of_name(depth, width, eighths):
    """The networks of the expansion, see `family_name`."""
    depth, width, eighths = (tuple(map(int, text.split("-"))) for text in (depth, width, eighths))
    resolution = tuple(value / 8 for value in eighths)
    return _entry(family_name(depth, width, resolution), depth, width, resolution)


def family_name(depth, width, resolution):
    """Return the name under which `create_model` knows an LPS-Net whose resolutions are eighths of the image.

    lps_net_s, for example, is 'lps_net_d1-3-3-10-10_w8-24-48-96-96_r6-2' too.
    """
    eighths = [f"{8 * value:g}" for value in sorted(resolution, reverse=True) if value]
    return f"lps_net_d{'-'.join(map(str, depth))}_w{'-'.join(map(str, width))}_r{'-'.join(eighths)}"


def lps_net(depth, width, resolution, input_shape=(512, 1024, 3), num_classes=19, name="lps_net"):
    """Build an LPS-Net of any depth, width and resolution.

        >>> from keras_liteseg import lps_net
        >>> model = lps_net((1, 1, 1, 1, 1), (4, 8, 16, 32, 32), (1 / 2, 1 / 4), (64, 128, 3), num_classes=9)
        >>> model.output.shape
        (None, 64, 128, 9)

    Args:
        depth: numbers of blocks of the five stages.
        width: numbers of channels of the five stages.
        resolution: size of the image on each path as a factor of its own, one to three paths in any order; zeros are
            left out.
        input_shape: (height, width, 3); height and width may be None.
        num_classes: number of classes.
        name: name of the model.

    Returns:
        A `keras.Model` from normalized float images (N, height, width, 3) to logits (N, height, width, num_classes).
        The output of the layer `head` is the logits at 1/16 of the size of the largest path.

    Raises:
        UserError: an argument describes no network, a path would be left without a pixel, or Keras is set to channels
            first.
    """
    require_channels_last()
    if not isinstance(name, str) or "/" in name:
        raise UserError(f"name is {name!r}; it must be a text without '/'.")
    check_image_shape(name, input_shape)
    check_num_classes(num_classes)
    input_shape, num_classes = plain_shape(input_shape), int(num_classes)
    depth, width = _five_counts("depth", depth), _five_counts("width", width)
    resolution = _path_factors(resolution)
    _check_path_sizes(resolution, input_shape)
    paths = PATH_NAMES[len(resolution)]

    images = keras.Input(input_shape, name="images")
    maps = [_path_input(images, factor, path) for factor, path in zip(resolution, paths)]
    for index, strides in enumerate(STRIDES):
        names = [f"{path}_stages_{index}" for path in paths]
        maps = [_stage(x, depth[index], width[index], strides, stage) for x, stage in zip(maps, names)]
        if index in (2, 3):
            maps = _interact(maps, names)
    x = _concatenate(maps, paths)
    start = fan_in_uniform(x.shape[-1])
    x = layers.Conv2D(num_classes, 1, kernel_initializer=start, bias_initializer=start, name="head")(x)
    # Logits stay float32 under mixed precision: the loss needs the range.
    logits = BilinearResize(name="logits", dtype="float32")(x, like=images)
    return keras.Model(images, logits, name=name)


def _path_input(images, factor, path):
    return images if factor == 1 else BilinearResize(factor, name=f"{path}_resize")(images)


def _stage(x, depth, width, strides, name):
    """`depth` blocks of 3x3 convolution, batch normalization and ReLU."""
    for index in range(depth):
        block = f"{name}_{index}"
        # So that the layers of a deep stage, which have no skip connections, pass on what they get at first.
        strides, init = (strides, fan_in_uniform) if index == 0 else (1, near_identity)
        x = conv(x, width, 3, f"{block}_0", strides=strides, init=init)
        x = batch_norm(x, f"{block}_1")
        x = layers.ReLU(name=f"{block}_relu")(x)
    return x


def _interact(maps, names):
    """Add to the map of every path the resized maps of all others, each as it was before the interaction."""
    if len(maps) == 1:
        return maps
    mixed = []
    for own, name in zip(maps, names):
        others = [
            BilinearResize(name=f"{name}_from_{other_name}")(other, like=own)
            for other, other_name in zip(maps, names)
            if other_name != name
        ]
        mixed.append(layers.Add(name=f"{name}_mixed")([own, *others]))
    return mixed


def _concatenate(maps, paths):
    """Concatenate the maps at the size of the first."""
    if len(maps) == 1:
        return maps[0]
    resized = [BilinearResize(name=f"{path}_resize_back")(x, like=maps[0]) for path, x in zip(paths[1:], maps[1:])]
    return layers.Concatenate(name="head_concat")([maps[0], *resized])


def _five_counts(what, values):
    if not _is_list_of(numbers.Integral, values) or len(values) != 5 or min(values) < 1:
        raise UserError(f"{what} is {values!r}; LPS-Net needs five whole numbers of 1 or more, one per stage.")
    return tuple(int(value) for value in values)


def _path_factors(values):
    """Return the factors of the paths in descending order."""
    legal = _is_list_of(numbers.Real, values) and len(values) <= 3 and all(0 <= value < math.inf for value in values)
    if not legal or not any(values):
        raise UserError(f"resolution is {values!r}; LPS-Net needs one to three factors of the image's size above 0.")
    return tuple(sorted((float(value) for value in values if value), reverse=True))


def _is_list_of(kind, values):
    return isinstance(values, (list, tuple)) and all(isinstance(value, kind) for value in values)


def _check_path_sizes(resolution, input_shape):
    factor = resolution[-1]
    if all(length is None or int(length * factor) >= 1 for length in input_shape[:2]):
        return
    smallest = next(length for length in itertools.count(max(1, int(1 / factor))) if int(length * factor) >= 1)
    raise UserError(
        f"Input size {input_shape[0]}x{input_shape[1]} leaves no pixel for the path of resolution {factor:g}; the "
        f"smallest legal size is {smallest}x{smallest}."
    )
