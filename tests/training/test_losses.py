import numpy as np
import pytest
import tensorflow as tf

from keras_liteseg.datasets import IGNORE_LABEL
from keras_liteseg.training.losses import CrossEntropy


@pytest.fixture
def batch():
    """Random labels, a third of them ignored, and logits of 5 classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 4, 6)).astype(np.int32)
    labels[rng.random(labels.shape) < 1 / 3] = IGNORE_LABEL
    return labels, rng.normal(scale=3, size=(*labels.shape, 5)).astype(np.float32)


def loss_and_gradient(labels, logits):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = CrossEntropy()(labels, logits)
    return loss.numpy(), tape.gradient(loss, logits).numpy()


def test_equals_cross_entropy_of_the_valid_pixels(batch):
    labels, logits = batch
    valid = labels != IGNORE_LABEL
    exponentials = np.exp(logits[valid].astype(np.float64))
    probability = exponentials / exponentials.sum(axis=-1, keepdims=True)
    one_hot = np.eye(5)[labels[valid]]
    loss, gradient = loss_and_gradient(labels, logits)
    assert loss == pytest.approx(-np.log((probability * one_hot).sum(axis=-1)).mean(), rel=1e-5)
    np.testing.assert_allclose(gradient[valid], (probability - one_hot) / valid.sum(), atol=1e-6)


def test_ignored_pixels_change_nothing(batch):
    labels, logits = batch
    ignored = labels == IGNORE_LABEL
    loss, gradient = loss_and_gradient(labels, logits)
    changed = logits.copy()
    changed[ignored] = 1e4 * np.random.default_rng(1).normal(size=changed[ignored].shape)
    other_loss, other_gradient = loss_and_gradient(labels, changed)
    assert other_loss == loss
    np.testing.assert_array_equal(other_gradient, gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].any(axis=-1).all()


def test_batch_without_a_valid_pixel(batch):
    labels, logits = batch
    loss, gradient = loss_and_gradient(np.full_like(labels, IGNORE_LABEL), logits)
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_type(batch, dtype):
    labels, logits = batch
    assert loss_and_gradient(labels.astype(dtype), logits)[0] == loss_and_gradient(labels, logits)[0]
