#!/bin/sh
# onnxslim 0.1.98: a convolution whose output is multiplied by a weight for each row, as a panorama or a map of the
# globe weighs its rows.
#
# Expected: the slimmed file computes what the original does. A factor is folded into the convolution if it is one for
#   each channel, of the shape (channels, 1, 1).
# Seen, without a warning: it is folded as soon as it has as many numbers as there are channels, whatever its shape.
#   With 16 channels and 16 rows, (16, 1) weighs the channels in place of the rows; (1, 16) and (16,) do so with
#   columns. ONNX Runtime 1.31.1 answers something else for nearly all pixels. With 15 rows nothing happens, so that it
#   depends on the size a network is exported for. Additions are not touched.
# So: compare outputs before and after at the size you use; slim() of other sizes says nothing about it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > slim.py <<'PYTHON'
import numpy as np
import onnxruntime as ort
import onnxslim
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 16
rng = np.random.default_rng(0)


def changed(op, shape, size=CHANNELS):
    """Return the part of the output that another value stands in after slimming."""
    picture = rng.normal(size=(1, 4, size, size)).astype("float32")
    arrays = {"kernel": rng.normal(size=(CHANNELS, 4, 1, 1)), "factors": np.linspace(1, 2, max(shape)).reshape(shape)}
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, picture.shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, CHANNELS, size, size))
    convolution = helper.make_node("Conv", ["x", "kernel"], ["features"])
    weighing = helper.make_node(op, ["features", "factors"], ["y"])
    constants = [numpy_helper.from_array(value.astype("float32"), name) for name, value in arrays.items()]
    graph = helper.make_graph([convolution, weighing], "weigh", [x], [y], constants)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    sessions = [ort.InferenceSession(each.SerializeToString()) for each in (model, onnxslim.slim(model))]
    before, after = (session.run(None, {"x": picture})[0] for session in sessions)
    part = (abs(before - after) > 1e-3).mean()
    print(f"{op} {shape}, {size} rows and columns: {part:.0%} of the numbers differ")
    return part


for shape in ((CHANNELS, 1), (1, CHANNELS), (CHANNELS,)):
    assert changed("Mul", shape) > 0.8
    assert changed("Add", shape) == 0
assert changed("Mul", (CHANNELS, 1, 1)) == 0
assert changed("Mul", (15, 1), size=15) == 0
PYTHON
venv/bin/python slim.py
