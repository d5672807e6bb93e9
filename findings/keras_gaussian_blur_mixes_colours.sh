#!/bin/sh
# Keras 3.15.1: keras.ops.image.gaussian_blur of pictures (height, width, channels), on JAX 0.10.2.
#
# Expected: without data_format, that of keras.config.image_data_format() counts, channels_last, as its page says, and
#   as on TensorFlow.
# Seen, without a warning, on JAX (and alike on PyTorch): without data_format the rows count as channels, so that each
#   row is blurred along its columns and its colours. Nothing is blurred down the picture, and a red point of 100 is
#   left with 45 red and gets 27 green. With data_format="channels_last" it is right, as is RandomGaussianBlur.
# So: give data_format each time, in augmentation of your own as for soft masks.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > blur.py <<'PYTHON'
import keras
import numpy as np

assert keras.config.image_data_format() == "channels_last"
picture = np.zeros((1, 9, 9, 3), np.float32)
picture[0, 4, 4, 0] = 100
found = {}
for data_format in (None, "channels_last"):
    blurred = keras.ops.image.gaussian_blur(picture, (3, 3), (1.0, 1.0), data_format=data_format)
    found[data_format] = np.asarray(blurred)[0]
    sums = found[data_format].sum((0, 1)).round(1).tolist()
    print(f"data_format={data_format}: red, green and blue sum up to {sums}, the column of the point in red:")
    print("   ", found[data_format][:, 4, 0].round(1).tolist())
right, default = found["channels_last"], found[None]
assert np.allclose(right.sum((0, 1)), [100, 0, 0], atol=0.1) and (right[3:6, 3:6, 0] > 1).all()
assert np.allclose(default.sum((0, 1)), [45.2, 27.4, 0], atol=0.1)
assert not default[[0, 1, 2, 3, 5, 6, 7, 8]].any()
PYTHON
KERAS_BACKEND=jax venv/bin/python blur.py
