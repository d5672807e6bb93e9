#!/bin/sh
# EMPatches 0.2.3: scores of overlapping tiles of a large picture, merged by merge_patches.
#
# Expected: mode="avg" gives the mean of the tiles that cover a pixel, and "max" their largest score, as the
#   docstring says.
# Seen, without a warning:
#   avg: each further tile is averaged with all before it. Of four tiles, the last one counts for a half and the first
#     two for an eighth each. Besides, 0 counts as "no tile yet": where three of four tiles give [1, 0] and the last one
#     [0, 1], [0.5, 1] comes out in place of [0.75, 0.25], and the class that one tile saw wins.
#   max: it starts at 0, so that negative scores become 0. Where all logits are negative, all come out equal, and the
#     argmax is class 0.
#   "min" is right, and so is "overwrite".
# So: sum scores and count tiles yourself, and divide; for "max", hand over probabilities.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet empatches==0.2.3 numpy==2.4.6
cat > tiles.py <<'PYTHON'
import numpy as np
from empatches import EMPatches

TILES = EMPatches()
_, PLACES = TILES.extract_patches(np.zeros((6, 6, 2), "float32"), patchsize=4, stride=2)


def merged(mode, *scores):
    """Return the scores of a pixel in the middle, where four tiles overlap, each with its scores all over."""
    patches = [np.tile(np.array(each, "float32"), (4, 4, 1)) for each in scores]
    pixel = TILES.merge_patches(patches, PLACES, mode=mode)[3, 3].tolist()
    print(f"{mode} of {scores}: {pixel}")
    return pixel


assert len(PLACES) == 4
assert merged("avg", [8, 4], [16, 4], [32, 4], [64, 4]) == [43, 4]  # 8/8 + 16/8 + 32/4 + 64/2; the mean is 30
assert merged("avg", [1, 0], [1, 0], [1, 0], [0, 1]) == [0.5, 1]
assert merged("avg", [0, 1], [1, 0], [1, 0], [1, 0]) == [1, 0.125]
assert merged("max", [-5, -3], [-5, -3], [-6, -2], [-5, -3]) == [0, 0]
assert merged("min", [-5, -3], [-5, -3], [-6, -2], [-5, -3]) == [-6, -3]
PYTHON
venv/bin/python tiles.py
