#!/bin/sh
# onnx 1.23.2: ReferenceEvaluator, the standard's own runtime, and onnxruntime 1.31.1 on models of one operation.
#
# Expected: the two agree, since the first is what others are checked against.
# Seen, without a warning:
#   MaxPool with padding below and on the right alone   3x5 values of a 4x4 picture, in place of 4x4
#   MaxPool with auto_pad SAME_LOWER and stride 2       2x2 values of a 5x5 picture, in place of 3x3
#   ConvTranspose, a group for each channel, bias       the bias of channel 1 in each of four channels
#   LRN over 3 channels                                 all channels but the first stay as they are
#   LpNormalization with p=1                            divided by the sum, not by that of the absolute values
#   Softmax along channels before version 13            over the channel, not over all that follows it too
# So: check an export with onnxruntime, or with the network that it came from.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > compare.py <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def compare(operation, x, *weights, version=17, **attributes):
    """Print the values of both runtimes, and give those of the reference."""
    x, names = np.array(x, np.float32), [f"w{k}" for k in range(len(weights))]
    node = helper.make_node(operation, ["x", *names], ["y"], **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))]
    weights = [numpy_helper.from_array(np.array(w, np.float32), name) for w, name in zip(weights, names, strict=True)]
    graph = helper.make_graph([node], operation, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [reference], [other] = ReferenceEvaluator(model).run(None, {"x": x}), session.run(None, {"x": x})
    for name, y in (("ReferenceEvaluator", reference), ("onnxruntime", other)):
        print(operation, name, y.shape, y.ravel()[:8].astype(float).round(3).tolist())
    assert reference.shape != other.shape or not np.allclose(reference, other)
    return reference


picture = np.arange(25).reshape(1, 1, 5, 5)
assert compare("MaxPool", picture[..., :4, :4], kernel_shape=[2, 2], pads=[0, 0, 1, 1]).shape == (1, 1, 3, 5)
same = {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}
assert compare("MaxPool", picture, **same).shape == (1, 1, 2, 2)
y = compare("ConvTranspose", np.zeros((1, 4, 1, 1)), np.ones((4, 1, 1, 1)), [1, 2, 3, 4], group=4)
assert y.ravel().tolist() == [1, 1, 1, 1]
row = np.array([1, 2, -4], np.float32).reshape(1, 3, 1, 1)
assert np.allclose(compare("LRN", row, size=3, alpha=1.0, beta=1.0).ravel(), [0.375, 2, -4])
assert np.allclose(compare("LpNormalization", row, axis=1, p=1).ravel(), [-1, -2, 4])
assert np.allclose(compare("Softmax", np.zeros((1, 2, 1, 2)), axis=1, version=11).ravel(), [0.5] * 4)
PYTHON
venv/bin/python compare.py
