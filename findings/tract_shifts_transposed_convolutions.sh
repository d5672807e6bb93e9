#!/bin/sh
# tract 0.23.9, which runs .onnx files in Rust and browsers: a ConvTranspose that gives output_shape in place of pads.
#
# Expected: what ONNX Runtime 1.31.1 computes. The standard has a formula for the pads: half of the pixels that are too
#   many go at the beginning. Or an error.
# Seen, without an error: all are cut off at the end. A x2 upsampling by a 3x3 or 4x4 kernel comes out one pixel
#   further to the right and down, and a x8 upsampling by a 16x16 kernel, as an FCN has it, 4 pixels. With pads both
#   agree. Besides, GlobalLpPool divides by the number of pixels under its root: an eighth of it for 8x8 pixels.
# So: export transposed convolutions with pads, and compare a file with ONNX Runtime before it goes to tract.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tract==0.23.9 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > places.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime as ort
import tract
from onnx import TensorProto, helper, numpy_helper


def both(op, picture, *constants, **attributes):
    """Return what ONNX Runtime and tract compute."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, picture.shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(constant, "w") for constant in constants]
    node = helper.make_node(op, ["x"] + ["w"] * len(weights), ["y"], **attributes)
    graph = helper.make_graph([node], "graph", [x], [y], weights)
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    onnx.save(model, "model.onnx")
    right = ort.InferenceSession("model.onnx").run(None, {"x": picture})[0]
    return right, tract.onnx().load("model.onnx").into_model().into_runnable().run([picture])[0].to_numpy()


point = np.zeros((1, 1, 8, 8), "float32")
point[0, 0, 4, 4] = 1
for scale, size, by in ((2, 3, 1), (2, 4, 1), (8, 16, 4)):
    kernel = np.ones((1, 1, size, size), "float32")
    cut = size - scale
    for how, shift in (({"pads": 2 * [cut - cut // 2] + 2 * [cut // 2]}, 0), ({"output_shape": 2 * [8 * scale]}, by)):
        maps = both("ConvTranspose", point, kernel, strides=[scale, scale], **how)
        first, moved = (np.flatnonzero(each[0, 0].any(0)).tolist() for each in maps)
        print(f"x{scale}, {size}x{size}, {list(how)[0]}: first column {first[0]}, in tract {moved[0]}")
        assert moved == [column + shift for column in first] and maps[0].shape == maps[1].shape
right, found = both("GlobalLpPool", np.ones((1, 1, 8, 8), "float32"))
print("GlobalLpPool: ONNX Runtime", right.item(), "tract", found.item())
assert np.isclose(right, 8) and np.isclose(found, 1)
PYTHON
venv/bin/python places.py
