#!/bin/sh
# rasterio 1.4.4: reproject of a label map whose ignored pixels are 255 onto a larger grid, with dst_nodata=0.
#
# Expected, as its page says: the destination is filled with dst_nodata, and keeps it where the source does not reach.
# Seen, without a warning: 0 counts as not given, and 255, the nodata of the source, is used in its place. Where a data
#   set has 0 for unlabelled pixels, as Cityscapes and ADE20K do in their own numbers, the rest of the tile is then a
#   class number that does not exist. Any other number, 7 for instance, is taken.
# So: look at np.unique of the result; renumber the map before it is reprojected.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet rasterio==1.4.4 numpy==2.4.6
cat > nodata.py <<'PYTHON'
import numpy as np
from rasterio.transform import from_origin
from rasterio.warp import reproject

labels = np.tile(np.array([1, 2, 255, 3], "uint8"), (4, 1))
place = {"src_crs": "EPSG:3857", "dst_crs": "EPSG:3857", "src_transform": from_origin(0, 4, 1, 1)}
for wanted, seen in ((0, 255), (7, 7)):
    tile = np.full((4, 8), 9, "uint8")
    reproject(labels, tile, dst_transform=from_origin(-2, 4, 1, 1), src_nodata=255, dst_nodata=wanted, **place)
    print(f"{labels[0].tolist()} with nodata 255 and dst_nodata={wanted}: {tile[0].tolist()}")
    assert (tile == [seen, seen, 1, 2, seen, 3, seen, seen]).all()
PYTHON
venv/bin/python nodata.py
