#!/bin/sh
# Keras 3.15.1: a model that begins with layers.Resizing, called as model(images).
#
# Expected: without `training`, a call is inference, as it is for a model without that layer, and Resizing, which has
# nothing random, changes pixels only.
# Seen: `training` of Resizing and CenterCrop is True by default, and a functional model hands the value on to the
#   layers that follow. Batch normalization there normalizes by the batch it is given, and even moves its statistics:
#   pictures whose mean is 5 come out with the mean 0 instead of 5, and the next call gives something else again.
#   UpSampling2D and Rescaling do no such thing. model.predict and model(images, training=False) are right.
# So: resize outside of the model, or by UpSampling2D, where a model is called, exported or wrapped by others.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > resizing.py <<'PYTHON'
import keras
import numpy as np
from keras import layers

images = np.random.default_rng(0).normal(5, 2, (4, 8, 8, 3)).astype("float32")


def called(first):
    """Return (the mean of what a call gives, whether the call changed the model)."""
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.BatchNormalization()(first(inputs)))
    before = model.get_weights()
    mean = float(np.mean(model(images)))
    changed = any((old != new).any() for old, new in zip(before, model.get_weights()))
    print(f"{first.name}: mean {mean:.2f}, weights {'changed' if changed else 'kept'}")
    return round(mean), changed


assert called(layers.UpSampling2D(2)) == (5, False)
assert called(layers.Rescaling(1.0)) == (5, False)
assert called(layers.Resizing(16, 16)) == (0, True)
assert called(layers.CenterCrop(6, 6)) == (0, True)
PYTHON
KERAS_BACKEND=jax venv/bin/python resizing.py
