#!/bin/sh
# MNN 3.6.1: MNN.cv, which its apps prepare pictures and masks with on a device, beside OpenCV 5.0.0.93, whose functions
#   it has by name.
#
# Expected: resize works on float32 scores as on uint8 pictures, and interpolations are what they are called.
# Seen, without a warning:
#   resize takes the bytes of a float32 or int32 map for pixels of uint8. Scores that are brought to the size of
#     the picture come back as numbers from 0 to 255 that have nothing to do with them, in float32 again.
#   INTER_CUBIC, INTER_AREA and INTER_LANCZOS4 are all INTER_NEAREST: pictures come out in blocks, or as every fourth
#     pixel. INTER_LINEAR of uint8 is what OpenCV computes.
# So: leave the upsampling of scores to the network, and resize pictures by INTER_LINEAR.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet mnn==3.6.1 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat > resize.py <<'PYTHON'
import cv2
import MNN.cv
import MNN.expr
import numpy as np

TYPES = {"uint8": MNN.expr.uint8, "float32": MNN.expr.float, "int32": MNN.expr.int}


def resize(picture, size, interpolation):
    """Return a row in the middle of what MNN and OpenCV make of a map, as lists."""
    given = MNN.expr.const(picture, list(picture.shape), MNN.expr.NHWC, TYPES[str(picture.dtype)])
    found = MNN.cv.resize(given, (size, size), interpolation=getattr(MNN.cv, interpolation))
    right = cv2.resize(picture, (size, size), interpolation=getattr(cv2, interpolation))
    rows = [np.asarray(of).reshape(size, size)[size // 2].round(2).tolist() for of in (found.read(), right)]
    print(f"{picture.dtype}, {len(picture)} to {size}, {interpolation}: MNN {rows[0]}, OpenCV {rows[1]}")
    return rows


scores = np.tile((np.arange(8) * 1.5 - 3).astype("float32"), (8, 1))
for size in (8, 16):
    found, right = resize(scores, size, "INTER_LINEAR")
    assert min(found) == 0 and max(found) > 150 and min(right) == -3 and max(right) == 7.5
found, right = resize(scores.astype("int32"), 8, "INTER_NEAREST")
assert found != right == scores.astype("int32")[0].tolist()

picture = np.tile((np.arange(16) * 8).astype("uint8"), (16, 1))
for size in (4, 32):
    nearest = resize(picture, size, "INTER_NEAREST")[0]
    found, right = resize(picture, size, "INTER_LINEAR")
    assert found == right != nearest
    for interpolation in ("INTER_CUBIC", "INTER_LANCZOS4", "INTER_AREA")[: 3 if size < 16 else 2]:
        found, right = resize(picture, size, interpolation)
        assert found == nearest != right
PYTHON
venv/bin/python resize.py
