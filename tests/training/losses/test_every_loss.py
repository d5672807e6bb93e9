"""What holds for all losses."""

import keras
import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL
from keras_liteseg.training.losses import (
    BoundaryCrossEntropy,
    CrossEntropy,
    Dice,
    Distillation,
    FocalLoss,
    Lovasz,
    OhemCrossEntropy,
    SegmentationLoss,
)
from tests.training.losses.gradients import BACKEND, loss_and_gradient

WEIGHTS = [0.5, 2.0, 1.0, 0.0, 3.0, 1.5]

LOSSES = {
    "cross_entropy": CrossEntropy(),
    "weighted": CrossEntropy(WEIGHTS, 0.1),
    "ohem": OhemCrossEntropy(0.7, 20),
    "ohem_selecting": OhemCrossEntropy(0.1, 60, WEIGHTS, 0.1),
    "focal": FocalLoss(),
    "focal_below_one": FocalLoss(0.5, WEIGHTS, 0.1),
    "boundary": BoundaryCrossEntropy(1),
    "dice": Dice(),
    "lovasz": Lovasz(),
    "distillation": Distillation(2.0),
    "sum": SegmentationLoss("ohem", 0.5, 20, WEIGHTS, 0.1, dice_weight=0.5, lovasz_weight=0.3, boundary_weight=0.2),
}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def truth(loss, labels, classes=6):
    """Return what `loss` takes beside the logits."""
    if not isinstance(loss, Distillation):
        return labels
    return labels, np.random.default_rng(5).normal(size=(*labels.shape, classes)).astype(np.float32)


def test_the_gradient_is_the_slope_of_the_loss(loss, batch):
    labels, logits = batch
    value, gradient = loss_and_gradient(loss, truth(loss, labels), logits)
    # A descent so short that no sort and no selection changes its order.
    step = 1e-2 * gradient
    after, _ = loss_and_gradient(loss, truth(loss, labels), logits - step)
    assert value - after == pytest.approx((step * gradient).sum(), rel=0.1)


@pytest.mark.parametrize("garbage", [1e4, np.inf, -np.inf, np.nan])
def test_ignored_pixels_change_nothing(loss, batch, garbage):
    labels, logits = batch
    ignored = labels == IGNORE_LABEL
    value, gradient = loss_and_gradient(loss, truth(loss, labels), logits)
    changed = logits.copy()
    changed[ignored] = garbage * np.random.default_rng(1).uniform(0.5, 1, changed[ignored].shape)
    other_value, other_gradient = loss_and_gradient(loss, truth(loss, labels), changed)
    assert other_value == value > 0
    np.testing.assert_array_equal(other_gradient, gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].any()


def test_batch_without_a_valid_pixel(loss, batch):
    labels, logits = batch
    for scores in (logits, np.full_like(logits, np.nan)):
        value, gradient = loss_and_gradient(loss, truth(loss, np.full_like(labels, IGNORE_LABEL)), scores)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)


def test_finite_for_sure_and_wrong_networks(loss, batch):
    labels, _ = batch
    sure = 1e4 * np.eye(6, dtype=np.float32)[np.where(labels == IGNORE_LABEL, 0, labels)]
    for logits in (sure, -sure):
        value, gradient = loss_and_gradient(loss, truth(loss, labels), logits)
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs eagerly")
def test_compiled(loss, batch):
    labels, logits = batch
    value, gradient = loss_and_gradient(loss, truth(loss, labels), logits)
    other_value, other_gradient = loss_and_gradient(loss, truth(loss, labels), logits, compiled=True)
    assert other_value == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(other_gradient, gradient, atol=1e-6)


def test_float16_logits_are_computed_in_float32(loss, batch):
    labels, logits = batch
    half = logits.astype(np.float16)
    value, gradient = loss_and_gradient(loss, truth(loss, labels), half)
    expected, expected_gradient = loss_and_gradient(loss, truth(loss, labels), half.astype(np.float32))
    assert value.dtype == np.float32 and value == expected
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_labels_of_any_integer_type(loss, batch, dtype):
    labels, logits = batch
    expected = loss_and_gradient(loss, truth(loss, labels), logits)[0]
    assert loss_and_gradient(loss, truth(loss, labels.astype(dtype)), logits)[0] == expected


def test_serialization(loss, batch):
    labels, logits = batch
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert again(truth(loss, labels), logits) == loss(truth(loss, labels), logits)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_replicas_share_the_loss(loss, batch, monkeypatch):
    """`tf.distribute` sums the gradients of all replicas, so each one has to give its share of the mean."""
    import tensorflow as tf

    labels, logits = batch
    alone = loss(truth(loss, labels), logits)
    monkeypatch.setattr(type(tf.distribute.get_strategy()), "num_replicas_in_sync", 4)
    np.testing.assert_allclose(loss(truth(loss, labels), logits), alone / 4, rtol=1e-6)
