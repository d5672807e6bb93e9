import inspect

import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.training.losses import (
    BoundaryCrossEntropy,
    CrossEntropy,
    Dice,
    FocalLoss,
    Lovasz,
    OhemCrossEntropy,
    SegmentationLoss,
)

WEIGHTS = [0.5, 2.0, 1.0, 0.0, 3.0, 1.5]


def test_without_options_it_is_cross_entropy(batch):
    assert float(SegmentationLoss()(*batch)) == float(CrossEntropy()(*batch))


@pytest.mark.parametrize("weights", [(0.5, 0, 0), (0, 0.3, 0), (0, 0, 2), (0.5, 0.3, 2)])
def test_is_the_weighted_sum(batch, weights):
    dice, lovasz, boundary = weights
    loss = SegmentationLoss(
        "ohem",
        ohem_threshold=0.4,
        ohem_min_kept=30,
        class_weights=WEIGHTS,
        label_smoothing=0.1,
        dice_weight=dice,
        lovasz_weight=lovasz,
        boundary_weight=boundary,
        boundary_width=1,
    )
    terms = [
        (1, OhemCrossEntropy(0.4, 30, WEIGHTS, 0.1)),
        (dice, Dice()),
        (lovasz, Lovasz()),
        (boundary, BoundaryCrossEntropy(1, WEIGHTS, 0.1)),
    ]
    expected = sum(weight * float(term(*batch)) for weight, term in terms)
    assert float(loss(*batch)) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_is_one_of_the_terms(batch):
    loss = SegmentationLoss("focal", focal_gamma=3.0, class_weights=WEIGHTS, label_smoothing=0.1, dice_weight=0.5)
    expected = float(FocalLoss(3.0, WEIGHTS, 0.1)(*batch)) + 0.5 * float(Dice()(*batch))
    assert float(loss(*batch)) == pytest.approx(expected, rel=1e-5)


def test_every_option_is_in_the_configuration():
    options = set(inspect.signature(SegmentationLoss).parameters)
    assert set(SegmentationLoss().get_config()) == options
    assert SegmentationLoss(class_weights=np.ones(3, np.float32)).get_config()["class_weights"] == [1, 1, 1]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": "focus"}, "loss is 'focus'; known are cross_entropy, ohem, focal"),
        ({"loss": "focal", "focal_gamma": -1}, "focal gamma is -1;"),
        ({"dice_weight": -1}, "dice_weight is -1;"),
        ({"lovasz_weight": np.nan}, "lovasz_weight is nan;"),
        ({"boundary_weight": np.inf}, "boundary_weight is inf;"),
        ({"ohem_threshold": 2}, "OHEM threshold is 2;"),
        ({"boundary_width": 0}, "boundary width is 0;"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(UserError, match=message):
        SegmentationLoss(**options)
