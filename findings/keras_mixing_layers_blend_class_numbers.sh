#!/bin/sh
# Keras 3.15.1: the preprocessing layers that mix pictures take {"images", "segmentation_masks"} and mix class numbers.
#
# Expected: a label map that is mixed stays one, (batch, height, width, 1) of whole class numbers, as it does in
# RandomRotation and RandomZoom, which sample masks by nearest neighbour; or the layer refuses integer masks.
# Seen, without a warning, with a batch of 4 and the classes 3, 10 and 18:
#   RandomRotation: (4, 32, 32, 1), the classes 3, 10 and 18
#   CutMix: (4, 32, 32, 3): the map comes three times, once for each channel of the pictures
#   MixUp: (4, 32, 32, 4): as many channels as the batch has pictures, because the mixing weights are
#     broadcast along the last axis, and averages of class numbers, which round to 4 and 11, classes that no mask has
# So: mix label maps by hand (CutMix: choose, never average), and look at the classes that come out.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > mix.py <<'PYTHON'
import numpy as np
from keras import layers

CLASSES = (3, 10, 18)
rng = np.random.default_rng(0)
masks = rng.choice(CLASSES, size=(4, 4, 4, 1)).repeat(8, 1).repeat(8, 2).astype("int32")
images = np.repeat(masks, 3, axis=-1).astype("float32")


def mixed(layer):
    result = np.asarray(layer({"images": images, "segmentation_masks": masks}, training=True)["segmentation_masks"])
    others = sorted(set(result.ravel().round().astype(int).tolist()) - set(CLASSES))
    kind = "whole numbers" if (result == result.round()).all() else "fractions"
    print(type(layer).__name__, result.shape, kind, others)
    return result.shape[-1], bool(others), bool((result != result.round()).any())


assert mixed(layers.RandomRotation(0.2, seed=1)) == (1, False, False)
assert mixed(layers.CutMix(factor=1.0, seed=1)) == (3, False, False)
assert mixed(layers.MixUp(seed=1)) == (4, True, True)
PYTHON
KERAS_BACKEND=jax venv/bin/python mix.py
