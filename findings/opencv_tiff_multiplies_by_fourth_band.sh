#!/bin/sh
# OpenCV 5.0.0.93 and rasterio 1.4.4: a TIFF of red, green, blue and near infrared, 8 bits each.
#
# Expected: cv2.imread(..., IMREAD_UNCHANGED) gives the four bands as they are stored, with red and blue exchanged.
# Seen: rasterio (GDAL) marks a fourth band after three of 8 bits as opacity, unless told otherwise, and OpenCV
#   multiplies the three colours by what it takes for opacity: red 200 where near infrared is 51 of 255 arrives as 40.
#   The fourth band arrives as it is. There is no warning. With 16 bits the same bands are marked as grey and three
#   more, and OpenCV gives one channel with 124: the grey of a colour 200, 100, 50, though none was stored.
#   With photometric="RGB", alpha="unspecified" in rasterio.open, 8 bits arrive whole.
# So: read bands with tifffile or rasterio; train and predict with the same reader.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opencv-python-headless==5.0.0.93 rasterio==1.4.4 tifffile==2026.3.3 numpy==2.4.6
cat > bands.py <<'PYTHON'
import warnings

import cv2
import numpy as np
import rasterio
import tifffile

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
BANDS = (200, 100, 50, 51)


def read(dtype, **options):
    with rasterio.open("bands.tif", "w", driver="GTiff", width=8, height=8, count=4, dtype=dtype, **options) as file:
        file.write(np.full((8, 8, 4), BANDS, dtype).transpose(2, 0, 1))
    stored = tifffile.imread("bands.tif")
    seen = cv2.imread("bands.tif", cv2.IMREAD_UNCHANGED)
    print(dtype, options, "stored", stored[0, 0].tolist(), "OpenCV", seen.shape, seen[0, 0].tolist())
    assert stored[0, 0].tolist() == list(BANDS)
    return seen


assert read("uint8")[0, 0].tolist() == [10, 20, 40, 51]
assert read("uint8", photometric="RGB", alpha="unspecified")[0, 0].tolist() == [50, 100, 200, 51]
assert read("uint16")[0, 0] == 124
PYTHON
venv/bin/python bands.py
