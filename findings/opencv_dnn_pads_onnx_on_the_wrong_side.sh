#!/bin/sh
# OpenCV 5.0.0.93, cv2.dnn: an .onnx file with auto_pad, as tf2onnx writes for a Keras network of open picture size.
#
# Expected: auto_pad="SAME_UPPER" pads as Keras and onnxruntime do: at even sizes, a 3x3 window that moves by 2 gets
#   its row and column of zeros below and on the right.
# Seen: the engine that readNetFromONNX takes by itself pads above and on the left, without a warning. Each such
#   convolution and pool shifts what follows by one pixel of its input: of the numbers 1 to 16 in a 4x4 picture, the
#   largest come out as 6, 8, 14, 16 in place of 11, 12, 15, 16. ENGINE_CLASSIC pads as it should.
# So: export with a fixed size (then tf2onnx writes the padding in numbers, which is read well), or compare with
#   onnxruntime.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > pad.py <<'PYTHON'
import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

picture = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
ones = numpy_helper.from_array(np.ones((1, 1, 3, 3), np.float32), "w")


def run(operation, inputs, **padding):
    """Give the values of onnxruntime and of the two engines of OpenCV."""
    node = helper.make_node(operation, inputs, ["y"], kernel_shape=[3, 3], strides=[2, 2], **padding)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]) for name in "xy"]
    graph = helper.make_graph([node], operation, values[:1], values[1:], [ones] if "w" in inputs else [])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "one.onnx")
    found = [onnxruntime.InferenceSession("one.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": picture})[0]]
    for options in ([], [cv2.dnn.ENGINE_CLASSIC]):
        net = cv2.dnn.readNetFromONNX("one.onnx", *options)
        net.setInput(picture)
        found.append(net.forward())
    found = [y.ravel().tolist() for y in found]
    print(operation, padding, "onnxruntime", found[0], "OpenCV", found[1], "ENGINE_CLASSIC", found[2])
    return found


for operation, inputs, wanted in [
    ("MaxPool", ["x"], [6, 8, 14, 16]),
    ("AveragePool", ["x"], [3.5, 5, 9.5, 11]),
    ("Conv", ["x", "w"], [14, 30, 57, 99]),
]:
    right, seen, classic = run(operation, inputs, auto_pad="SAME_UPPER")
    assert seen == wanted != right == classic
    right, seen, classic = run(operation, inputs, pads=[0, 0, 1, 1])
    assert seen == right == classic
PYTHON
venv/bin/python pad.py
