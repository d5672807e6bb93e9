#!/bin/sh
# labelformat 0.1.17 writes COCO or YOLO polygons as masks (--output-format pascalvoc) with Pillow 13.0.0.
#
# Expected: pixels of no object get a number of their own, as Pascal VOC has 0 for the background and classes from 1;
#   and the objects are as large as pycocotools 2.0.11 draws the same COCO file.
# Seen, without a warning:
#   Classes keep their numbers, and unlabelled pixels get 0 as well. In YOLO files, and COCO files that count from 0, 0
#     is the first class: the picture is "person" all over, and class_id_to_name.json says so. The persons are lost.
#   Each object is a row and a column larger: a pole of 3 x 60 pixels is 4 x 61, because Pillow fills the pixels that
#     the outline runs through, and COCO counts from the corners of pixels.
# So: give --background-class-id a number that no class has, as 255. Draw COCO polygons by pycocotools.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet labelformat==0.1.17 pillow==13.0.0 pycocotools==2.0.11 numpy==2.4.6
mkdir images labels
cat > masks.py <<'PYTHON'
import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

shapes = [[20, 20, 30, 20, 30, 30, 20, 30], [50, 20, 53, 20, 53, 80, 50, 80]]
Image.new("RGB", (100, 100)).save("images/a.png")
objects = [
    {"id": n + 1, "image_id": 1, "category_id": n, "iscrowd": 0, "segmentation": [xy], "bbox": [0, 0, 1, 1], "area": 1}
    for n, xy in enumerate(shapes)
]
picture = {"id": 1, "file_name": "a.png", "width": 100, "height": 100}
classes = [{"id": 0, "name": "person"}, {"id": 1, "name": "pole"}]
Path("coco.json").write_text(json.dumps({"images": [picture], "categories": classes, "annotations": objects}))
Path("data.yaml").write_text("path: .\ntrain: images\nnames: {0: person, 1: pole}\n")
Path("labels/a.txt").write_text("\n".join(f"{n} {' '.join(str(v / 100) for v in xy)}" for n, xy in enumerate(shapes)))


def written(*options):
    """Convert to masks, and return how many pixels each number has, and the names of the numbers."""
    command = ["venv/bin/labelformat", "convert", "--task", "instance-segmentation", *options]
    subprocess.run([*command, "--output-format", "pascalvoc", "--output-folder", "voc"], check=True)
    counts = np.bincount(np.array(Image.open("voc/SegmentationClass/a.png")).ravel(), minlength=256)
    names = json.loads(Path("voc/class_id_to_name.json").read_text())
    return {int(n): int(counts[n]) for n in counts.nonzero()[0]}, {int(n): name for n, name in names.items()}


truth = COCO("coco.json")
right = {each["category_id"]: int(truth.annToMask(each).sum()) for each in objects}
for source in ("coco --input-file coco.json".split(), "yolov8 --input-file data.yaml --input-split train".split()):
    found, names = written("--input-format", *source)
    other, others = written("--input-format", *source, "--background-class-id", "255")
    print("pycocotools:", right, "labelformat:", found, names, "with 255:", other, others)
    assert right == {0: 100, 1: 180} and found == {0: 9756, 1: 244} and names == {0: "person", 1: "pole"}
    assert other == {0: 121, 1: 244, 255: 9635} and others == {**names, 255: "background"}
PYTHON
venv/bin/python masks.py
