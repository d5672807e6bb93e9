import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL
from keras_liteseg.metrics import Confusion, iou_per_class


def confusion(truth, prediction, num_classes):
    counted = Confusion(num_classes)
    counted.update(np.array(truth, np.uint8), np.array(prediction, np.uint8))
    return counted


def test_counted_by_hand():
    counted = confusion([[0, 0, 0, 1], [1, 1, 2, IGNORE_LABEL]], [[0, 0, 1, 1], [1, 2, 2, 0]], 4)
    np.testing.assert_array_equal(counted.matrix, [[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(counted.iou(), [2 / 3, 2 / 4, 1 / 2, np.nan])
    assert counted.miou() == pytest.approx((2 / 3 + 2 / 4 + 1 / 2) / 3)
    assert counted.pixel_accuracy() == pytest.approx(5 / 7)


def test_class_that_is_only_predicted_lowers_the_others_but_has_no_share():
    counted = confusion([0, 0, 0, 0], [0, 0, 0, 1], 2)
    np.testing.assert_allclose(counted.iou(), [3 / 4, 0])
    assert counted.miou() == 3 / 4


def test_class_that_is_only_in_the_truth_counts_as_zero():
    assert confusion([0, 0, 1], [0, 0, 0], 2).miou() == pytest.approx((2 / 3 + 0) / 2)


def test_updates_add_up():
    rng = np.random.default_rng(0)
    truth, prediction = rng.choice([0, 1, 2, IGNORE_LABEL], (4, 5, 6)), rng.integers(0, 3, (4, 5, 6))
    whole, parts = Confusion(3), Confusion(3)
    whole.update(truth, prediction)
    for pair in zip(truth, prediction):
        parts.update(*pair)
    np.testing.assert_array_equal(whole.matrix, parts.matrix)
    assert whole.matrix.sum() == (truth != IGNORE_LABEL).sum()


def test_many_classes_in_bytes_do_not_overflow():
    counted = confusion([200], [199], 201)
    assert counted.matrix[200, 199] == counted.matrix.sum() == 1


def test_nothing_counted():
    for counted in (Confusion(3), confusion([IGNORE_LABEL], [0], 3)):
        assert np.isnan(counted.iou()).all() and np.isnan(counted.miou()) and np.isnan(counted.pixel_accuracy())


def test_iou_of_a_matrix():
    np.testing.assert_allclose(iou_per_class(np.array([[3, 1], [2, 4]])), [3 / 6, 4 / 7])
