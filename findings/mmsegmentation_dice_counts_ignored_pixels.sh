#!/bin/sh
# mmsegmentation 1.2.2: DiceLoss and HuasdorffDisstanceLoss (spelled so there) with ignore_index=255, their default.
#
# Expected: what a network says of pixels marked 255 changes nothing, as in TverskyLoss of the same package; and Dice
#   is the mean over classes, so that a rare one counts as much as any.
# Seen, without a warning:
#   Ignored pixels: a network that is right in each pixel of the labelled quarter of a picture has a Dice loss of 0.60
#     in place of 0. 255 is looked for among the numbers of the channels, where it never is. The scores of ignored
#     pixels stay in the denominator, and they get gradients, from the other loss too.
#   Rare classes: all are summed up first. One of 2% of the pixels, missed, costs 0.02; by TverskyLoss 0.17.
# So: take TverskyLoss(alpha=0.5, beta=0.5), which is the Dice loss of each class, and leaves ignored pixels out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 numpy==2.4.6 scipy==1.17.1 pillow==13.0.0 opencv-python-headless==5.0.0.93 \
    addict==2.4.0 yapf==0.43.0 pyyaml==6.0.3 termcolor==3.3.0 rich==15.0.0 packaging
venv/bin/pip install --quiet --no-deps mmsegmentation==1.2.2 mmengine==0.10.7 mmcv-lite==2.1.0
cat > losses.py <<'PYTHON'
import importlib
import sys
import types

import mmseg
import torch

# All networks want the compiled operations of mmcv; these losses do not.
for name in ("models", "models/losses"):
    module = types.ModuleType("mmseg." + name.replace("/", "."))
    module.__path__, sys.modules[module.__name__] = [f"{mmseg.__path__[0]}/{name}"], module


def value_and_gradient(loss, labels, truth):
    """Return the loss of a network that gives these labels, and the gradients that pixels marked 255 get."""
    scores = (torch.nn.functional.one_hot(labels, 5).movedim(-1, 1) * 9.0).requires_grad_()
    value = loss(scores, truth)
    value.backward()
    return value.item(), float(scores.grad.abs().sum(1)[truth == 255].sum())


def load(file):
    return importlib.import_module(f"mmseg.models.losses.{file}")


labels, rare = torch.arange(5).repeat(1, 20, 4), torch.arange(4).repeat(1, 20, 5)
partly = torch.where(torch.arange(20)[:, None] < 5, labels, 255)
rare[:, :8, 0] = 4
dice = load("dice_loss").DiceLoss(use_sigmoid=False), (0.600, 0.020)
tversky = load("tversky_loss").TverskyLoss(alpha=0.5, beta=0.5), (0.001, 0.168)
distance = load("huasdorff_distance_loss").HuasdorffDisstanceLoss(), None
for loss, expected in dice, tversky, distance:
    ignored, gradient = value_and_gradient(loss, labels, partly)
    missed, _ = value_and_gradient(loss, rare % 4, rare)
    print(f"{type(loss).__name__}: ignored {ignored:.3f}, gradients {gradient:.1e}, class missed {missed:.3f}")
    assert (gradient > 1e-4) == (loss is not tversky[0])
    assert expected is None or max(abs(ignored - expected[0]), abs(missed - expected[1])) < 0.003
PYTHON
venv/bin/python losses.py
