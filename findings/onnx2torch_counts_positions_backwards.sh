#!/bin/sh
# onnx2torch 1.5.15 with torch 2.14.1: an .onnx file made a PyTorch module again, to train it further.
#
# Expected: the module computes what the file does in ONNX Runtime 1.31.1, or onnx2torch says that it cannot.
# Seen, without a warning: a CumSum without attributes sums from the end. PyTorch's exporter by TorchScript
#   (dynamo=False) writes it so, and its newer one does not. Networks such as DETR and Mask2Former make position
#   encodings of sums over ones: rows and columns are then numbered from the lower right corner. Besides, the maximum
#   over the axes [-2, -1] with keepdims=0, a global pooling, is one over rows and channels; over [2, 3], it is right.
# So: compare the module with ONNX Runtime before you train it, or write reverse=0 into each CumSum.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnx2torch==1.5.15 torch==2.14.1 torchvision==0.29.1 onnx==1.23.2 onnxruntime==1.31.1 \
    onnxscript==0.7.2 numpy==2.4.6
cat > positions.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper
from onnx2torch import convert


class Columns(torch.nn.Module):
    def forward(self, mask):
        return mask.cumsum(2)


def both(model, values):
    """Return what ONNX Runtime and the PyTorch module compute."""
    right = ort.InferenceSession(model.SerializeToString()).run(None, {"x": values.numpy()})[0]
    return right, convert(model)(values).numpy()


mask = torch.ones(1, 4, 6)
torch.onnx.export(Columns(), (mask,), "columns.onnx", input_names=["x"], opset_version=17, dynamo=False)
model = onnx.load("columns.onnx")
(node,) = [node for node in model.graph.node if node.op_type == "CumSum"]
right, found = both(model, mask)
print("found columns: ONNX Runtime", right[0, 0], "onnx2torch", found[0, 0])
assert (right[0, 0] == [1, 2, 3, 4, 5, 6]).all() and (found[0, 0] == [6, 5, 4, 3, 2, 1]).all()
node.attribute.append(helper.make_attribute("reverse", 0))
assert np.array_equal(*both(model, mask))

channels = torch.arange(60.0).reshape(1, 3, 4, 5)
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, channels.shape)
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
for axes in ([2, 3], [-2, -1]):
    graph = helper.make_graph([helper.make_node("ReduceMax", ["x"], ["y"], axes=axes, keepdims=0)], "pool", [x], [y])
    right, found = both(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]), channels)
    print(f"found maxima over {axes}: ONNX Runtime", right[0], "onnx2torch", found[0])
    assert np.array_equal(right, found) == (axes == [2, 3])
PYTHON
venv/bin/python positions.py > log 2>&1 || { cat log; exit 1; }
grep ^found log
