#!/bin/sh
# OpenVINO 2026.4.1: .tflite files with a resize to the nearest pixel, and with the maximum of int8 scores.
#
# Expected: the numbers of LiteRT.
# Seen, without a warning:
#   tf.image.resize(..., "nearest"), as TensorFlow writes it (half_pixel_centers): made smaller by 2, a row of pixels 0
#     to 9 gives 0, 2, 4, 6, 8 in place of 1, 3, 5, 7, 9; at 23 columns, 5 are others. Made larger by 2 it is right,
#     as are bilinear resizes.
#   A file with int8 input and output that ends in REDUCE_MAX, as one that gives the score of the best class: each
#     result of 0 units or more comes out as -1. With float32 or uint8 at both ends it is right.
# So: make pictures smaller outside the network, take the maximum outside it too, or compare with LiteRT.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tensorflow==2.21.0 ai-edge-litert==2.3.0 openvino==2026.4.1 numpy==2.4.6
cat > read.py <<'PYTHON'
import numpy as np
import openvino
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def run(name, function, x, int8=False):
    function = tf.function(function, input_signature=[tf.TensorSpec(x.shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: [[x]]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with open("one.tflite", "wb") as file:
        file.write(converter.convert())
    litert = Interpreter("one.tflite")
    litert.allocate_tensors()
    if int8:
        scale, zero = litert.get_input_details()[0]["quantization"]
        x = np.round(x / scale + zero).clip(-128, 127).astype(np.int8)
    litert.set_tensor(litert.get_input_details()[0]["index"], x)
    litert.invoke()
    expected = litert.get_tensor(litert.get_output_details()[0]["index"]).ravel()
    [found] = openvino.compile_model("one.tflite", "CPU")(x).values()
    print(f"found: {name}: LiteRT {expected.tolist()}, OpenVINO {found.ravel().tolist()}")
    return expected, found.ravel()


row = np.arange(10, dtype=np.float32).reshape(1, 1, 10, 1)
for columns, wrong in ((5, 5), (23, 5), (20, 0)):
    expected, found = run(f"{columns} columns", lambda x: tf.image.resize(x, (1, columns), "nearest"), row)
    assert (expected != found).sum() == wrong
scores = np.arange(-8, 8, dtype=np.float32).reshape(1, 2, 4, 2)
for int8 in (False, True):
    expected, found = run(f"maximum, int8={int8}", lambda x: tf.reduce_max(x, -1), scores, int8)
    assert np.array_equal(found, np.where(expected >= 0, -1, expected) if int8 else expected)
PYTHON
venv/bin/python read.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
