#!/bin/sh
# Keras 3.15.1 with TensorFlow 2.21.0: keras.ops.add, also as `+` in a model, of something that has one value for each
# column or each channel.
#
# Expected: the sum that NumPy gives, as keras.ops.subtract has it.
# Seen, without a warning: a second summand of shape (1, 1, columns, 1) is taken for a bias, and its shape forgotten.
#   Where there are as many columns as channels, it is added along the channels, and else, where there are as many as
#   rows, along the rows: positions of the columns become those of the rows in a map of 6x6, and are right in one of
#   6x8. The bias of Conv2D(data_format="channels_first") is such a sum too: 8 filters with 8 columns in their output
#   have their bias along the columns.
# So: write the summand first, or as a full map, and keep to channels_last with TensorFlow.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cat > add.py <<'PYTHON'
import os

os.environ.update(KERAS_BACKEND="tensorflow", TF_ENABLE_ONEDNN_OPTS="1")  # without oneDNN, channels_first needs a GPU
import keras
import numpy as np


def columns(rows, width, channels):
    """Add a position of each column by Keras and by NumPy, and by a model's `+`; return the first two."""
    x, y = np.zeros((1, rows, width, channels), "float32"), np.arange(width, dtype="float32").reshape(1, 1, width, 1)
    start = keras.Input(x.shape[1:], batch_size=1)
    found = keras.ops.convert_to_numpy(keras.ops.add(x, y))
    assert np.array_equal(keras.Model(start, start + y)(x), found)
    assert np.array_equal(keras.ops.subtract(x, -y), x + y) and np.array_equal(keras.ops.add(y, x), x + y)
    return x + y, found


for shape, axes in (((6, 8, 3), (0, 1, 2)), ((6, 6, 3), (1, 0, 2)), ((4, 6, 6), (0, 2, 1))):
    right, found = columns(*shape)
    print("found a map of", shape, "first row", found[0, 0, :, 0], "first column", found[0, :, 0, 0], "first pixel",
          found[0, 0, 0])
    assert np.array_equal(found[0], right[0].transpose(axes)) and np.array_equal(found, right) == (axes == (0, 1, 2))
bias = np.arange(8, dtype="float32")
for width in (7, 8):
    layer = keras.layers.Conv2D(8, 1, data_format="channels_first", kernel_initializer="zeros")
    layer.build((1, 3, 5, width))
    layer.bias.assign(bias)
    [found] = keras.ops.convert_to_numpy(layer(np.zeros((1, 3, 5, width), "float32")))
    print(f"found a bias of 8 filters at {width} columns: along channels", found[:, 0, 0], "columns", found[0, 0])
    assert np.array_equal(found[:, 0, 0], bias) == (width == 7) and np.array_equal(found[0, 0], bias) == (width == 8)
PYTHON
venv/bin/python add.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
