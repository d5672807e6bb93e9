#!/bin/sh
# Pillow 13.0.0: label maps with a palette of just the classes, and 255 where nothing is labelled, saved as files.
#
# Expected: the numbers that are read are those that were written. Pillow's page on PNG says that a picture with a
#   palette is stored with 8 bits unless `bits` says otherwise.
# Seen, without a warning:
#   PNG: up to 16 colours, it is stored with as few bits as count the colours, and of every number the lower bits are
#     kept. With 2, 4 or 16 classes, 255 comes back as the last class; with 11 as 15, and with 3 as 3. It is so even
#     with bits=8.
#   GIF: the numbers that occur are numbered anew, picture by picture: classes 0, 5 and 18 come back as 0, 1 and 2.
#   TIFF and BMP keep the numbers, and so do more than 16 colours in PNG.
# So: hand over 256 colours, and save no class numbers as GIF.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0
cat > palette.py <<'PYTHON'
import io

from PIL import Image


def again(numbers, colours, kind, **options):
    """Return the numbers that are read from a file of this kind."""
    mask = Image.new("P", (len(numbers), 1))
    mask.putdata(numbers)
    mask.putpalette([value for number in range(colours) for value in (number, 0, 255 - number)])
    file = io.BytesIO()
    mask.save(file, kind, **options)
    with Image.open(file) as opened:
        assert opened.mode == "P"
        read = list(opened.tobytes())
    print(f"{kind} with {colours} colours {options}: {numbers} comes back as {read}")
    return read


for classes, ignored in {2: 1, 3: 3, 4: 3, 11: 15, 16: 15, 19: 255}.items():
    numbers = [0, classes - 1, 255]
    for options in ({}, {"bits": 8}):
        assert again(numbers, classes, "PNG", **options) == [0, classes - 1, ignored]
    for kind in ("TIFF", "BMP"):
        assert again(numbers, classes, kind) == numbers
assert again([0, 5, 18], 19, "GIF") == [0, 1, 2]
assert again([0, 1, 255], 256, "PNG") == [0, 1, 255]
PYTHON
venv/bin/python palette.py
