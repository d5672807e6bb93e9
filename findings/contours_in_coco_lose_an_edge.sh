#!/bin/sh
# supervision 0.31.2 and SAHI 0.12.8 write masks as polygons into COCO files; pycocotools 2.0.11 draws them.
#
# Expected: the mask that comes back is the one that was written, to a pixel at slanted edges.
# Seen, without a warning: both take OpenCV's contour, which runs through the middles of the outermost pixels. COCO
#   counts from the corners of pixels, and pycocotools draws only what lies inside: the last row and the last column
#   are gone from every object. A square of 10 x 10 pixels comes back as 9 x 9 and a pole of 3 x 60 as 2 x 59, though
#   "area" beside the polygon says 100 and 180. Read by the library that wrote it, each mask is whole.
#   Besides, supervision marks an object with a hole or of two parts as a crowd ("iscrowd"), which COCO's scores and
#   many loaders leave out, and pycocotools fills the hole in SAHI's polygons.
# So: write run lengths (pycocotools.mask.encode), or supervision's YOLO folders for readers that draw as OpenCV does.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet supervision==0.31.2 pycocotools==2.0.11 opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/pip install --quiet --no-deps sahi==0.12.8
cat > masks.py <<'PYTHON'
import cv2
import numpy as np
import supervision as sv
from pycocotools import mask as runs
from pycocotools.coco import COCO
from sahi.utils.cv import get_bool_mask_from_coco_segmentation, get_coco_segmentation_from_bool_mask

cv2.imwrite("picture.png", np.zeros((100, 100, 3), "uint8"))


def areas(name, mask):
    """Return the pixels of the mask, those that come back from files, and whether supervision wrote a crowd."""
    boxes = sv.mask_to_xyxy(mask[None]).astype(float)
    objects = {"picture.png": sv.Detections(boxes, mask[None], class_id=np.array([0]))}
    sv.DetectionDataset(["thing"], ["picture.png"], objects).as_coco(annotations_path="coco.json")
    file = COCO("coco.json")
    (written,) = file.loadAnns(file.getAnnIds())
    (again,) = sv.DetectionDataset.from_coco(".", "coco.json", force_masks=True).annotations.values()
    polygons = get_coco_segmentation_from_bool_mask(mask)
    in_sahi = get_bool_mask_from_coco_segmentation(polygons, width=100, height=100)
    in_coco = runs.decode(runs.merge(runs.frPyObjects(polygons, 100, 100)))
    result = [int(each.sum()) for each in (mask, again.mask, file.annToMask(written), in_sahi, in_coco)]
    print(f"{name}: true, supervision, and by pycocotools, SAHI, and by pycocotools: {result}; area", written["area"])
    return *result, written["iscrowd"]


rows, columns = np.mgrid[:100, :100]
square = (rows >= 20) & (rows < 30) & (columns >= 20) & (columns < 30)
pole = (rows >= 20) & (rows < 80) & (columns >= 20) & (columns < 23)
distance = np.hypot(rows - 50, columns - 50)
assert areas("square", square) == (100, 100, 81, 100, 81, 0)
assert areas("pole", pole) == (180, 180, 118, 180, 118, 0)
true, again, crowd, in_sahi, in_coco, is_crowd = areas("ring", (distance < 10) & (distance > 5.5))
assert true == again == crowd == in_sahi and is_crowd and in_coco > true
PYTHON
venv/bin/python masks.py
