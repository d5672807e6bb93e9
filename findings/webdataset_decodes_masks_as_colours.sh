#!/bin/sh
# webdataset 1.0.2 with Pillow 13.0.0: shards of pictures (jpg) and masks (seg.png), read by .decode("pil").
#
# Expected: what PIL.Image.open gives of each file: of a mask with a palette the class numbers, of a 16-bit mask or
#   depth map the numbers as they are, and of a grey mask one channel.
# Seen, without a warning: every file becomes an RGB picture. A mask with a palette comes as its colours: as the first
#   channel, classes 0, 1 and 255 are the reds 128, 244 and 0. Of 16 bits, every number above 255 is 255. Each mask has
#   three channels. "pill" and "l8" make one, which is the brightness of the palette. ShardWriter writes the numbers as
#   they are, so that a data set differs from itself after reading.
# So: decode pictures alone, as decode(handle_extension("jpg", ...)), and open "seg.png" by PIL.Image.open yourself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet webdataset==1.0.2 pillow==13.0.0 numpy==2.4.6
cat > shards.py <<'PYTHON'
import io
import json

import numpy as np
import webdataset
from PIL import Image

numbers = np.array([[0, 0, 1, 1], [0, 1, 1, 255]], np.uint8)
colours = [(128, 64, 128), (244, 35, 232)] + [(0, 0, 0)] * 254
with_palette = Image.fromarray(numbers).copy()
with_palette.putpalette([value for colour in colours for value in colour])
depths = numbers.astype(np.uint16) * 257
masks = {"seg.png": with_palette, "grey.png": Image.fromarray(numbers), "depth.png": Image.fromarray(depths)}
files = {}
for name, mask in masks.items():
    written = io.BytesIO()
    mask.save(written, "PNG", bits=8)
    files[name] = written.getvalue()
    assert (np.array(Image.open(io.BytesIO(files[name]))) == (depths if name == "depth.png" else numbers)).all()
with webdataset.TarWriter("shard.tar") as writer:
    writer.write({"__key__": "0001", **files})


def read(spec):
    (sample,) = webdataset.WebDataset("shard.tar", shardshuffle=False).decode(spec)
    return {name: np.asarray(sample[name]) for name in files}


found = read("pil")
for name, values in found.items():
    print(name, values.shape, json.dumps(values[..., 0].tolist()))
brightness = read("l8")["seg.png"]
print("seg.png as l8:", brightness.tolist())
assert all(values.shape == (2, 4, 3) for values in found.values())
assert found["seg.png"][..., 0].tolist() == [[128, 128, 244, 244], [128, 244, 244, 0]]
assert (found["grey.png"][..., 0] == numbers).all()
assert found["depth.png"][..., 0].tolist() == [[0, 0, 255, 255], [0, 255, 255, 255]]
assert brightness.tolist() == [[90, 90, 120, 120], [90, 120, 120, 0]]
PYTHON
venv/bin/python shards.py
