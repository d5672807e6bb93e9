#!/bin/sh
# miseval 1.3.0: distances and overlaps of label maps by evaluate(truth, prediction, metric, multi_class=True).
#
# Expected: one number for each class. Distances are 0 for a right prediction and grow with what is wrong, the average
#   Hausdorff distance is an average, and a class that occurs nowhere is treated alike by all metrics.
# Seen, without a warning:
#   "HD" takes each row of the label map for a point whose coordinates are its class numbers. It is the same for every
#     class, also for one that is right, and 0 for a map that stands on its head.
#   "AHD", AverageHausdorffDistance, is the maximum: one wrong pixel far away makes it as large as that distance. For
#     a missed class, it is the distance to a point above the upper left corner of the picture.
#   "BD", the boundary distance, averages over all pairs of points, so that a right prediction has a distance too,
#     which grows with the size of the object.
#   A class that occurs in neither map counts as 1 in "DSC", and as 0 in "IoU" and "KAP".
# So: take distances of another package, and average over the classes that occur.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet miseval==1.3.0 numpy==2.4.6
cat > distances.py <<'PYTHON'
import numpy as np
from miseval import evaluate

CLASSES = 4  # the last of which occurs nowhere
truth = np.zeros((40, 40), int)
truth[10:20, 10:20] = 1
truth[25:35, 5:30] = 2


def show(what, metric, prediction):
    """Return the metric of each class, to two digits."""
    values = evaluate(truth, prediction, metric, multi_class=True, n_classes=CLASSES).round(2).tolist()
    print(f"{metric} of {what}: {values}")
    return values


shifted = np.where(truth == 2, 2, 0)
shifted[10:20, 13:23] = 1
assert show("class 1 three columns away", "HD", shifted) == [2.45] * CLASSES
assert show("the map upside down", "HD", truth[::-1]) == [0] * CLASSES

outlier = truth.copy()
outlier[14, 39] = 1  # 20 columns from the nearest pixel of class 1
assert show("one wrong pixel", "AHD", outlier)[1] == 20
assert show("class 2 missed", "AHD", np.where(truth == 2, 0, truth))[2] == np.hypot(35, 29).round(2)

assert show("a right prediction", "DSC", truth) == [1, 1, 1, 1]
assert show("a right prediction", "IoU", truth) == [1, 1, 1, 0]
assert show("a right prediction", "KAP", truth) == [1, 1, 1, 0]
CLASSES = 3  # of an absent class, the boundary distance prints a message
assert show("a right prediction", "BD", truth) == [14.5, 7.36, 12.62]
PYTHON
venv/bin/python distances.py
