import keras
import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL
from keras_liteseg.metrics import ConfusionMatrix
from keras_liteseg.training.metrics import MeanIoU

CLASSES = 6


def random_batch(rng, classes_in_truth):
    truth = rng.choice([*classes_in_truth, IGNORE_LABEL], (2, 8, 10)).astype(np.int32)
    logits = rng.normal(size=(*truth.shape, CLASSES)).astype(np.float32)
    return truth, logits


@pytest.mark.parametrize("classes_in_truth", [range(CLASSES), [0, 2, 5], [1]])
def test_equals_the_exact_confusion_matrix(classes_in_truth):
    rng = np.random.default_rng(0)
    metric, confusion = MeanIoU(CLASSES), ConfusionMatrix(CLASSES)
    for _ in range(3):
        truth, logits = random_batch(rng, classes_in_truth)
        metric.update_state(truth, logits)
        confusion.update(truth, logits.argmax(axis=-1))
    np.testing.assert_array_equal(metric.matrix.numpy(), confusion.matrix)
    assert float(metric.result()) == pytest.approx(confusion.miou(), rel=1e-6)


def test_class_that_is_only_predicted_counts_as_zero():
    metric = MeanIoU(3)
    metric.update_state(np.int32([[[0, 0, 0, IGNORE_LABEL]]]), np.eye(3, dtype=np.float32)[[[[0, 0, 1, 2]]]])
    # class 0: 2 of 3; class 1: 0 of 1; class 2 is predicted in the void alone
    assert float(metric.result()) == pytest.approx((2 / 3 + 0) / 2)


def test_perfect_prediction():
    truth = random_batch(np.random.default_rng(0), range(CLASSES))[0]
    metric = MeanIoU(CLASSES)
    metric.update_state(truth, np.eye(CLASSES, dtype=np.float32)[np.where(truth == IGNORE_LABEL, 3, truth)])
    assert float(metric.result()) == 1


def test_nothing_but_ignored_pixels_is_zero():
    truth, logits = random_batch(np.random.default_rng(0), [])
    metric = MeanIoU(CLASSES)
    metric.update_state(truth, logits)
    assert float(metric.result()) == 0


def test_reset_and_config():
    metric = MeanIoU(CLASSES, name="iou")
    metric.update_state(*random_batch(np.random.default_rng(0), range(CLASSES)))
    metric.reset_state()
    assert not metric.matrix.numpy().any()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (again.num_classes, again.name) == (CLASSES, "iou")
