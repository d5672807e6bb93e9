#!/bin/sh
# Pillow 13.0.0: quantize(palette=..., dither=NONE) turns a mask in colours into class numbers.
#
# Expected: a pixel whose colour stands in the palette gets the number of that colour.
# Seen, without a warning: red, green and blue are rounded down to multiples of 4, and the colour of the palette that is
#   nearest to that is taken. Classes written as greys become one: 0 to 3 all come out as 0, 4 to 7 as 4, and so on. So
#   do maps that hold the class in red and the object in green, as those of KITTI-STEP. A grey of 131 is even taken for
#   one of 126 where both stand in the palette. It is so for a class alone in its picture, too.
# So: look each colour up, as a dictionary or np.unique(..., axis=0) does, unless all colours are multiples of 4.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0
cat > quantize.py <<'PYTHON'
from PIL import Image


def numbers(colours, drawn):
    """Return the numbers of the drawn colours, all of which stand in the palette."""
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in colours for value in colour])
    picture = Image.new("RGB", (len(drawn), 1))
    picture.putdata(drawn)
    made = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    found = list(made.tobytes())
    print("true", [colours.index(colour) for colour in drawn], "quantize", found)
    return found


def grey(value):
    return (value, value, value)


classes = [grey(number) for number in range(19)]
assert numbers(classes, classes) == [number // 4 * 4 for number in range(19)]
assert numbers(classes, [grey(3)]) == [0]
step = [(kind, thing, 0) for kind in range(3) for thing in (0, 1, 8)]
assert numbers(step, step) == [0, 0, 2] * 3
assert numbers([grey(126), grey(131)], [grey(126), grey(131)]) == [0, 0]
apart = [grey(4 * number) for number in range(19)]
assert numbers(apart, apart) == list(range(19))
PYTHON
venv/bin/python quantize.py
