#!/bin/sh
# Keras 3.15.1: MeanIoU(num_classes=3, ignore_class=0), for data whose class 0 is a background that shall not count.
#
# Expected: neither the pixels of class 0 nor the IoU of class 0 have a part in the mean.
# Seen: the pixels have none. But where a pixel of another class is taken for class 0, class 0 comes back into the mean
#   with the IoU 0: one wrong pixel, which makes the IoUs of the two other classes 1/2 and 1, gives 0.50 in place of
#   0.75. With no such pixel it is left out, so that the first such pixel costs the mean a whole class. ignore_class=255
#   with 255 beyond the classes is right, since no prediction is 255.
# So: write 255 where nothing counts, or use IoU(num_classes, target_class_ids=[1, 2], ignore_class=0).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat > ignored.py <<'PYTHON'
import keras
import numpy as np

TRUTH = np.array([[0, 0, 1, 1, 2, 2]], "int32")


def score(metric, labels):
    metric.update_state(TRUTH, np.array([labels], "int32"))
    value = float(metric.result())
    print(f"{type(metric).__name__} of {labels}: {value:.2f}")
    return value


assert score(keras.metrics.MeanIoU(3, ignore_class=0), [1, 2, 1, 1, 2, 2]) == 1
assert score(keras.metrics.MeanIoU(3, ignore_class=0), [1, 2, 0, 1, 2, 2]) == 0.5
assert score(keras.metrics.IoU(3, [1, 2], ignore_class=0), [1, 2, 0, 1, 2, 2]) == 0.75
PYTHON
KERAS_BACKEND=jax venv/bin/python ignored.py
