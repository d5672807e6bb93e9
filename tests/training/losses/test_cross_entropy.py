import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL
from keras_liteseg.errors import UserError
from keras_liteseg.training.losses import BoundaryCrossEntropy, CrossEntropy, FocalLoss, OhemCrossEntropy
from keras_liteseg.training.losses.cross_entropy import at_least_kth_smallest, near_boundary
from tests.parity.fixtures import load_fixture
from tests.training.losses.conftest import softmax
from tests.training.losses.gradients import BACKEND, loss_and_gradient

WEIGHTS = np.array([0.5, 2.0, 1.0, 0.0, 3.0, 1.5])


def test_equals_cross_entropy_of_the_valid_pixels(batch, valid_pixels):
    labels, probability = valid_pixels
    value, gradient = loss_and_gradient(CrossEntropy(), *batch)
    assert value == pytest.approx(-np.log(probability[np.arange(len(labels)), labels]).mean(), rel=1e-5)
    expected = (probability - np.eye(6)[labels]) / len(labels)
    np.testing.assert_allclose(gradient[batch[0] != IGNORE_LABEL], expected, atol=1e-6)


def test_class_weights(batch, valid_pixels):
    labels, probability = valid_pixels
    losses = -np.log(probability[np.arange(len(labels)), labels])
    expected = (WEIGHTS[labels] * losses).sum() / WEIGHTS[labels].sum()
    assert float(CrossEntropy(WEIGHTS)(*batch)) == pytest.approx(expected, rel=1e-5)


def test_label_smoothing(batch, valid_pixels):
    labels, probability = valid_pixels
    target = 0.8 * np.eye(6)[labels] + 0.2 / 6
    expected = -(target * np.log(probability)).sum(axis=-1).mean()
    assert float(CrossEntropy(label_smoothing=0.2)(*batch)) == pytest.approx(expected, rel=1e-5)
    weighted = -(WEIGHTS * target * np.log(probability)).sum() / WEIGHTS[labels].sum()
    assert float(CrossEntropy(WEIGHTS, 0.2)(*batch)) == pytest.approx(weighted, rel=1e-5)


