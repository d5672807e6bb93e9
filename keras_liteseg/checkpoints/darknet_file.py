"""Reading the `.weights` file of Darknet19, the backbone of LiteSeg-Darknet19.

All little-endian: version (major, minor, revision; int32 each), number of images seen (int32 up to version 0.1.9, int64
later), then float32 numbers. Each convolution has, in this order, the bias, weight, mean and variance of its batch
normalization, and its kernels (out, in, height, width).
"""

import struct

import numpy as np

from keras_liteseg.checkpoints.refusal import Refused

# Place in the network, channels in, channels out, kernel size; the other places are poolings.
_CONVOLUTIONS = (
    (1, 3, 32, 3),
    (3, 32, 64, 3),
    (5, 64, 128, 3),
    (6, 128, 64, 1),
    (7, 64, 128, 3),
    (9, 128, 256, 3),
    (10, 256, 128, 1),
    (11, 128, 256, 3),
    (13, 256, 512, 3),
    (14, 512, 256, 1),
    (15, 256, 512, 3),
    (16, 512, 256, 1),
    (17, 256, 512, 3),
    (19, 512, 1024, 3),
    (20, 1024, 512, 1),
    (21, 512, 1024, 3),
    (22, 1024, 512, 1),
    (23, 512, 1024, 3),
)
_MAX_VERSION = 1000


def read_darknet(data):
    """Return the backbone's arrays in the names of LiteSeg's reference implementation; see `files.read_weights`.

    What follows the convolutions, the ImageNet classifier, is not read.
    """
    version = struct.unpack_from("<3i", data)
    if not all(0 <= number < _MAX_VERSION for number in version):
        raise Refused(
            "does not start with a version number, as a .weights file of Darknet does. "
            "Check that the download is the weight file itself."
        )
    major, minor, revision = version
    start = 12 + (4 if 100 * major + 10 * minor + revision <= 19 else 8)
    shapes = {name: shape for convolution in _CONVOLUTIONS for name, shape in _entries(*convolution)}
    end = start + 4 * sum(int(np.prod(shape)) for shape in shapes.values())
    if len(data) < end:
        raise Refused(
            f"is too short for Darknet19: its convolutions 1 to 23 take {end:,} bytes, the file has {len(data):,}. "
            "Check that it is darknet19.weights or darknet19_448.weights, and complete."
        )
    numbers, arrays = np.frombuffer(data[start:end], "<f4"), {}
    for name, shape in shapes.items():
        values, numbers = np.split(numbers, [int(np.prod(shape))])
        if not np.isfinite(values).all() or name.endswith("running_var") and values.min() < 0:
            raise Refused(
                f"does not hold Darknet19: its {name} would have infinite numbers, no numbers or negative variances. "
                "Check that it is darknet19.weights or darknet19_448.weights, and complete."
            )
        arrays[name] = values.reshape(shape)
    return arrays


def _entries(place, channels_in, channels_out, size):
    prefix = f"resnet_features.layers.{place}_convbatch.layers"
    for tensor in ("bias", "weight", "running_mean", "running_var"):
        yield f"{prefix}.1.{tensor}", (channels_out,)
    yield f"{prefix}.0.weight", (channels_out, channels_in, size, size)
