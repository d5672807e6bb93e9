"""Labels of scores at other sizes are those of resizing all scores and choosing then, to the last one."""

import tracemalloc

import cv2
import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.inference.labels import AlignedCorners, LabelMaker
from keras_liteseg.inference.predictor import align_corners
from keras_liteseg.inference.tensors import from_tensor

SIZES = [(40, 60), (80, 120), (123, 181), (17, 30), (57, 41), (1, 300)]
TYPES = {"int8": (0.1069, 38), "uint8": (0.00390625, 0), "int16": (0.0007, 0), "float32": (0.0, 0)}


def scores(dtype, classes, shape=(40, 60), levels=12):
    """Regions of classes whose scores have few values, so that many are equal where they are resized."""
    rng = np.random.default_rng(classes)
    small = rng.integers(0, levels, (6, 9, classes)).astype(np.float32)
    planes = [cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_CUBIC) for plane in small.transpose(2, 0, 1)]
    return np.rint(np.stack(planes, -1).clip(0, levels)).astype(dtype)


def details(dtype):
    return {"dtype": np.dtype(dtype), "quantization": TYPES[dtype]}


def expected(values, size, aligned=None):
    if aligned:
        values = align_corners(values, aligned)
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR).argmax(-1)


def made(output, dtype, size, aligned=None):
    labels = np.full(size, 77, np.uint8)
    LabelMaker(output.shape, details(dtype), size, aligned)(output, labels)
    return labels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("classes", [5, 11, 19])
def test_labels_are_those_of_resized_scores(dtype, classes, size):
    output = scores(dtype, classes)
    wanted = expected(from_tensor(output, details(dtype)), size)
    assert len(np.unique(wanted)) > 2
    np.testing.assert_array_equal(made(output, dtype, size), wanted)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_aligned_corners_come_first(dtype, size):
    output = scores(dtype, 7, (10, 15))
    wanted = expected(from_tensor(output, details(dtype)), size, (40, 60))
    np.testing.assert_array_equal(made(output, dtype, size, (40, 60)), wanted)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_few_classes_differ_at_most_where_scores_are_equal(classes):
    """OpenCV may hand these to a library that rounds in another way."""
    output, size = scores("int8", classes), (123, 181)
    values = cv2.resize(from_tensor(output, details("int8")), size[::-1]).reshape(*size, classes)
    chosen = np.take_along_axis(values, made(output, "int8", size)[..., None].astype(int), -1)[..., 0]
    assert (values.max(-1) - chosen).max() < 1e-5


def test_every_border_is_of_one_pixel():
    """Nothing can be skipped where no two neighbours have the same class."""
    rng = np.random.default_rng(0)
    output = rng.integers(-128, 128, (40, 60, 11)).astype(np.int8)
    wanted = expected(from_tensor(output, details("int8")), (123, 181))
    np.testing.assert_array_equal(made(output, "int8", (123, 181)), wanted)


def test_a_class_may_win_where_no_corner_has_it():
    """Class 2 is second everywhere, and ahead of both others half way between them."""
    output = np.zeros((2, 12, 5), np.int8)
    output[:, :6, 0], output[:, 6:, 1], output[..., 2] = 10, 10, 9
    labels = made(output, "int8", (16, 96))
    np.testing.assert_array_equal(labels, expected(from_tensor(output, details("int8")), (16, 96)))
    assert set(np.unique(labels)) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(12))
def test_labels_at_any_size(seed):
    rng = np.random.default_rng(seed)
    shape, size = rng.integers(1, 50, 2), tuple(map(int, rng.integers(1, 260, 2)))
    output = scores("int8", 8, tuple(map(int, shape)), levels=int(rng.integers(2, 40)))
    np.testing.assert_array_equal(made(output, "int8", size), expected(from_tensor(output, details("int8")), size))


def test_more_pixels_than_are_handled_at_once():
    output = scores("int8", 6, (300, 400))
    for size in ((300, 400), (700, 911)):
        wanted = expected(from_tensor(output, details("int8")), size)
        np.testing.assert_array_equal(made(output, "int8", size), wanted)


def test_memory_is_used_again():
    maker = LabelMaker((40, 60, 11), details("int8"), (80, 120))
    first, second = scores("int8", 11), np.ascontiguousarray(scores("int8", 11)[::-1])
    for output in (first, second, first):
        labels = np.empty((80, 120), np.uint8)
        maker(output, labels)
        np.testing.assert_array_equal(labels, expected(from_tensor(output, details("int8")), (80, 120)))


def test_another_frame_takes_little_memory():
    output, labels = scores("int8", 11, (360, 480)), np.empty((720, 1280), np.uint8)
    maker = LabelMaker(output.shape, details("int8"), labels.shape)
    maker(output, labels)
    tracemalloc.start()
    maker(output, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All scores at this size would be 40 MB, and a new label map 0.9.
    assert peak < 0.9e6


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
@pytest.mark.parametrize("aligned", [None, (40, 60)])
@pytest.mark.parametrize("size", SIZES)
def test_class_maps_go_to_the_nearest(dtype, aligned, size):
    classes = np.random.default_rng(0).integers(0, 9, (10, 15)).astype(dtype)
    larger = align_corners(classes, aligned) if aligned else classes
    wanted = cv2.resize(larger.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    labels = np.empty(size, np.uint8)
    LabelMaker(classes.shape, {"dtype": classes.dtype, "quantization": (0.0, 0)}, size, aligned)(classes, labels)
    np.testing.assert_array_equal(labels, wanted)


def test_aligned_scores_are_those_of_the_predictor():
    values = scores("float32", 7, (10, 15))
    np.testing.assert_array_equal(
        AlignedCorners(values.shape, details("float32"), (41, 57))(values), align_corners(values, (41, 57))
    )


def test_other_outputs_are_refused():
    with pytest.raises(UserError, match=r"shape \(11,\); wanted are scores or a class map"):
        LabelMaker((11,), details("int8"), (4, 4))
