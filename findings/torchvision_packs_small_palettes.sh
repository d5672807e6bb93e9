#!/bin/sh
# torchvision 0.29.1 (torch 2.14.1): decode_image of a mask with a palette, in its default mode UNCHANGED.
#
# Expected: one class number per pixel, as PIL.Image.open gives, however many bits the file has for each.
# Seen: so it is with 8 bits per pixel. A palette of up to 16 colours is written with 4 bits or less by Pillow, and by
#   programs that make PNG files smaller. Of those, torchvision gives the bytes as they lie in the file, two pixels in
#   one: 1, 2, 3, 4 comes as 18 and 52. They fill the left half of each row, and the right half is no part of the
#   picture. There is no warning. mode="GRAY" gives the brightness of the colours, and mode="RGB" the colours.
# So: read masks by Pillow, or write them with 8 bits: save(path, bits=8).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.14.1 torchvision==0.29.1 pillow==12.3.0 numpy==2.4.6
cat > palettes.py <<'PYTHON'
import numpy as np
from PIL import Image
from torchvision.io import decode_image

numbers = np.array([[1, 2, 3, 4, 0, 0, 1, 1]] * 4, np.uint8)
found = {}
for colours in (5, 256):
    mask = Image.fromarray(numbers).copy()
    mask.putpalette([value for n in range(colours) for value in (n * 40 % 256, 255 - n, n)])
    mask.save(f"{colours}.png")
    assert (np.array(Image.open(f"{colours}.png")) == numbers).all()
    found[colours] = decode_image(f"{colours}.png").numpy()
    print(f"palette of {colours} colours: shape {found[colours].shape}, first row begins {found[colours][0, 0, :4].tolist()}")
assert (found[256] == numbers).all()
assert found[5].shape == (1, 4, 8)
assert (found[5][0, :, :4] == numbers[:, ::2] * 16 + numbers[:, 1::2]).all()
PYTHON
venv/bin/python palettes.py
