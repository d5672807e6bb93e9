#!/bin/sh
# onnxruntime 1.31.1 and onnxoptimizer 0.4.2: an .onnx file with a padding by zeros before a pool.
#
# Expected: what optimizes a graph keeps its numbers.
# Seen: both make the padding that of the pool, onnxruntime by itself when it opens the file, without a warning. A
#   MaxPool pads with minus infinity and not with zeros: where the values are negative, as behind a convolution without
#   ReLU, the edge gets other numbers. Behind a ReLU nothing changes. onnxruntime 1.32.0 no longer does so.
#   onnxoptimizer also does it to an AveragePool that has padding and does not count it, and zeros leave its mean.
# So: switch optimizations off to compare (ORT_DISABLE_ALL), take onnxruntime 1.32.0, and give onnxoptimizer's optimize
#   the list of passes without fuse_pad_into_pool.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnxoptimizer==0.4.2 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > pool.py <<'PYTHON'
import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

PADS = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "pads")


def values(model, x, level=onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def compare(operation, x, **attributes):
    """Say whether onnxruntime's optimizations, and onnxoptimizer, leave the numbers as they are."""
    x = np.array(x, np.float32)
    nodes = [helper.make_node("Pad", ["x", "pads"], ["z"])]
    nodes.append(helper.make_node(operation, ["z"], ["y"], kernel_shape=[3, 3], **attributes))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "h", "w"]) for name in "xy"]
    graph = helper.make_graph(nodes, "pool", ends[:1], ends[1:], [PADS])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    found = [values(model, x), values(model, x, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)]
    found.append(values(onnxoptimizer.optimize(model), x))
    for name, y in zip(("as it is", "onnxruntime", "onnxoptimizer"), found, strict=True):
        print(operation, attributes, f"{name}:", y[0, 0, 0].astype(float).round(2).tolist())
    return [np.allclose(found[0], y) for y in found[1:]]


picture = np.arange(1, 17).reshape(1, 1, 4, 4)
assert compare("MaxPool", -picture) == [False, False]
assert compare("MaxPool", picture) == [True, True]
assert compare("AveragePool", picture) == [True, True]
assert compare("AveragePool", picture, pads=[1, 1, 1, 1]) == [True, False]
PYTHON
venv/bin/python pool.py
