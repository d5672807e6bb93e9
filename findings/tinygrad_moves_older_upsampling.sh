#!/bin/sh
# tinygrad 0.14.0: its OnnxRunner beside ONNX Runtime 1.32.0, on the backend that needs no compiler (DEV=PYTHON).
#
# Expected: both compute what the ONNX pages say of an operation in the opset of the file.
# Seen, without a warning:
#   Upsample (opset 9, linear), as older exporters wrote it, is computed with the pixel centres of newer files (half
#     pixel) in place of asymmetric ones: at x8, each score moves by 3.5 pixels.
#   Softmax of opset 12 and older runs over all axes from the given one on. It is computed along that axis alone.
# So: export again with opset 13 or newer, and compare with ONNX Runtime.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tinygrad==0.14.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat > beside.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tinygrad import Tensor
from tinygrad.nn.onnx import OnnxRunner


def run(operation, opset, values, inputs=(), **attributes):
    """Return what both make of one operation, as flat lists; its other inputs are constants by name."""
    constants = [numpy_helper.from_array(of, name) for name, of in inputs]
    node = helper.make_node(operation, ["x", *(name for name, _ in inputs)], ["y"], **attributes)
    x = np.array(values, "float32")
    ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, s)] for n, s in (("x", x.shape), ("y", [None] * 4))]
    graph = helper.make_graph([node], "graph", *ends, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, "file.onnx")
    right = onnxruntime.InferenceSession("file.onnx").run(None, {"x": x})[0]
    seen = OnnxRunner("file.onnx")({"x": Tensor(x)})["y"].numpy()
    right, seen = (np.asarray(of, "float64").round(2).ravel().tolist() for of in (right, seen))
    print(f"{operation} of opset {opset}: ONNX Runtime {right}, tinygrad {seen}")
    return right, seen


right, seen = run("Upsample", 9, [[[[0, 1, 2, 3]]]], [("scales", np.float32([1, 1, 1, 8]))], mode="linear")
columns = np.arange(32)
assert np.allclose(right, np.clip(columns / 8, 0, 3), atol=0.01)
assert np.allclose(seen, np.clip((columns - 3.5) / 8, 0, 3), atol=0.01)

assert run("Softmax", 11, [[[[1, 1]], [[1, 1]]]], axis=1) == ([0.25] * 4, [0.5] * 4)
PYTHON
DEV=PYTHON venv/bin/python beside.py
