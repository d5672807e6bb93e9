#!/bin/sh
# SimpleITK 2.5.7: masks with a palette read by ReadImage, label maps joined by LabelVoting and drawn by LabelToRGB.
#
# Expected: ReadImage(path, sitkUInt8) of a PNG with a palette gives class numbers. A vote gives one of the classes
#   that were voted for, and each class of a data set, and the ignored 255, has a colour of its own.
# Seen, without a warning:
#   ReadImage gives the brightness of each colour, so that classes get other numbers, and those of two colours of about
#     the same brightness become one. The palette itself does not come along.
#   LabelVoting makes a class of its own where votes are equal, as its page says: the largest number and 1, which is the
#     class behind the largest one that occurs, a different one from picture to picture.
#   LabelToRGB has 30 colours: 255 is drawn in that of class 15, the buses of Cityscapes.
# So: read masks by Pillow; give LabelVoting 255 as the label of undecided pixels; draw with a palette of your own.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet simpleitk==2.5.7 pillow==13.0.0 numpy==2.4.6
cat > classes.py <<'PYTHON'
import numpy as np
import SimpleITK as sitk
from PIL import Image

colours = [(128, 64, 128), (244, 35, 232), (70, 70, 70), (0, 0, 142), (0, 0, 143)]  # the last two are near each other
mask = Image.fromarray(np.arange(5, dtype="uint8")[None]).convert("L")
mask.putpalette([value for colour in colours for value in colour])
mask.save("mask.png")
assert np.asarray(Image.open("mask.png")).tolist() == [[0, 1, 2, 3, 4]]
read = sitk.GetArrayFromImage(sitk.ReadImage("mask.png", sitk.sitkUInt8)).tolist()
print("classes 0 to 4 of a palette:", read)
assert read == [[82, 93, 70, 10, 10]]

votes = [np.array([row], "uint8") for row in ([1, 3, 2, 2], [0, 4, 2, 5])]
images = [sitk.GetImageFromArray(vote) for vote in votes]
voted = sitk.GetArrayFromImage(sitk.LabelVoting(images)).tolist()
print("votes of 1 or 0, 3 or 4, 2 and 2, 2 or 5:", voted)
assert voted == [[6, 6, 2, 6]]
assert sitk.GetArrayFromImage(sitk.LabelVoting(images, 255)).tolist() == [[255, 255, 2, 255]]

drawn = sitk.GetArrayFromImage(sitk.LabelToRGB(sitk.GetImageFromArray(np.arange(256, dtype="uint8")[None])))[0]
alike = [number for number in range(255) if (drawn[number] == drawn[255]).all()]
print("numbers drawn as 255 is:", alike)
assert alike == [15, 45, 75, 105, 135, 165, 195, 225]
PYTHON
venv/bin/python classes.py
