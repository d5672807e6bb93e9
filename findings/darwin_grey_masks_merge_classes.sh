#!/bin/sh
# darwin-py 3.6.3 (V7) turns annotations into masks of greys: darwin convert semantic_mask_grey.
#
# Expected: each class has the grey that class_mapping.csv beside the masks says.
# Seen, without a warning: class numbers are replaced by greys one after the other in the same array, so that a grey
#   that has been written already is taken for the number of a later class, and replaced again. Up to 15 classes it
#   does not happen. Of 19 classes, the first gets the grey of the 13th; of 40 classes, six are drawn as another.
#   semantic_mask_index is right.
# So: convert to semantic_mask_index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet darwin-py==3.6.3 pillow==12.3.0 numpy==2.4.6
cat > greys.py <<'PYTHON'
import csv
import json
from pathlib import Path

import numpy as np
from darwin.exporter import get_exporter
from darwin.exporter.exporter import export_annotations
from PIL import Image


def written(kind, classes):
    """Return the numbers in the mask of as many squares side by side, and those that the list of classes says."""
    squares = []
    for n in range(classes):
        corners = [{"x": x, "y": y} for x, y in ((10 * n, 0), (10 * n + 9, 0), (10 * n + 9, 9), (10 * n, 9))]
        shape = {"polygon": {"paths": [corners]}, "bounding_box": {"x": 10 * n, "y": 0, "w": 9, "h": 9}}
        squares.append({"id": str(n), "name": f"class {n + 1:02}", "slot_names": ["0"], **shape})
    slot = {"type": "image", "slot_name": "0", "width": 10 * classes, "height": 10}
    slot["source_files"] = [{"file_name": "a.png", "url": ""}]
    item = {"name": "a.png", "path": "/", "slots": [slot]}
    Path("a.json").write_text(json.dumps({"version": "2.0", "item": item, "annotations": squares}))
    output = Path(f"{kind}_{classes}")
    export_annotations(get_exporter(kind), ["a.json"], output)
    (mask,) = output.rglob("*.png")
    found = np.array(Image.open(mask))[5, 5::10].tolist()
    with open(output / "class_mapping.csv", newline="") as file:
        listed = [int(row["class_color"]) for row in csv.DictReader(file)][1:]
    wrong = {n + 1: listed.index(value) + 1 for n, value in enumerate(found) if value != listed[n]}
    print(kind, classes, "classes:", found, "classes drawn as another:", wrong)
    return wrong


assert not written("semantic_mask_index", 40)
for classes, wrong in ((15, 0), (19, 1), (40, 6)):
    assert len(written("semantic_mask_grey", classes)) == wrong
assert written("semantic_mask_grey", 19) == {1: 13}
PYTHON
venv/bin/python greys.py
