import dataclasses
import json

import numpy as np
import pytest

from keras_liteseg import ImageFormat, UserError

DEEP = ImageFormat(channels=2, dtype="uint16", min=100, max=4100)


def test_the_default_is_8_bit_rgb():
    assert ImageFormat().is_rgb and ImageFormat(3, "uint8", 0, 255) == ImageFormat()
    assert not ImageFormat(dtype="uint16").is_rgb and ImageFormat(dtype="uint16").max == 65535


def test_values_become_0_to_1_and_stay_there():
    image = np.array([[[0, 100], [2100, 4100], [4100, 65535]]], np.uint16)
    found = DEEP.to_unit(image)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[[0, 0], [0.5, 1], [1, 1]]])
    rgb = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    np.testing.assert_array_equal(ImageFormat().to_unit(rgb), rgb.astype(np.float32) / 255)


def test_scaling_is_the_normalization_in_one_step():
    mean, std = (0.1, 0.2), (0.5, 0.25)
    factor, offset = DEEP.scaling(mean, std)
    assert factor.dtype == offset.dtype == np.float32
    image = np.array([[[100, 100], [2100, 3100]]], np.uint16)
    np.testing.assert_allclose(image * factor + offset, (DEEP.to_unit(image) - mean) / std, rtol=1e-5)


def test_it_says_what_it_is():
    assert str(ImageFormat()) == "8-bit RGB"
    assert DEEP.declaration() == "image: {channels: 2, dtype: uint16, min: 100, max: 4100}"
    with pytest.raises(
        UserError, match="The network takes pictures that are 8-bit RGB, and those of x are uint16 of 2"
    ):
        ImageFormat().require(DEEP, "The network", "x")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (dict(channels=0), "channels is 0"),
        (dict(channels=True), "channels is True"),
        (dict(dtype="float32"), "dtype is 'float32'; pictures are of 'uint8' or 'uint16'"),
        (dict(dtype=["uint8"]), r"dtype is \['uint8'\]; pictures are of"),
        (dict(max=256), "max 256; for uint8 they are whole numbers from 0 to 255"),
        (dict(min=300, dtype="uint16", max=200), "min is 300 and max 200"),
    ],
)
def test_what_cannot_be_is_refused(values, said):
    with pytest.raises(UserError, match=said):
        ImageFormat(**values)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert ImageFormat(channels=np.int64(1), dtype="uint16", max=np.uint16(4095)) == ImageFormat(1, "uint16", 0, 4095)
    assert json.dumps(dataclasses.asdict(ImageFormat(channels=np.int64(4), min=np.uint8(3))))
