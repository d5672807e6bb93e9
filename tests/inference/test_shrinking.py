"""Smaller pictures are those of OpenCV's INTER_AREA, to the last bit."""

import cv2
import numpy as np
import pytest

from keras_liteseg.inference.shrinking import Shrinking

SIZES = [
    ((72, 128), (36, 48)),  # 1280x720 to 480x360
    ((60, 80), (32, 32)),  # to 512x384
    ((48, 64), (36, 48)),  # 4 to 3 both ways
    ((30, 64), (30, 48)),  # of the same height
    ((48, 30), (36, 30)),  # of the same width
    ((99, 105), (33, 49)),  # three rows, 15 to 7 columns
    ((1100, 640), (550, 240)),  # more rows than are handled at once
]


@pytest.mark.parametrize("source, size", SIZES)
@pytest.mark.parametrize("levels", [2, 7, 256])
def test_numbers_are_those_of_opencv(source, size, levels):
    assert Shrinking.applies(source, size)
    rng = np.random.default_rng(levels)
    image = rng.integers(0, levels, (*source, 3)).astype(np.uint8)
    found = np.empty((*size, 3), np.uint8)
    Shrinking(source, size)(image, found)
    np.testing.assert_array_equal(found, cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA))


def test_memory_is_used_again():
    rng = np.random.default_rng(0)
    images, shrinking = rng.integers(0, 256, (3, 72, 128, 3)).astype(np.uint8), Shrinking((72, 128), (36, 48))
    for image in images:
        found = np.empty((36, 48, 3), np.uint8)
        shrinking(image, found)
        np.testing.assert_array_equal(found, cv2.resize(image, (48, 36), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    "source, size",
    [
        ((72, 96), (36, 48)),  # whole numbers, which OpenCV is fast at
        ((72, 128), (72, 128)),
        ((36, 48), (72, 128)),  # larger
        ((36, 128), (72, 48)),
        ((72, 120), (36, 48)),  # 5 to 2: averages half way between two numbers, of weights that are not exact
        ((64, 128), (45, 60)),  # many pixels for few
    ],
)
def test_other_sizes_are_left_to_opencv(source, size):
    assert not Shrinking.applies(source, size)
