#!/bin/sh
# rasterio 1.4.4: rasterio.merge.merge joins tiles of a label map that overlap and have no nodata value.
#
# Expected: method="first" (the default) keeps the first tile wherever it has pixels.
# Seen: without a nodata value, 0 is taken for one. Where the first tile has class 0, the second tile's class is
#   written, so that class 0 (the road of Cityscapes, the background of most others) loses every overlap. There is no
#   warning. With nodata=255 the first tile wins.
# So: give nodata=255, or a nodata value in the files, when label maps are merged.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet rasterio==1.4.4 numpy==2.4.6
cat > join.py <<'PYTHON'
import numpy as np
import rasterio
from rasterio.merge import merge
from rasterio.transform import from_origin


def write(name, row, left):
    place = dict(crs="EPSG:32632", transform=from_origin(left, 100, 1, 1))
    with rasterio.open(name, "w", driver="GTiff", width=4, height=2, count=1, dtype="uint8", **place) as file:
        file.write(np.array([row] * 2, np.uint8), 1)


write("first.tif", [3, 3, 0, 0], 0)
write("second.tif", [5, 5, 5, 5], 2)
for options, wanted in [({}, [3, 3, 5, 5, 5, 5]), ({"nodata": 255}, [3, 3, 0, 0, 5, 5])]:
    row = merge(["first.tif", "second.tif"], **options)[0][0, 0].tolist()
    print(options, row)
    assert row == wanted
PYTHON
venv/bin/python join.py
