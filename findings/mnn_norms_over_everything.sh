#!/bin/sh
# MNN 3.6.1: .onnx files of opset 18 or newer with a norm, or with a resize that smoothes.
#
# Expected: the numbers of ONNX Runtime 1.31.1, or an error of the converter.
# Seen, without a warning:
#   ReduceL2 and ReduceL1 (and alike ReduceLogSumExp), whose `axes` are an input since opset 18: over all axes.
#     F.normalize(x, dim=1), as PyTorch exports it unless told an older opset, then divides each pixel by the norm of
#     the whole map: features of a picture of four times as many pixels are half as large. In opset 17 they are right.
#   Resize with antialias=1: as if it said 0.
# So: export with opset 17 for MNN, and compare the file with ONNX Runtime.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet MNN==3.6.1 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > norms.py <<'PYTHON'
import _tools  # the converter of MNN; its command installs another package first
import MNN
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def both(x, version, *nodes, **constants):
    """Return what ONNX Runtime and MNN compute."""
    nodes = [helper.make_node(op, ins.split(" "), outs.split(" "), **attributes) for op, ins, outs, attributes in nodes]
    constants = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))]
    graph, opset = helper.make_graph(nodes, "g", inputs, outputs, constants), helper.make_opsetid("", version)
    model = helper.make_model(graph, ir_version=8, opset_imports=[opset])
    onnx.checker.check_model(model)
    onnx.save(model, "one.onnx")
    [expected] = onnxruntime.InferenceSession("one.onnx").run(None, {"x": x})
    _tools.mnnconvert("mnnconvert -f ONNX --modelFile one.onnx --MNNModel one.mnn --bizCode x".split())
    net = MNN.nn.load_module_from_file("one.mnn", ["x"], ["y"])
    y = net.forward([MNN.expr.const(x.ravel().tolist(), x.shape, MNN.expr.NCHW)])[0]
    found = np.array(MNN.expr.convert(y, MNN.expr.NCHW).read())
    for name, y in (("ONNX Runtime", expected), ("MNN", found)):
        print(f"\nfound {nodes[0].op_type} {version} {name} {y.shape} {y.ravel()[:4].astype(float).round(3).tolist()}")
    return expected, found


ones = np.ones((1, 4, 5, 5), np.float32)
for op, pixel, everything in (("ReduceL2", 2, 10), ("ReduceL1", 4, 100), ("ReduceMean", 1, 1)):
    expected, found = both(ones, 17, (op, "x", "n", {"axes": [1]}), ("Div", "x n", "y", {}))
    assert np.allclose(expected, 1 / pixel) and np.allclose(found, expected)
    expected, found = both(ones, 18, (op, "x a", "n", {}), ("Div", "x n", "y", {}), a=[1])
    assert np.allclose(expected, 1 / pixel) and np.allclose(found, 1 / everything)
stripes = np.tile(np.arange(8, dtype=np.float32) % 2, (1, 1, 8, 1))
expected, found = both(stripes, 18, ("Resize", "x   size", "y", {"mode": "linear", "antialias": 1}), size=[1, 1, 2, 2])
assert np.allclose(expected[0, 0, 0], [0.40625, 0.59375]) and np.allclose(found, 0.5)
PYTHON
venv/bin/python norms.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
