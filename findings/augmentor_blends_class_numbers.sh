#!/bin/sh
# Augmentor 0.2.12: Pipeline.ground_truth(folder), which augments masks along with their pictures.
#
# Expected: masks are rotated and made smaller by the nearest pixel, and colours are changed in pictures alone.
# Seen, without a warning, of a mask of greys with the classes 3, 12 and 18:
#   rotate and resize blend class numbers along each border: classes come out that the mask does not have.
#   random_brightness changes the mask as well: at half the brightness, its classes are 1, 6 and 9.
#   Masks with a palette are rotated and resized by the nearest pixel, and keep their classes.
# So: save masks with a palette, and leave out what changes colours.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet augmentor==0.2.12 pillow==13.0.0 numpy==2.4.6
cat > masks.py <<'PYTHON'
import itertools
from pathlib import Path

import Augmentor
import numpy as np
from PIL import Image

labels = np.full((64, 64), 3, np.uint8)
labels[10:40, 20:50], labels[30:, 40:] = 12, 18
counter = itertools.count()


def numbers(step, palette=False, **settings):
    """Return which numbers the mask has after the step."""
    pictures, masks = Path(f"{next(counter)}_pictures").resolve(), Path(f"{next(counter)}_masks").resolve()
    pictures.mkdir()
    masks.mkdir()
    Image.new("RGB", (64, 64)).save(pictures / "a.png")
    mask = Image.fromarray(labels)
    if palette:
        mask.putpalette([n for n in range(256) for _ in range(3)])
    mask.save(masks / "a.png")
    pipeline = Augmentor.Pipeline(str(pictures))
    pipeline.ground_truth(str(masks))
    getattr(pipeline, step)(probability=1, **settings)
    pipeline.sample(1)
    (made,) = (pictures / "output").glob("_groundtruth_*")
    with Image.open(made) as image:
        found = np.unique(np.array(image)).tolist()
        print(f"\n{step}, mask of type {image.mode}: numbers {found}")
    return found


true = [3, 12, 18]
rotation = {"max_left_rotation": 20, "max_right_rotation": 20}
assert len(numbers("rotate", **rotation)) > 6 and len(numbers("resize", width=40, height=40)) > 6
assert numbers("random_brightness", min_factor=0.5, max_factor=0.5) == [1, 6, 9]
assert numbers("flip_left_right") == numbers("rotate", palette=True, **rotation) == true
assert numbers("resize", palette=True, width=40, height=40) == true
PYTHON
venv/bin/python masks.py
