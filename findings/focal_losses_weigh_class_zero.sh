#!/bin/sh
# kornia 0.9.0 and MONAI 1.6.1: the focal loss with alpha=0.25, of networks with a softmax over several classes.
#
# Expected: alpha is one factor for all classes, as Keras' CategoricalFocalCrossentropy has it: there is no class that
#   would be the background. A pixel that is to be ignored does not count in the mean.
# Seen: class 0 gets the factor 1 - alpha, and all others alpha: with 0.25, an error in class 0 (the road of Cityscapes)
#   costs three times as much as one in any other class, and with 0.75 a third. There is no warning. Besides, kornia's
#   mean divides by all pixels and classes: with ignore_index for three pixels of four and 5 classes, it is a 20th of
#   the mean over the pixels that count.
# So: leave alpha at None and weigh the classes by `weight`; average by hand over the pixels that count.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.14.1 numpy==2.4.6 kornia==0.9.0 monai==1.6.1
cat > focal.py <<'PYTHON'
import torch
from kornia.losses import focal_loss
from monai.losses import FocalLoss

CLASSES, GAMMA = 5, 2.0
scores = torch.randn(1, CLASSES, 8, 8, generator=torch.Generator().manual_seed(0))
truth = torch.arange(64).reshape(1, 8, 8) % CLASSES
# The paper's loss without alpha, of each pixel.
log = scores.log_softmax(1).gather(1, truth[:, None])[:, 0]
plain = -((1 - log.exp()) ** GAMMA) * log

for alpha in (0.25, 0.75):
    monai = FocalLoss(to_onehot_y=True, use_softmax=True, gamma=GAMMA, alpha=alpha, reduction="none")
    found = {
        "kornia": focal_loss(scores, truth, alpha=alpha, gamma=GAMMA, reduction="none"),
        "MONAI": monai(scores, truth[:, None]),
    }
    for name, loss in found.items():
        ratio = loss.sum(1) / plain
        factors = [ratio[truth == k].mean().item() for k in range(CLASSES)]
        print(f"{name}, alpha={alpha}: factors of the classes", [round(factor, 3) for factor in factors])
        assert torch.allclose(torch.tensor(factors), torch.tensor([1 - alpha] + [alpha] * (CLASSES - 1)), atol=1e-4)

ignored = truth.clone()
ignored[:, 2:] = 255
mean = focal_loss(scores, ignored, alpha=None, gamma=GAMMA, reduction="mean", ignore_index=255)
counted = plain[ignored != 255].mean()
print(f"kornia, mean with ignored pixels: {mean:.4f}; over those that count: {counted:.4f}")
assert torch.isclose(counted / mean, torch.tensor(4.0 * CLASSES), rtol=1e-3)
PYTHON
venv/bin/python focal.py