def test_equals_pytorch(batch):
    torch = pytest.importorskip("torch")
    labels, logits = batch
    ours, gradient = loss_and_gradient(CrossEntropy(WEIGHTS, 0.2), labels, logits)
    planes = torch.tensor(logits.transpose(0, 3, 1, 2), requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(
        planes,
        torch.tensor(labels).long(),
        torch.tensor(WEIGHTS).float(),
        ignore_index=IGNORE_LABEL,
        label_smoothing=0.2,
    )
    theirs.backward()
    assert ours == pytest.approx(theirs.item(), rel=1e-5)
    np.testing.assert_allclose(gradient, planes.grad.numpy().transpose(0, 2, 3, 1), atol=1e-6)


def test_pixels_of_weightless_classes_alone_have_no_loss(batch):
    labels, logits = batch
    value, gradient = loss_and_gradient(CrossEntropy(WEIGHTS, 0.2), np.full_like(labels, 3), logits)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss(batch, valid_pixels, gamma):
    labels, probability = valid_pixels
    true = probability[np.arange(len(labels)), labels]
    losses = -((1 - true) ** gamma) * np.log(true)
    value, gradient = loss_and_gradient(FocalLoss(gamma), *batch)
    assert value == pytest.approx(losses.mean(), rel=1e-5)
    assert float(FocalLoss(gamma, WEIGHTS)(*batch)) == pytest.approx(
        (WEIGHTS[labels] * losses).sum() / WEIGHTS[labels].sum(), rel=1e-5
    )
    # d loss / d true, times d true / d logits of a softmax.
    slope = gamma * (1 - true) ** (gamma - 1) * np.log(true) - (1 - true) ** gamma / true
    expected = (slope * true)[:, None] * (np.eye(6)[labels] - probability) / len(labels)
    np.testing.assert_allclose(gradient[batch[0] != IGNORE_LABEL], expected, atol=1e-6)


def test_focal_loss_without_gamma_is_cross_entropy(batch):
    ours, theirs = (
        loss_and_gradient(loss, *batch) for loss in (FocalLoss(0, WEIGHTS, 0.2), CrossEntropy(WEIGHTS, 0.2))
    )
    assert ours[0] == theirs[0]
    np.testing.assert_array_equal(ours[1], theirs[1])


def test_focal_loss_of_sure_pixels_keeps_its_digits():
    """1 - p of a probability near 1 has no digit left in float32."""
    logits = np.array([[[[12.0, 0.0]]]], np.float32)
    wrong = np.exp(-12.0) / (1 + np.exp(-12.0))
    expected = -wrong * np.log1p(-wrong)
    assert float(FocalLoss(1)(np.zeros((1, 1, 1), np.int32), logits)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("compiled", [False] if BACKEND == "torch" else [False, True])
def test_ohem_equals_the_reference(compiled):
    fixture = load_fixture("ohem_loss")
    for case in fixture.text["cases"]:
        loss = OhemCrossEntropy(case["thresh"], case["min_kept"])
        value, _ = loss_and_gradient(loss, fixture.arrays[case["labels"]], fixture.arrays["logits"], compiled)
        assert value == pytest.approx(case["loss"], rel=1e-5, abs=1e-7), case


@pytest.mark.parametrize("threshold, min_kept", [(0.7, 1), (0.7, 80), (0.05, 40), (0.9, 200), (0.0, 7), (1.0, 3)])
def test_ohem_with_weights_and_smoothing(batch, valid_pixels, threshold, min_kept):
    labels, probability = valid_pixels
    true = probability[np.arange(len(labels)), labels]
    hard = np.full(len(labels), True)
    if min_kept < len(labels):
        hard = true < max(threshold, np.sort(true)[min_kept - 1])
    target = 0.8 * np.eye(6)[labels] + 0.2 / 6
    losses = -(WEIGHTS * target * np.log(probability)).sum(axis=-1)
    pixels = batch[0].size
    expected = losses[hard].sum() / pixels / (WEIGHTS[labels][hard].sum() / pixels + 1e-5)
    loss = OhemCrossEntropy(threshold, min_kept, WEIGHTS, 0.2)
    value, gradient = loss_and_gradient(loss, *batch)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(gradient[batch[0] != IGNORE_LABEL].any(axis=-1), hard)


@pytest.mark.parametrize("floor", [0.0, 1e-30, 0.25, 0.7, 1.0])
@pytest.mark.parametrize("k", [1, 2, 500, 999, 1000])
def test_kth_smallest_is_exact(floor, k):
    rng = np.random.default_rng(0)
    for values in (rng.random(1000), rng.random(1000) ** 20, rng.integers(0, 4, 1000) / 4, np.zeros(1000)):
        values = values.astype(np.float32)
        found = np.asarray(at_least_kth_smallest(values, k, floor))
        assert found == max(np.float32(floor), np.sort(values)[k - 1])


def test_boundary_equals_cross_entropy_of_its_pixels(batch):
    labels, logits = batch
    labels = np.where(labels == IGNORE_LABEL, labels, np.arange(9) > 5).astype(np.int32)
    near = np.zeros(labels.shape, bool)
    for image, row, column in np.ndindex(labels.shape):
        window = labels[image, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        label = labels[image, row, column]
        near[image, row, column] = label != IGNORE_LABEL and (1 - label in window)
    assert 0 < near.sum() < (labels != IGNORE_LABEL).sum() / 2
    probability = softmax(logits[near])
    expected = -np.log(probability[np.arange(near.sum()), labels[near]]).mean()
    value, gradient = loss_and_gradient(BoundaryCrossEntropy(1), labels, logits)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(gradient.any(axis=-1), near)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_boundary_has_width_pixels_on_both_sides(width):
    labels = np.repeat((np.arange(16) >= 8)[None, None], 3, axis=1).astype(np.int32)
    near = np.asarray(near_boundary(labels, np.full(labels.shape, True), width))
    np.testing.assert_array_equal(near, np.broadcast_to(abs(np.arange(16) - 7.5) < width, labels.shape))


def test_ignored_regions_and_picture_borders_are_no_boundary(batch):
    labels, logits = batch
    labels = np.where(labels == IGNORE_LABEL, labels, 2)
    value, gradient = loss_and_gradient(BoundaryCrossEntropy(3), labels, logits)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    "loss, options, message",
    [
        (CrossEntropy, {"class_weights": []}, "give one number of 0 or more per class"),
        (CrossEntropy, {"class_weights": [1, -1]}, r"class_weights are \[1, -1\]"),
        (CrossEntropy, {"class_weights": [1, np.nan]}, r"class_weights are \[1, nan\]"),
        (CrossEntropy, {"label_smoothing": 1}, "label_smoothing is 1;"),
        (OhemCrossEntropy, {"threshold": 70}, "OHEM threshold is 70;"),
        (OhemCrossEntropy, {"min_kept": -1}, "min_kept is -1;"),
        (OhemCrossEntropy, {"min_kept": 0.0625}, "min_kept is 0.0625;"),
        (FocalLoss, {"gamma": -1}, "focal gamma is -1;"),
        (FocalLoss, {"gamma": np.inf}, "focal gamma is inf;"),
        (BoundaryCrossEntropy, {"width": 0}, "boundary width is 0;"),
    ],
)
def test_wrong_options(loss, options, message):
    with pytest.raises(UserError, match=message):
        loss(**options)


def test_wrong_number_of_class_weights(batch):
    with pytest.raises(UserError, match="There are 2 class_weights for 6 classes"):
        CrossEntropy([1, 2])(*batch)
