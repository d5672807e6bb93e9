#!/bin/sh
# Keras 3.15.1: RandomCrop and CenterCrop of pictures with masks, on JAX.
#
# Expected: RandomCrop takes another window each time. Where a picture is smaller than the window, both take the largest
#   part of it that has the shape of the window, as their pages say, and resize masks to the nearest pixel.
# Seen, without a warning:
#   A window as high as the picture, or as wide, is not random: each crop of 48x48 of 48x96 is the one in the middle.
#   Where a picture is smaller, RandomCrop stretches another part of it to the window: of 48x96, a square of 10x10
#     pixels comes out as 14x10 in a window of 64x64.
#   Masks of smaller pictures are blended by both: classes 0 and 13 give fractions in between.
# So: make windows smaller than each picture in both directions.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > crops.py <<'PYTHON'
import numpy as np
from keras import layers

rows, columns = np.mgrid[:48, :96]
picture = np.stack([rows, columns, rows], axis=-1)[None].astype("float32")
mask = np.zeros((1, 48, 96, 1), "uint8")
mask[:, 19:29, 43:53] = 13


def crop(layer):
    out = layer({"images": picture, "segmentation_masks": mask}, training=True)
    return np.asarray(out["images"])[0], np.asarray(out["segmentation_masks"])[0, ..., 0]


for size in ((48, 48), (47, 48)):
    starts = {float(crop(layers.RandomCrop(*size, seed=seed))[0][0, 0, 1]) for seed in range(20)}
    print(f"RandomCrop{size}: {len(starts)} different left edges in 20 crops")
    assert (len(starts) > 5) == (size[0] < 48) and (starts == {24} or size[0] < 48)
for layer in layers.RandomCrop, layers.CenterCrop:
    labels = crop(layer(64, 64))[1]
    box = (labels > 6.5).any(1).sum(), (labels > 6.5).any(0).sum()
    print(f"{layer.__name__}(64, 64): {len(np.unique(labels))} class numbers, the square is {box[0]}x{box[1]}")
    assert len(np.unique(labels)) > 2 and box == ((14, 10) if layer is layers.RandomCrop else (14, 14))
PYTHON
KERAS_BACKEND=jax venv/bin/python crops.py
