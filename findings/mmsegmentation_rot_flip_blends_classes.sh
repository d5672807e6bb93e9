#!/bin/sh
# mmsegmentation 1.2.2: masks in RandomRotFlip, beside its RandomRotate.
#
# Expected: both turn a mask by choosing pixels, and mark the corners that come from outside of the picture as ignored
#   (255).
# Seen, without a warning: RandomRotFlip blends class numbers along each border, so that a mask of classes 0 and 13 has
#   each class from 0 to 13 afterwards, as its rotation of masks is the bilinear one of pictures. The ignored 255 is
#   blended with them too. Its corners are class 0, the road of Cityscapes. RandomRotate does neither.
# So: take RandomRotate and RandomFlip.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 numpy==2.4.6 scipy==1.17.1 pillow==13.0.0 opencv-python-headless==5.0.0.93 \
    addict==2.4.0 yapf==0.43.0 pyyaml==6.0.3 termcolor==3.3.0 rich==15.0.0 packaging
venv/bin/pip install --quiet --no-deps mmsegmentation==1.2.2 mmengine==0.10.7 mmcv-lite==2.1.0
cat > rotate.py <<'PYTHON'
import importlib
import sys
import types

import mmseg
import numpy as np

# The package of data sets wants the compiled operations of mmcv; its transforms do not.
for name in ("datasets", "datasets/transforms"):
    module = types.ModuleType("mmseg." + name.replace("/", "."))
    module.__path__, sys.modules[module.__name__] = [f"{mmseg.__path__[0]}/{name}"], module
transforms = importlib.import_module("mmseg.datasets.transforms.transforms")

mask = np.zeros((60, 80), "uint8")
mask[20:40, 20:40], mask[20:40, 60:70] = 13, 255
settings = {"degree": (20, 20)}
for transform, corner, classes in (
    (transforms.RandomRotate(prob=1, **settings), 255, [0, 13, 255]),
    (transforms.RandomRotFlip(rotate_prob=1, flip_prob=0, **settings), 0, list(range(14))),
):
    sample = {"img": np.zeros((60, 80, 3), "uint8"), "gt_seg_map": mask.copy(), "seg_fields": ["gt_seg_map"]}
    turned = transform.transform(sample)["gt_seg_map"]
    numbers, left = np.unique(turned).tolist(), np.unique(turned[:, :50]).tolist()
    print(f"{type(transform).__name__}: {len(numbers)} class numbers, upper left corner {turned[0, 0]}: {numbers}")
    assert turned[0, 0] == corner
    assert numbers == classes if corner else left[:14] == classes and len(numbers) > 30
PYTHON
venv/bin/python rotate.py
