#!/bin/sh
# pycocotools 2.0.11: mask.encode of a uint8 array that holds more than two values, as smooth masks and class maps do.
#
# Expected: every pixel that is not 0 belongs to the object, as it does where the array holds 0 and 255; or an error.
# Seen, without a warning: a run begins wherever the value changes, and runs are off and on by turns, whatever their
#   values. A disc of 255 with smooth edges becomes a ring, with 160 of 1313 pixels. Where a class 1 and a class 2
#   touch along a row, both become stripes with the background between them. Where they touch along a column, they
#   come out as one whole object, so that a look at one picture may not show it. area() is wrong alike.
# So: hand over (mask >= 128) or (mask == number), as uint8.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pycocotools==2.0.11 numpy==2.4.6
cat > runs.py <<'PYTHON'
import numpy as np
from pycocotools import mask as coco


def there_and_back(mask):
    runs = coco.encode(np.asfortranarray(mask))
    result = coco.decode(runs)
    assert coco.area(runs) == result.sum()
    return result


rows, columns = np.mgrid[:64, :64]
disc = np.clip((20.5 - np.hypot(rows - 32, columns - 32)) * 255, 0, 255).round().astype("uint8")
ring = there_and_back(disc)
print("smooth disc:", (disc > 0).sum(), "pixels, encoded:", ring.sum(), "; its centre:", ring[28:37, 28:37].max())
assert (disc > 0).sum() == 1313 and ring.sum() == 160 and not ring[28:37, 28:37].any()
assert (there_and_back((disc >= 128).astype("uint8")) == (disc >= 128)).all()
assert (there_and_back((disc >= 128).astype("uint8") * 255) == (disc >= 128)).all()

classes = np.zeros((6, 6), "uint8")
classes[1:3, 1:5] = 1
classes[3:5, 1:5] = 2
print(f"two classes:\n{classes}\nencoded:\n{there_and_back(classes)}")
assert (there_and_back(classes)[0] == [0, 0, 1, 0, 1, 0]).all()
beside = np.ascontiguousarray(classes.T)
print(f"the same, turned:\n{there_and_back(beside)}")
assert (there_and_back(beside) == (beside > 0)).all()
PYTHON
venv/bin/python runs.py
