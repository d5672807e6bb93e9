#!/bin/sh
# SciPy 1.17.1: distance_transform_edt of a mask without any 0, as boundary losses and weights of borders take it of a
# crop that one class fills.
#
# Expected: an error, or infinity, since there is no background to be away from. The page says that it gives the
#   distance to the nearest 0.
# Seen, without a warning: distances to a point one row above the upper left corner, as if a 0 stood there: 1 in that
#   corner, growing to the lower right one. A weight or a loss made of them pulls towards one corner of the picture.
#   With return_indices=True, that point comes as row -1, which NumPy takes for the last row. Of the others of SciPy,
#   distance_transform_cdt gives -1 everywhere, and distance_transform_bf 1.3e154.
# So: ask mask.all() first, or put a border of 0 around the mask where the edge of the picture shall count.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet scipy==1.17.1 numpy==2.4.6
cat > distances.py <<'PYTHON'
import numpy as np
from scipy import ndimage

mask = np.ones((48, 64), bool)
distances, nearest = ndimage.distance_transform_edt(mask, return_indices=True)
rows, columns = np.indices(mask.shape)
corners = [round(float(distances[row, column]), 1) for row in (0, -1) for column in (0, -1)]
print("no background, distances in the corners:", corners, "to", nearest[:, 24, 32].tolist())
assert corners == [1, 63.0, 48, 79.2]
assert np.allclose(distances, np.hypot(rows + 1, columns))
assert (nearest[0] == -1).all() and (nearest[1] == 0).all()
assert (ndimage.distance_transform_cdt(mask) == -1).all()
assert (ndimage.distance_transform_bf(mask) > 1e154).all()

mask[-1, -1] = False
distances = ndimage.distance_transform_edt(mask)
print("one pixel of background, at the lower right: upper left", distances[0, 0].round(1))
assert np.allclose(distances, np.hypot(rows - 47, columns - 63))
PYTHON
venv/bin/python distances.py
