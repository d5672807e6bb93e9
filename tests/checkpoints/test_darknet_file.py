import struct

import numpy as np
import pytest

from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError

PLACES = [1, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23]
SIZES = [3, 3, 3, 1, 3, 3, 1, 3, 3, 1, 3, 1, 3, 3, 1, 3, 1, 3]
CHANNELS = [3, 32, 64, 128, 64, 128, 256, 128, 256, 512, 256, 512, 256, 512, 1024, 512, 1024, 512, 1024]
OLD = struct.pack("<4i", 0, 1, 0, 32_013_312)
NEW = struct.pack("<3iq", 0, 2, 0, 32_013_312)


@pytest.fixture(scope="module")
def numbers():
    """The convolutions of Darknet19, as in the file, which has 79 MB."""
    rng = np.random.default_rng(0)
    parts = []
    for channels_in, channels, size in zip(CHANNELS[:-1], CHANNELS[1:], SIZES, strict=True):
        parts += [rng.normal(size=2 * channels), rng.normal(size=channels), rng.uniform(0.1, 1, channels)]
        parts.append(rng.random(channels * channels_in * size * size, "float32"))
    return np.concatenate(parts).astype("<f4")


@pytest.mark.parametrize(("header", "rest"), [(OLD, b""), (NEW, bytes(4_100_000))], ids=["old", "new_with_classifier"])
def test_darknet19(written, numbers, header, rest):
    arrays = read_weights(written(header + numbers.tobytes() + rest, "darknet19_448.weights"))

    assert len(arrays) == 18 * 5
    offset = 0
    for place, channels_in, channels, size in zip(PLACES, CHANNELS[:-1], CHANNELS[1:], SIZES, strict=True):
        module = f"resnet_features.layers.{place}_convbatch.layers"
        for name in ("1.bias", "1.weight", "1.running_mean", "1.running_var"):
            expected = numbers[offset : offset + channels]
            np.testing.assert_array_equal(arrays[f"{module}.{name}"], expected, strict=True)
            offset += channels
        kernels = arrays[f"{module}.0.weight"]
        assert kernels.shape == (channels, channels_in, size, size)
        np.testing.assert_array_equal(kernels.ravel(), numbers[offset : offset + kernels.size])
        offset += kernels.size
    # The published number of parameters, and a mean and a variance for each of 7,200 channels.
    assert offset == len(numbers) == 19_817_376 + 2 * 7_200


@pytest.mark.parametrize("header", [OLD, NEW], ids=["old", "new"])
def test_short_file_is_refused(written, numbers, header):
    needed = len(header) + 4 * len(numbers)

    with pytest.raises(UserError, match=f"take {needed:,} bytes, the file has {len(header) + 400:,}"):
        read_weights(written(header + bytes(400), "a.weights"))


@pytest.mark.parametrize("length", [1, 11])
def test_incomplete_header_is_refused(written, length):
    with pytest.raises(UserError, match="damaged"):
        read_weights(written(OLD[:length], "a.weights"))


@pytest.mark.parametrize("data", [b"These are notes about weights.\n" * 10, struct.pack("<3i", 0, -1, 0) + bytes(100)])
def test_other_content_is_refused(written, data):
    with pytest.raises(UserError, match="does not start with a version number"):
        read_weights(written(data, "a.weights"))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_numbers_that_are_not_finite_are_refused(written, numbers, value):
    wrong = numbers.copy()
    wrong[-1] = value

    with pytest.raises(UserError, match="its resnet_features.layers.23_convbatch.layers.0.weight would have"):
        read_weights(written(OLD + wrong.tobytes(), "a.weights"))


def test_numbers_of_another_network_are_refused(written, numbers):
    """Shifted by one number, as with a wrong size of the image counter, a variance would be a kernel or a mean."""
    with pytest.raises(UserError, match="layers.1.running_var would have .* negative variances"):
        read_weights(written(OLD + np.roll(numbers, 1).tobytes(), "a.weights"))
