#!/bin/sh
# Keras 3.15.1 on PyTorch 2.14.1 beside JAX 0.10.2: one network, whose file of weights both read.
#
# Expected: the same numbers, and those that the network has as .tflite, which is made by TensorFlow.
# Seen, without a warning. JAX computes what TensorFlow 2.21.0 does; PyTorch does not:
#   AveragePooling2D(3, 2, "same") averages over pixels of the picture alone. On PyTorch the last column counts twice at
#     the right and below: the mean of 5 and 6 is 5.67 in place of 5.5.
#   ops.pad(mode="symmetric") by 2 or more pixels repeats the outermost one, in place of mirroring: 1 1 1 2 and not
#     2 1 1 2.
#   UpSampling2D(interpolation="bicubic") and Resizing take another cubic (-0.75 in place of -0.5), so that scores and
#     pictures overshoot more, and treat the edge otherwise.
# So: keep to "valid" pools, reflected padding and bilinear resizing where a network is trained on PyTorch.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 torch==2.14.1 numpy==2.4.6
cat > rows.py <<'PYTHON'
import json

import keras
import numpy as np

row = np.tile(np.arange(1, 7, dtype=np.float32)[:, None], (1, 6, 1, 1))
found = {
    "pool": keras.layers.AveragePooling2D(3, 2, "same")(row),
    "pad": keras.ops.pad(row, ((0, 0), (0, 0), (2, 2), (0, 0)), mode="symmetric"),
    "bicubic": keras.layers.UpSampling2D(2, interpolation="bicubic")(row),
}
rows = {name: keras.ops.convert_to_numpy(value)[0, 1, :, 0] for name, value in found.items()}
print(json.dumps({name: value.astype(float).round(2).tolist() for name, value in rows.items()}))
PYTHON
cat > compare.py <<'PYTHON'
import json

jax, torch = (json.load(open(f"{name}.json")) for name in ("jax", "torch"))
for name in jax:
    print(f"{name}\n    JAX     {jax[name]}\n    PyTorch {torch[name]}")
assert jax["pool"] == [2, 4, 5.5] and torch["pool"] == [2, 4, 5.67]
assert jax["pad"] == [2, 1, 1, 2, 3, 4, 5, 6, 6, 5] and torch["pad"] == [1, 1, 1, 2, 3, 4, 5, 6, 6, 6]
assert jax["bicubic"][2:4] == [1.71, 2.25] and torch["bicubic"][2:4] == [1.67, 2.3]
PYTHON
for name in jax torch; do KERAS_BACKEND=$name venv/bin/python rows.py > $name.json; done
venv/bin/python compare.py
