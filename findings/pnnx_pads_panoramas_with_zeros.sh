#!/bin/sh
# pnnx 20261020 and ncnn 1.0.20261020: a network with circular padding, as those for panoramas and the range pictures of
# a lidar have it.
#
# Expected: ncnn gives what onnxruntime gives, or pnnx refuses the file: ncnn has no such padding.
# Seen: pnnx writes padding with zeros in its place, without a warning, for Pad with mode="wrap" in an .onnx file (and
#   alike for nn.Conv2d(..., padding_mode="circular") of PyTorch). What crosses the edge of the picture is cut there.
#   Reflected and repeated pixels are carried over.
# So: compare ncnn's scores with those of the network before you use the file, or concatenate the columns by hand.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet ncnn==1.0.20261020 onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
# Its program needs no PyTorch for .onnx files.
venv/bin/pip install --quiet --no-deps pnnx==20261020
cat > write.py <<'PYTHON'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

constants = {"w": np.eye(4, dtype=np.float32)[:, :, None, None], "pads": np.array([0, 0, 0, 2, 0, 0, 0, 2], np.int64)}
constants = [numpy_helper.from_array(value, name) for name, value in constants.items()]
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 3, 6))
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 3, 10))
for mode in ("wrap", "reflect", "edge"):
    same = helper.make_node("Conv", ["x", "w"], ["z"], kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1], group=1)
    nodes = [same, helper.make_node("Pad", ["z", "pads"], ["y"], mode=mode)]
    graph = helper.make_graph(nodes, mode, [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, f"{mode}.onnx")
PYTHON
cat > compare.py <<'PYTHON'
import ncnn
import numpy as np
import onnxruntime

picture = np.tile(np.arange(1, 7, dtype=np.float32), (1, 4, 3, 1))
for mode in ("wrap", "reflect", "edge"):
    session = onnxruntime.InferenceSession(f"{mode}.onnx", providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": picture})[0][0, 0, 0].tolist()
    net = ncnn.Net()
    assert net.load_param(f"{mode}.ncnn.param") == net.load_model(f"{mode}.ncnn.bin") == 0
    extractor = net.create_extractor()
    extractor.input("in0", ncnn.Mat(picture[0]).clone())
    found = np.array(extractor.extract("out0")[1])[0, 0].tolist()
    print(f"{mode}: onnxruntime {expected}, ncnn {found}")
    assert found == ([0, 0, 1, 2, 3, 4, 5, 6, 0, 0] if mode == "wrap" else expected)
PYTHON
venv/bin/python write.py
for mode in wrap reflect edge; do
    venv/lib/python3*/site-packages/pnnx/pnnx $mode.onnx "inputshape=[1,4,3,6]" > log 2>&1 || { tail -5 log; exit 1; }
done
venv/bin/python compare.py
