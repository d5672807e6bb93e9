import re
import types

import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL, ClassList, SegmentationDataset
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import absent_note, evaluate, measure, total_confusion, worst_images
from keras_liteseg.metadata import Metadata

CLASSES = ClassList(("road", "car", "sky"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
TRUTH = [[[0, 0, 0, 1]], [[0, 1, 1, IGNORE_LABEL]]]


class Data(SegmentationDataset):
    name, split, classes = "hand_made", "val", CLASSES

    def __init__(self, truth):
        self.truth = truth

    def __len__(self):
        return len(self.truth)

    def sample_id(self, index):
        return str(index)

    def image(self, index):
        return np.full((1, 4, 3), index, np.uint8)

    def mask(self, index):
        return np.uint8(self.truth[index])


def predictor(maps, classes=CLASSES):
    """Predictor that knows the label map of each image of `Data`."""
    return types.SimpleNamespace(
        metadata=Metadata("hand_made", "", classes, (0.5,) * 3, (0.5,) * 3),
        labels=lambda image: np.uint8(maps[image[0, 0, 0]]),
    )


def test_perfect_labels():
    result = evaluate(predictor([[[0, 0, 0, 1]], [[0, 1, 1, 2]]]), Data(TRUTH))
    assert (result.images, result.miou, result.pixel_accuracy, result.agreement) == (2, 1.0, 1.0, None)
    # The one pixel of sky lies in the void.
    assert result.iou == {"road": 1.0, "car": 1.0, "sky": None}
    assert result.absent == ["sky"]
    assert absent_note(result.absent, 3) == " (of 2 of 3 classes; absent from the ground truth: sky)"
    assert absent_note([], 3) == ""


def test_known_mistakes():
    result = evaluate(predictor([[[0, 0, 2, 1]], [[1, 1, 1, 1]]]), Data(TRUTH))
    # road: 2 of 4 found, nothing besides; car: 3 of 3, and 1 of road; sky: predicted but in no truth.
    assert result.iou == {"road": 0.5, "car": 0.75, "sky": 0.0}
    assert result.miou == pytest.approx((0.5 + 0.75 + 0) / 3, abs=1e-6)
    assert result.miou_present == 0.625 and result.absent == ["sky"]
    assert result.pixel_accuracy == pytest.approx(5 / 7, abs=1e-6)
    assert result.mean_accuracy == 0.75
    assert result.frequency_weighted_iou == pytest.approx((4 * 0.5 + 3 * 0.75) / 7, abs=1e-6)


def test_results_of_single_images():
    first, second = measure(predictor([[[0, 0, 2, 1]], [[1, 1, 1, 1]]]), Data(TRUTH))
    assert (first.index, first.sample_id, first.pixels, first.equal) == (0, "0", 4, None)
    np.testing.assert_array_equal(first.confusion.matrix, [[2, 0, 1], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(second.confusion.matrix, [[0, 1, 0], [0, 2, 0], [0, 0, 0]])
    np.testing.assert_array_equal(total_confusion([first, second], 3).matrix, [[2, 1, 1], [0, 3, 0], [0, 0, 0]])


def test_worst_images_first():
    truth = [[[0, 0, 0, 1]], [[0, 0, 0, 1]], [[IGNORE_LABEL] * 4], [[0, 0, 0, 0]], [[0, 0, 0, 0]]]
    maps = [
        [[0, 0, 0, 1]],  # all right
        [[0, 0, 0, 0]],  # road 3/4, car 0
        [[0, 0, 0, 1]],  # nothing counts, so there is no score
        [[0, 0, 0, 2]],  # road 3/4; sky is not in the truth and not in the score
        [[2, 2, 0, 0]],  # road 1/2
    ]
    results = list(measure(predictor(maps), Data(truth)))
    assert [each.index for each in worst_images(results, 10)] == [1, 4, 3, 0]
    assert [each.index for each in worst_images(results, 2)] == [1, 4]


def test_truth_without_any_class_is_refused():
    with pytest.raises(UserError, match="No pixel of the 1 masks has a class"):
        evaluate(predictor([[[0, 0, 0, 1]]]), Data([[[IGNORE_LABEL] * 4]]))


def test_agreement_counts_void_pixels_too():
    mine, other = predictor([[[0, 0, 0, 1]], [[0, 1, 1, 0]]]), predictor([[[0, 0, 0, 0]], [[0, 1, 1, 1]]])
    assert evaluate(mine, Data(TRUTH), other).agreement == 0.75
    for result, truth in zip(measure(mine, Data(TRUTH), other), TRUTH, strict=True):
        # The reference's own accuracy, as if it were measured alone.
        (alone,) = measure(predictor([other.labels(np.full((1, 4, 3), result.index))]), Data([truth]))
        np.testing.assert_array_equal(result.reference.matrix, alone.confusion.matrix)
    maps = [np.uint8([[0, 0, 0, 0]]), np.uint8([[0, 1, 1, 1]])]
    assert evaluate(mine, Data(TRUTH), maps).agreement == 0.75


def test_pictures_are_read_in_order_and_only_a_few_ahead():
    data, read = Data(TRUTH * 10), []
    data.mask = lambda index: read.append(index) or np.uint8(data.truth[index])
    for result in measure(predictor(TRUTH * 10), data):
        assert len(read) <= result.index + 8
        np.testing.assert_array_equal(
            result.confusion.matrix.sum(1), np.bincount(np.ravel(data.truth[result.index]), minlength=256)[:3]
        )
    assert sorted(read) == list(range(20))


def test_mistake_in_a_picture_ends_the_measurement():
    class Broken(Data):
        def image(self, index):
            if index == 3:
                raise UserError("picture 3 is broken")
            return super().image(index)

    results = measure(predictor(TRUTH * 10), Broken(TRUTH * 10))
    with pytest.raises(UserError, match="picture 3 is broken"):
        for result in results:
            assert result.index < 3
    assert result.index == 2


def test_empty_data_set_is_refused():
    with pytest.raises(UserError, match="hand_made has no samples in its split 'val'"):
        evaluate(predictor([]), Data([]))


def test_other_classes_are_refused():
    classes = ClassList(("a", "b"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(
        UserError, match=r"knows 2 classes \(a, b\) and hand_made has 3 classes \(road, car, sky\); class"
    ):
        evaluate(predictor(TRUTH, classes), Data(TRUTH))


def test_the_same_classes_in_another_order_are_refused_with_the_map():
    swapped = ClassList(("car", "road", "sky"), CLASSES.colors)
    message = (
        "the same classes in another order: class 0 is 'car' in the first and 'road' in the second, class 1 is 'road' "
        "in the first and 'car' in the second. Use a network that was trained on these classes, or, if it fits, give "
        "the data set the option label_map='{car: car, road: road, sky: sky}'."
    )
    with pytest.raises(UserError, match=re.escape(message)):
        evaluate(predictor(TRUTH, swapped), Data(TRUTH))


@pytest.mark.parametrize("names", [("car", "road", "sky"), ("road", "car", "tree"), ("road", "car")])
def test_a_reference_of_other_classes_is_refused(names):
    reference = predictor(TRUTH, ClassList(names, CLASSES.colors[: len(names)]))
    with pytest.raises(UserError, match=rf"and the reference {len(names)} classes .*so that their labels cannot be"):
        evaluate(predictor(TRUTH), Data(TRUTH), reference)
