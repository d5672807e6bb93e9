import numpy as np
import pytest
from keras import ops

from keras_liteseg.errors import UserError
from keras_liteseg.training.losses import Distillation
from tests.training.losses.conftest import softmax
from tests.training.losses.gradients import loss_and_gradient


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_equals_its_formula(batch, temperature):
    labels, logits = batch
    teacher = np.random.default_rng(1).normal(scale=3, size=logits.shape).astype(np.float32)
    valid = labels != 255
    soft, ours = softmax(teacher[valid] / temperature), softmax(logits[valid] / temperature)
    expected = temperature**2 * (soft * np.log(soft / ours)).sum(axis=-1).mean()
    value, gradient = loss_and_gradient(Distillation(temperature), (labels, teacher), logits)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient[valid], temperature * (ours - soft) / valid.sum(), atol=1e-6)


def test_the_teacher_itself_has_no_loss(batch):
    labels, logits = batch
    value, gradient = loss_and_gradient(Distillation(), (labels, logits), logits)
    assert value == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


def test_garbage_of_the_teacher_at_ignored_pixels_changes_nothing(batch):
    labels, logits = batch
    teacher = np.zeros_like(logits)
    expected = loss_and_gradient(Distillation(), (labels, teacher), logits)
    teacher[labels == 255] = np.nan
    value, gradient = loss_and_gradient(Distillation(), (labels, teacher), logits)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])


def test_no_gradient_goes_to_the_teacher(batch):
    labels, logits = batch

    def as_teacher(truth, teacher):
        return Distillation(2.0)((labels, teacher), logits) + ops.sum(teacher)

    _, gradient = loss_and_gradient(as_teacher, labels, np.ones_like(logits))
    np.testing.assert_array_equal(gradient, 1)


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf])
def test_wrong_temperature(temperature):
    with pytest.raises(UserError, match="temperature is .*; it must be above 0"):
        Distillation(temperature)
