#!/bin/sh
# scikit-image 0.26.0: find_boundaries(labels, mode="outer"), as borders for weights, trimaps and boundary scores.
#
# Expected: the boundary does not depend on the type of the numbers. The page says that "outer" marks pixels in the
#   background around objects, and both sides only where two objects touch.
# Seen, without a warning: in int64 and uint64, it marks the pixels of the objects as well, as "thick" does. So does it
#   for the class map of numpy.argmax, which is int64, and not for the same map in uint8, as a file has it: the borders
#   of a prediction are twice as wide as those of its truth. In all types up to 32 bits, it does what the page says.
# So: make both maps uint8 first, as labels.astype("uint8").
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet scikit-image==0.26.0 numpy==2.4.6
cat > borders.py <<'PYTHON'
import numpy as np
from skimage.segmentation import find_boundaries

labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0]).repeat(3).reshape(-1, 3).T


def border(kind, mode):
    """Return where the map in this type of numbers has its boundary."""
    return find_boundaries(labels.astype(kind), mode=mode)[1].astype(int).tolist()


for kind in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
    outer = border(kind, "outer")
    print(f"{kind}: {outer}")
    if kind.endswith("64"):
        assert outer == border(kind, "thick") == [0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0]
    else:
        assert outer == [0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0]
    assert border(kind, "inner") == [0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0]

scores = np.eye(3)[labels]
truth = find_boundaries(labels.astype("uint8"), mode="outer")
prediction = find_boundaries(scores.argmax(axis=-1), mode="outer")
print(f"pixels of the border: truth {truth.sum()}, the same map from argmax {prediction.sum()}")
assert (truth.sum(), prediction.sum()) == (12, 18)
PYTHON
venv/bin/python borders.py
