#!/bin/sh
# OpenVINO 2026.4.1: .onnx files with a log-sum-exp, an L1 norm or a resize that smoothes.
#
# Expected: the numbers of onnxruntime, or an error.
# Seen, without a warning:
#   ReduceLogSumExp, ReduceL1 and ReduceLogSum, opset 13 to 17, where `axes` is an attribute: over all axes, so that a
#     map of 2x2 pixels becomes one number. ReduceMean and ReduceL2 are right, and all of them in opsets 11 and 18.
#   Resize with antialias=1, as PyTorch exports F.interpolate(..., antialias=True): as if it said 0.
#   Resize with keep_aspect_ratio_policy="not_larger": as if it said "stretch".
# So: export with opset 18 or newer, and make pictures smaller before the network; compare with onnxruntime.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > read.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper


def run(operation, x, version, size=None, **attributes):
    """Give the results of onnxruntime and of OpenVINO."""
    size = [] if size is None else [numpy_helper.from_array(np.array(size, np.int64), "size")]
    node = helper.make_node(operation, ["x", "", "", "size"] if size else ["x"], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))]
    graph = helper.make_graph([node], operation, inputs, outputs, size)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "one.onnx")
    session = onnxruntime.InferenceSession("one.onnx", providers=["CPUExecutionProvider"])
    [expected], [found] = session.run(None, {"x": x}), openvino.compile_model("one.onnx", "CPU")(x).values()
    for name, y in (("onnxruntime", expected), ("OpenVINO", found)):
        print(operation, version, attributes, name, y.shape, y.ravel()[:4].astype(float).round(3).tolist())
    return expected, found


scores = np.ones((1, 3, 2, 2), np.float32)
for operation, sum_of_all in [("ReduceLogSumExp", 1 + np.log(12)), ("ReduceL1", 12), ("ReduceLogSum", np.log(12))]:
    expected, found = run(operation, scores, 11, axes=[1])
    assert np.allclose(expected, found, atol=0.02)
    expected, found = run(operation, scores, 17, axes=[1])
    assert expected.shape == (1, 1, 2, 2) and found.shape == (1, 1, 1, 1) and np.allclose(found, sum_of_all, atol=0.02)
stripes = np.tile(np.arange(8, dtype=np.float32) % 2, (1, 1, 8, 1))
expected, found = run("Resize", stripes, 18, [1, 1, 2, 2], mode="linear", antialias=1)
assert np.allclose(expected[0, 0, 0], [0.40625, 0.59375]) and np.allclose(found, 0.5, atol=0.01)
expected, found = run("Resize", stripes[:, :, :4], 18, [8, 8], axes=[2, 3], keep_aspect_ratio_policy="not_larger")
assert expected.shape == (1, 1, 4, 8) and found.shape == (1, 1, 8, 8)
PYTHON
venv/bin/python read.py
