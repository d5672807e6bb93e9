#!/bin/sh
# rasterio 1.4.4 (GDAL 3.10.3): a label map as a cloud-optimized GeoTIFF, read at half of its size.
#
# Expected: rasterio resamples by nearest neighbour unless told otherwise, so that the classes are those of the file.
# Seen: from the plain GeoTIFF they are. The COG holds smaller copies too, which its driver makes by cubic interpolation
#   unless the file has a palette, and reading at a smaller size takes them: of the classes 3, 10 and 18 come all
#   numbers from 2 to 19. The map at full size is whole, so that nothing shows it but the class numbers.
#   With OVERVIEW_RESAMPLING="NEAREST" at the copy, both are right.
# So: make COGs of label maps with that option, and count the classes after reading at any other size.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet rasterio==1.4.4 numpy==2.4.6
cat > half.py <<'PYTHON'
import warnings

import numpy as np
import rasterio
import rasterio.shutil

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
CLASSES = {3, 10, 18}
labels = np.random.default_rng(0).choice(sorted(CLASSES), (64, 64)).astype("uint8").repeat(17, 0).repeat(17, 1)
size = labels.shape[0]
with rasterio.open("plain.tif", "w", driver="GTiff", width=size, height=size, count=1, dtype="uint8") as file:
    file.write(labels, 1)
rasterio.shutil.copy("plain.tif", "cog.tif", driver="COG")
rasterio.shutil.copy("plain.tif", "nearest.tif", driver="COG", OVERVIEW_RESAMPLING="NEAREST")


def classes(name):
    with rasterio.open(name) as file:
        assert (file.read(1) == labels).all()
        found = set(np.unique(file.read(1, out_shape=(size // 2, size // 2))).tolist())
    print(name, sorted(found))
    return found


print("GDAL", rasterio.__gdal_version__)
assert classes("plain.tif") == CLASSES
assert classes("cog.tif") > CLASSES
assert classes("nearest.tif") == CLASSES
PYTHON
venv/bin/python half.py
