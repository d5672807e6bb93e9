#!/bin/sh
# onnx2keras 0.0.25 with Keras 3.15.1: an .onnx file, as a teacher or a backbone, made a Keras model.
#
# Expected: the model computes what the file does in ONNX Runtime 1.31.1, or onnx2keras says that it cannot.
# Seen, without a warning, with change_ordering or without:
#   pools with a stride and a padding are over zeros: an AveragePool of ones, whose count_include_pad is 0, is 4/9 in
#     the corner and 6/9 at the edge, and a MaxPool of -1 is 0 there;
#   ceil_mode of a pool is ignored, and auto_pad of pools and convolutions: 3 columns come out in place of 4;
#   a convolution of 1x3 with dilation 2 has none: the dilation of the rows is taken for both.
# So: compare the model with ONNX Runtime before you distil from it, at a size that the strides do not divide too.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnx2keras==0.0.25 keras==3.15.1 tensorflow==2.21.0 onnx==1.23.2 onnxruntime==1.31.1 \
    numpy==2.4.6
cat > compare.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx2keras import onnx_to_keras


def rows(operation, x, constant=None, **attributes):
    """Return the first row that ONNX Runtime computes, and that of the Keras model."""
    constants = [] if constant is None else [numpy_helper.from_array(constant, "c")]
    node = helper.make_node(operation, ["x", "c"] if constants else ["x"], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))]
    graph = helper.make_graph([node], operation, inputs, outputs, constants)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    onnx.checker.check_model(model)
    [right] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    found = onnx_to_keras(model, ["x"], verbose=False, change_ordering=True)(x.transpose(0, 2, 3, 1)).numpy()
    right, found = right[0, 0, 0].astype(float).round(3).tolist(), found[0, 0, :, 0].astype(float).round(3).tolist()
    print("found", operation, attributes, "ONNX Runtime", right, "Keras", found)
    return right, found


ones, columns = np.ones((1, 1, 8, 8), np.float32), np.tile(np.arange(8, dtype=np.float32), (1, 1, 8, 1))
pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
assert rows("AveragePool", ones, **pool) == ([1, 1, 1, 1], [0.444, 0.667, 0.667, 0.667])
assert rows("MaxPool", -ones, **pool) == ([-1, -1, -1, -1], [0, 0, 0, 0])
assert rows("MaxPool", columns, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1) == ([2, 4, 6, 7], [2, 4, 6])
kernel = np.ones((1, 1, 3, 3), np.float32)
right, found = rows("Conv", columns, kernel, strides=[2, 2], auto_pad="SAME_UPPER")
assert (right, found) == ([9, 27, 45, 39], [9, 27, 45])
right, found = rows("Conv", columns, kernel[:, :, :1], dilations=[1, 2])
assert (right, found) == ([6, 9, 12, 15], [3, 6, 9, 12, 15, 18])
PYTHON
venv/bin/python compare.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
