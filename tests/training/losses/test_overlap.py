import numpy as np
import pytest

from keras_liteseg.training.losses import Dice, Lovasz
from tests.training.losses.gradients import loss_and_gradient


def test_dice_equals_its_formula(batch, valid_pixels):
    labels, probability = valid_pixels
    truth = np.eye(6)[labels]
    coefficient = 2 * (probability * truth).sum(axis=0) / (probability + truth).sum(axis=0)
    assert set(labels) == set(range(5))
    assert float(Dice()(*batch)) == pytest.approx(1 - coefficient[:5].mean(), rel=1e-5)


def lovasz_extension(errors, truth):
    """Return (value, gradient) from the definition: the sum of errors, sorted, times steps of the Jaccard loss."""
    gradient, missed, false, before = np.zeros(len(errors)), 0, 0, 0.0
    for index in np.argsort(-errors):
        missed, false = missed + truth[index], false + 1 - truth[index]
        after = 1 - (truth.sum() - missed) / (truth.sum() + false)
        gradient[index], before = after - before, after
    return (errors * gradient).sum(), gradient


def test_lovasz_equals_its_definition(batch, valid_pixels):
    labels, probability = valid_pixels
    values, by_probability = [], np.zeros_like(probability)
    for index in range(5):
        truth = (labels == index).astype(int)
        value, gradient = lovasz_extension(abs(truth - probability[:, index]), truth)
        values.append(value)
        by_probability[:, index] = gradient * (1 - 2 * truth) / 5
    expected = probability * (by_probability - (probability * by_probability).sum(axis=1, keepdims=True))
    value, gradient = loss_and_gradient(Lovasz(), *batch)
    assert value == pytest.approx(np.mean(values), rel=1e-5)
    np.testing.assert_allclose(gradient[batch[0] != 255], expected, atol=1e-7)


def test_lovasz_of_sure_predictions_is_one_minus_iou(batch):
    labels, _ = batch
    prediction = np.random.default_rng(2).integers(0, 6, labels.shape)
    valid = labels != 255
    iou = [
        (valid & (labels == index) & (prediction == index)).sum()
        / (valid & ((labels == index) | (prediction == index))).sum()
        for index in range(5)
    ]
    assert float(Lovasz()(labels, 100 * np.eye(6)[prediction])) == pytest.approx(1 - np.mean(iou), rel=1e-5)


@pytest.mark.parametrize("loss", [Dice(), Lovasz()])
def test_a_right_prediction_has_no_loss(loss, batch):
    labels, _ = batch
    logits = 100 * np.eye(6)[np.where(labels == 255, 5, labels)]
    assert float(loss(labels, logits)) == pytest.approx(0, abs=1e-6)
