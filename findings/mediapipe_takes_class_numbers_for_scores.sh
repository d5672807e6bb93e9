#!/bin/sh
# MediaPipe 1.2.2, ImageSegmenter: a .tflite that gives a class map, as networks with the argmax inside do.
#
# Expected: the category mask is that map, or the file is refused: it has a class in each pixel and no scores.
# Seen: with a uint8 input the file opens, and the class numbers are taken for scores. For a picture with the classes
#   0, 1 and 2 from left to right the category mask is
#   map as float32, (1, height, width, 1): 255, 0, 0; the shape is that of the scores of one class
#   map as int32, (1, height, width, 1): 255, 255, 255; the bytes of the integers are read as floats
#   map as float32 or int32, (1, height, width): column 40 in each pixel; the columns are taken for classes
#   scores, (1, height, width, 3): 0, 1, 2
# So: give MediaPipe scores, or read the class map with LiteRT. The script needs Debian's libegl1 and libgles2 or alike.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv writer
writer/bin/pip install --quiet tensorflow==2.21.0
python3 -m venv reader
reader/bin/pip install --quiet mediapipe==1.2.2 numpy==2.4.6
cat > write.py <<'PYTHON'
import tensorflow as tf


def write(name, function):
    function = tf.function(function, input_signature=[tf.TensorSpec((1, 64, 64, 3), tf.uint8)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    with open(f"{name}.tflite", "wb") as file:
        file.write(converter.convert())


def classes(x):
    red = tf.cast(x[..., 0], tf.float32)
    return tf.cast(red >= 100, tf.float32) + tf.cast(red >= 200, tf.float32)


for dtype in ("float32", "int32"):
    write(f"{dtype}_4", lambda x: tf.cast(classes(x), dtype)[..., None])
    write(f"{dtype}_3", lambda x: tf.cast(classes(x), dtype))
write("scores", lambda x: tf.stack([9 * tf.cast(classes(x) == k, tf.float32) for k in range(3)], -1))
PYTHON
cat > read.py <<'PYTHON'
import mediapipe
import numpy as np
from mediapipe.tasks import python as tasks

picture = np.zeros((64, 64, 3), np.uint8)
picture[:, 20:40], picture[:, 40:] = 150, 250
expected = {"float32_4": [255, 0, 0], "int32_4": [255] * 3, "float32_3": [40] * 3, "int32_3": [40] * 3}
for name, wanted in {**expected, "scores": [0, 1, 2]}.items():
    base = tasks.BaseOptions(model_asset_path=f"{name}.tflite")
    options = tasks.vision.ImageSegmenterOptions(base_options=base, output_category_mask=True)
    with tasks.vision.ImageSegmenter.create_from_options(options) as segmenter:
        result = segmenter.segment(mediapipe.Image(mediapipe.ImageFormat.SRGB, picture))
        found = result.category_mask.numpy_view().squeeze()[0, [5, 30, 60]].tolist()
    print(f"found: {name}: {found}")
    assert found == wanted
PYTHON
writer/bin/python write.py > log 2>&1 && reader/bin/python read.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
