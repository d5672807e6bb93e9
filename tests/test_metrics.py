import numpy as np
import pytest

from keras_liteseg import metrics
from keras_liteseg.datasets import IGNORE_LABEL
from keras_liteseg.errors import UserError
from keras_liteseg.metrics import ConfusionMatrix, iou_per_class


def confusion(truth, prediction, num_classes):
    counted = ConfusionMatrix(num_classes)
    counted.update(np.array(truth, np.uint8), np.array(prediction, np.uint8))
    return counted


def test_counted_by_hand():
    counted = confusion([[0, 0, 0, 1], [1, 1, 2, IGNORE_LABEL]], [[0, 0, 1, 1], [1, 2, 2, 0]], 4)
    np.testing.assert_array_equal(counted.matrix, [[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(counted.iou(), [2 / 3, 2 / 4, 1 / 2, np.nan])
    assert counted.miou() == pytest.approx((2 / 3 + 2 / 4 + 1 / 2) / 3)
    assert counted.pixel_accuracy() == pytest.approx(5 / 7)


# Masks with every case that the Cityscapes evaluation tells apart. Counted by hand; evalPixelLevelSemanticLabeling of
# cityscapesScripts 2.3.0 gives the same IoU and mean for the classes road, sidewalk, building, wall and fence.
VOID = IGNORE_LABEL
FIXED_TRUTH = [
    [[0, 0, 0, 0, 1, 1], [0, 0, 0, 2, 2, VOID]],
    [[0, 0, 1, 1, 1, VOID], [2, 2, VOID, VOID, VOID, VOID]],
]
FIXED_PREDICTION = [
    [[0, 0, 0, 1, 1, 1], [0, 0, 3, 2, 1, 4]],  # the only 4 lies in the void
    [[0, 0, 1, 1, 0, 0], [1, 1, 2, 2, 2, 2]],
]
# rows: truth; road 9, of which 7 found, 1 sidewalk, 1 wall; sidewalk 5: 4 found, 1 road; building 4: 1 found
FIXED_MATRIX = [[7, 1, 0, 1, 0], [1, 4, 0, 0, 0], [0, 3, 1, 0, 0], [0] * 5, [0] * 5]
FIXED_IOU = [7 / 10, 4 / 9, 1 / 4, 0, np.nan]


@pytest.fixture
def fixed():
    return confusion(FIXED_TRUTH, FIXED_PREDICTION, 5)


def test_fixed_masks_as_in_the_cityscapes_evaluation(fixed):
    np.testing.assert_array_equal(fixed.matrix, FIXED_MATRIX)
    # wall is predicted and not in the truth: 0, and it counts; fence is in neither: it does not.
    np.testing.assert_allclose(fixed.iou(), FIXED_IOU)
    assert fixed.miou() == pytest.approx((7 / 10 + 4 / 9 + 1 / 4 + 0) / 4)


def test_other_accuracies_of_the_fixed_masks(fixed):
    assert fixed.miou_present() == pytest.approx((7 / 10 + 4 / 9 + 1 / 4) / 3)
    assert fixed.pixel_accuracy() == pytest.approx(12 / 18)
    assert fixed.mean_accuracy() == pytest.approx((7 / 9 + 4 / 5 + 1 / 4) / 3)
    assert fixed.frequency_weighted_iou() == pytest.approx((9 * 7 / 10 + 5 * 4 / 9 + 4 / 4) / 18)


@pytest.mark.parametrize("num_classes", [1, 2, 19, 255])
def test_bytes_are_counted_as_other_integers_are(num_classes, monkeypatch):
    monkeypatch.setattr(metrics, "_STRIP", 1000)
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, num_classes, (2, 57, 99), np.uint8)
    truth[rng.random(truth.shape) < 0.1] = VOID
    quick, plain = ConfusionMatrix(num_classes), ConfusionMatrix(num_classes)
    quick.update(truth, prediction)
    plain.update(truth.astype(np.int32), prediction)
    np.testing.assert_array_equal(quick.matrix, plain.matrix)
    assert quick.matrix.sum() == np.count_nonzero(truth != VOID)


def test_prediction_on_void_counts_nowhere(fixed):
    truth, prediction = np.array(FIXED_TRUTH), np.array(FIXED_PREDICTION)
    for label in range(5):
        other = confusion(truth, np.where(truth == VOID, label, prediction), 5)
        np.testing.assert_array_equal(other.matrix, fixed.matrix)


def test_class_that_is_only_predicted_counts_as_zero():
    counted = confusion([0, 0, 0, 0], [0, 0, 0, 1], 2)
    np.testing.assert_allclose(counted.iou(), [3 / 4, 0])
    assert counted.miou() == 3 / 8 and counted.miou_present() == 3 / 4


def test_class_that_is_only_in_the_truth_counts_as_zero():
    counted = confusion([0, 0, 1], [0, 0, 0], 2)
    assert counted.miou() == counted.miou_present() == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(
    "truth, prediction, match",
    [([3], [0], "truth has labels from 3 to 3; with 3 classes"), ([0, 1], [0, VOID], "prediction has labels from 0")],
)
def test_label_that_is_no_class_is_refused(truth, prediction, match):
    with pytest.raises(UserError, match=match):
        confusion(truth, prediction, 3)


def test_updates_add_up():
    rng = np.random.default_rng(0)
    truth, prediction = rng.choice([0, 1, 2, IGNORE_LABEL], (4, 5, 6)), rng.integers(0, 3, (4, 5, 6))
    whole, parts = ConfusionMatrix(3), ConfusionMatrix(3)
    whole.update(truth, prediction)
    for pair in zip(truth, prediction):
        parts.update(*pair)
    np.testing.assert_array_equal(whole.matrix, parts.matrix)
    assert whole.matrix.sum() == (truth != IGNORE_LABEL).sum()


def test_many_classes_in_bytes_do_not_overflow():
    counted = confusion([200], [199], 201)
    assert counted.matrix[200, 199] == counted.matrix.sum() == 1


def test_nothing_counted():
    for counted in (ConfusionMatrix(3), confusion([IGNORE_LABEL], [0], 3)):
        assert np.isnan(counted.iou()).all()
        for mean in ("miou", "miou_present", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"):
            assert np.isnan(getattr(counted, mean)())


def test_iou_of_a_matrix():
    np.testing.assert_allclose(iou_per_class(np.array([[3, 1], [2, 4]])), [3 / 6, 4 / 7])
