import numpy as np
import pytest
from keras import ops

from keras_liteseg.training.losses import likelihood
from keras_liteseg.training.losses.likelihood import divergence, negative_log_likelihood
from tests.training.losses.conftest import softmax
from tests.training.losses.gradients import loss_and_gradient

CLASSES = pytest.mark.parametrize("classes", [2, 4, 5])


@pytest.fixture(autouse=True)
def few_columns(monkeypatch):
    """Of 5 classes no columns are made; XLA would take seconds for as many as are allowed."""
    monkeypatch.setattr(likelihood, "MOST_COLUMNS", 4)


@CLASSES
def test_likelihood_and_its_gradient(classes):
    rng = np.random.default_rng(classes)
    logits = rng.normal(scale=5, size=(2, 3, 5, classes)).astype(np.float32)
    labels = rng.integers(0, classes, (2, 3, 5)).astype(np.int32)
    valid = rng.random(labels.shape) < 0.7
    upstream = rng.normal(size=labels.shape).astype(np.float32)
    logits[~valid] = np.nan

    def loss(labels, logits):
        return ops.sum(upstream * negative_log_likelihood(labels, valid, logits))

    probability = softmax(np.where(valid[..., None], logits, 0))
    truth = np.eye(classes)[labels]
    value, gradient = loss_and_gradient(loss, labels, logits)
    assert value == pytest.approx((upstream * -np.log((probability * truth).sum(axis=-1))).sum(), rel=1e-5)
    expected = upstream[..., None] * (probability - truth) * valid[..., None]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@CLASSES
def test_divergence_and_its_gradient(classes):
    rng = np.random.default_rng(classes)
    teacher, student = rng.normal(scale=5, size=(2, 2, 3, 5, classes)).astype(np.float32)
    upstream = rng.normal(size=teacher.shape[:-1]).astype(np.float32)

    def loss(teacher, student):
        return ops.sum(upstream * divergence(teacher, student))

    theirs, ours = softmax(teacher), softmax(student)
    value, gradient = loss_and_gradient(loss, teacher, student)
    assert value == pytest.approx((upstream[..., None] * theirs * np.log(theirs / ours)).sum(), rel=1e-4)
    np.testing.assert_allclose(gradient, upstream[..., None] * (ours - theirs), rtol=1e-4, atol=1e-6)
