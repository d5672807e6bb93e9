#!/bin/sh
# segmentation-models-pytorch 0.6.0: losses of label maps, mode="multiclass".
#
# Expected: SoftCrossEntropyLoss, by its page a drop-in replacement of PyTorch's, gives the same number. A Dice loss of
#   a network that is wrong everywhere is near 1. What is added to all scores changes no loss, as it is with a softmax.
# Seen, without a warning:
#   SoftCrossEntropyLoss divides by all pixels, ignored ones too: with 3/4 of them ignored, it is a quarter.
#   DiceLoss, JaccardLoss and TverskyLoss count an absent class as 0, and divide by all classes: with 5 of 19 in the
#     crop, a network that is wrong in each pixel has a loss of 0.26, with one, of 0.05.
#   FocalLoss is that of a sigmoid for each class: right scores cost more than wrong ones once 9 is added to them.
#   LovaszLoss does not look at from_logits: probabilities that are right cost 0.87.
# So: take PyTorch's cross-entropy, divide Dice by the part of the classes that occur, give LovaszLoss logits.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 numpy==2.4.6
venv/bin/pip install --quiet --no-deps segmentation-models-pytorch==0.6.0
cat > compare.py <<'PYTHON'
import importlib.util
import sys
import types

import torch

# The package wants timm for its networks; its losses do not.
found = importlib.util.find_spec("segmentation_models_pytorch")
package = sys.modules[found.name] = types.ModuleType(found.name)
package.__path__ = list(found.submodule_search_locations)
losses = importlib.import_module(f"{found.name}.losses")


def scores(labels, added=0):
    return torch.nn.functional.one_hot(labels, 19).movedim(-1, 1) * 9.0 + added


def check(what, value, expected):
    print(f"{what}: {float(value):.3f}")
    assert abs(float(value) - expected) < 0.02


five = torch.arange(4096).reshape(1, 64, 64) * 5 // 4096
one, partly = five * 0, torch.where(torch.arange(64)[:, None] < 16, five, 255)
soft = losses.SoftCrossEntropyLoss(smooth_factor=0.1, ignore_index=255)
for labels, part in ((five, 1), (partly, 0.25)):
    torchs = torch.nn.functional.cross_entropy(scores(five + 5), labels, label_smoothing=0.1, ignore_index=255)
    check("SoftCrossEntropyLoss", soft(scores(five + 5), labels), float(torchs) * part)
for name in ("DiceLoss", "JaccardLoss", "TverskyLoss"):
    loss = getattr(losses, name)(mode="multiclass")
    for labels, classes in ((five, 5), (one, 1)):
        check(f"{name}, {classes} of 19 classes, all wrong", loss(scores(labels + 5), labels), classes / 19)
for labels, added, expected in ((five + 5, 0, 0.64), (five, 0, 0.16), (five, 9, 8.52)):
    check("FocalLoss", losses.FocalLoss(mode="multiclass")(scores(labels, added), five), expected)
for from_logits, given in ((True, scores(five)), (False, scores(five).softmax(1))):
    loss = losses.LovaszLoss(mode="multiclass", from_logits=from_logits)(given, five)
    check(f"LovaszLoss, from_logits={from_logits}, all right", loss, 0.002 if from_logits else 0.869)
PYTHON
venv/bin/python compare.py
