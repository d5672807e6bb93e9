#!/bin/sh
# MONAI 1.6.1: DiceLoss of a picture that has 5 of 19 classes, as most crops of street scenes do.
#
# Expected: near 0 for a network that is right in each pixel with a probability of 0.999, near 1 for one that is wrong
#   in each, as kornia.losses.dice_loss (0.9.0) has it.
# Seen, without a warning: 0.74 and 1.00. A class that occurs nowhere costs 1, however small its probabilities are: of
#   them, nothing lies in the ground truth, and their sum is far above the 0.00001 that both sides are smoothed with.
#   The mean is over all classes, so that those in the picture share 5/19 of the loss. batch=True only helps where
#   other pictures of the batch have the class. TverskyLoss and the Dice part of DiceCELoss are alike;
#   GeneralizedDiceLoss is not.
# So: with many classes, take GeneralizedDiceLoss or kornia's dice_loss; don't compare losses of different crops.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 monai==1.6.1 kornia==0.9.0 numpy==2.4.6
cat > dice.py <<'PYTHON'
import kornia
import torch
from monai.losses import DiceCELoss, DiceLoss, GeneralizedDiceLoss, TverskyLoss

CLASSES, SURE = 19, 0.999
settings = {"to_onehot_y": True, "softmax": True}


def right_and_wrong(loss, present):
    """Return the loss of a network that is right everywhere, and of one that is wrong everywhere."""
    truth = torch.arange(64 * 64).reshape(1, 1, 64, 64) * present // 64**2
    pair = []
    for labels in (truth, (truth + 1) % CLASSES):
        chances = torch.full((1, CLASSES, 64, 64), (1 - SURE) / (CLASSES - 1)).scatter(1, labels, SURE)
        pair.append(float(loss(chances.log(), truth)))
    return pair


losses = {
    "MONAI, DiceLoss": DiceLoss(**settings),
    "MONAI, TverskyLoss": TverskyLoss(**settings),
    "MONAI, DiceCELoss without the cross-entropy": DiceCELoss(**settings, lambda_ce=0.0),
    "MONAI, GeneralizedDiceLoss": GeneralizedDiceLoss(**settings),
    "kornia, mean of the classes": lambda scores, truth: kornia.losses.dice_loss(scores, truth[:, 0], average="macro"),
}
for number, (name, loss) in enumerate(losses.items()):
    for present in (CLASSES, 5, 1):
        right, wrong = right_and_wrong(loss, present)
        print(f"{name}, {present} of {CLASSES} classes occur: right {right:.3f}, wrong {wrong:.3f}")
        absent = (CLASSES - present) / CLASSES if number < 3 else 0
        assert abs(right - absent) < 0.01 and wrong > 0.97
PYTHON
venv/bin/python dice.py
