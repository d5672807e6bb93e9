#!/bin/sh
# Keras 3.15.1 with JAX 0.10.2 or PyTorch 2.14.1: a mask holds a number that is no class, such as 255 without
# ignore_class=255, or 5 where a network has the classes 0 to 4.
#
# Expected: the loss and the metric refuse it.
# Seen: SparseCategoricalCrossentropy raises on PyTorch (and on TensorFlow). On JAX such a pixel costs nothing and
#   counts in the mean: where half of the pixels are so, the loss is half of what the other half has. MeanIoU leaves
#   such pixels out on each backend, without a word: a network that cannot know a class of the data gets the mean IoU
#   1.00.
# So: look at the numbers in the masks before a training, and at the mIoU of all classes that the data have.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 torch==2.14.1 numpy==2.4.6
cat > beyond.py <<'PYTHON'
import keras
import numpy as np

CLASSES = 5
labels = np.random.default_rng(0).integers(0, CLASSES, (1, 8, 8)).astype("int32")
scores = 4 * np.eye(CLASSES, dtype="float32")[labels]
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
whole = float(loss(labels, scores))
for other in (255, CLASSES):
    half = labels.copy()
    half[:, :4] = other
    metric = keras.metrics.MeanIoU(CLASSES, sparse_y_pred=False)
    metric.update_state(half, scores)
    try:
        said = f"{float(loss(half, scores)) / whole:.2f} of the loss"
    except Exception as error:
        said = type(error).__name__
    print(f"{keras.backend.backend()}, {other} in half of the pixels: {said}, mean IoU {float(metric.result()):.2f}")
    assert said == {"jax": "0.50 of the loss", "torch": "IndexError"}[keras.backend.backend()]
    assert float(metric.result()) == 1
PYTHON
KERAS_BACKEND=jax venv/bin/python beyond.py
KERAS_BACKEND=torch venv/bin/python beyond.py
