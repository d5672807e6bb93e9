#!/bin/sh
# scikit-image 0.26.0: skimage.color.label2rgb with the colours of the classes, on two label maps.
#
# Expected: class k gets the same colour in each picture: the k-th of `colors`, 0 being the background.
# Seen: the classes that occur in the picture are numbered anew. Without any pixel of class 1, class 2 gets the colour
#   of class 1, and so on, so that a person is drawn as a road in some pictures and not in others. There is no warning.
# So: look the colours up, np.array(colors)[labels], or save the map with a palette.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet scikit-image==0.26.0 numpy==2.4.6
cat > colours.py <<'PYTHON'
import numpy as np
from skimage.color import label2rgb

COLOURS = {1: (1, 0, 0), 2: (0, 1, 0), 3: (0, 0, 1)}
NAMES = {(0, 0, 0): "black", (1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue"}


def draw(row):
    drawn = label2rgb(np.array([row], np.uint8), colors=list(COLOURS.values()), bg_label=0)
    names = [NAMES[tuple(int(value) for value in pixel)] for pixel in drawn[0]]
    print("classes", row, "are drawn", names)
    return names


assert draw([0, 1, 2, 3]) == ["black", "red", "green", "blue"]
assert draw([0, 2, 2, 3]) == ["black", "red", "red", "green"]
assert draw([0, 3, 3, 3]) == ["black", "red", "red", "red"]
PYTHON
venv/bin/python colours.py
