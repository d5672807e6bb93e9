#!/bin/sh
# torchvision 0.29.1 and albumentations 2.0.8: a picture and its mask, made smaller by one and the same transform.
#
# Expected: both show the same place afterwards, to a small part of a pixel.
# Seen: the picture is averaged around the middle of each output pixel. The mask takes the first pixel of each cell (at
#   a quarter, pixel 0 of 0 to 3), so that it moves by about (factor - 1) / 2 pixels, down and to the right. A disc in
#   the middle of 256 x 256, made 64 x 64, stays in the middle of the picture, and comes out 1.3 pixels of the original
#   lower in the mask, with torchvision's v2.Resize and with albumentations' A.Resize. With NEAREST_EXACT in the latter
#   (mask_interpolation) 0.6 pixels up are left, since the middle lies between two pixels, and at odd factors nothing.
# So: labels at borders are trained where they are not. Shrink masks by the exact kind, and by odd factors if you can.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 albumentations==2.0.8
cat > shrink.py <<'PYTHON'
import albumentations
import cv2
import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

OLD, NEW = 256, 64
y, x = np.mgrid[:OLD, :OLD] - (OLD - 1) / 2
disc = (y**2 + x**2 < 60**2).astype(np.uint8)
picture = 255 * disc[..., None].repeat(3, axis=-1)


def shift(of):
    """Return how far the disc lies below the middle, in pixels of the original."""
    rows = np.asarray(of, float).sum(axis=1)
    return ((rows * np.arange(NEW)).sum() / rows.sum() - (NEW - 1) / 2) * OLD / NEW


moved = v2.Resize((NEW, NEW))(tv_tensors.Image(torch.tensor(picture).movedim(-1, 0)), tv_tensors.Mask(disc))
nearest, exact = (
    albumentations.Resize(NEW, NEW, mask_interpolation=kind)(image=picture, mask=disc)
    for kind in (cv2.INTER_NEAREST, cv2.INTER_NEAREST_EXACT)
)
for name, of, wanted in [
    ("torchvision, picture", moved[0][0], 0),
    ("torchvision, mask", moved[1], 1.3),
    ("albumentations, picture", nearest["image"][..., 0], 0),
    ("albumentations, mask", nearest["mask"], 1.3),
    ("albumentations, mask, INTER_NEAREST_EXACT", exact["mask"], -0.6),
]:
    print(f"{name}: {shift(of):+.2f}")
    assert abs(shift(of) - wanted) < 0.05
PYTHON
venv/bin/python shrink.py
