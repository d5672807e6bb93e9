#!/bin/sh
# onnx2tf 1.29.24, the last one for Python 3.11: .onnx files with a flip and with a CumSum, made .tflite.
#
# Expected: LiteRT 2.3.0 gives what ONNX Runtime 1.31.1 gives, or onnx2tf says that it cannot.
# Seen, without a warning:
#   a flip, a Slice with a step of -1, as PyTorch exports torch.flip and so flips at test time: nothing is flipped
#   CumSum: channels move to the end, and the axis stays as it was, so that a sum down the rows (axis 2) becomes one
#     along each row, and a sum along each row (axis 3) one over the channels. DETR, Mask2Former and others number rows
#     and columns by such sums over ones: columns take the place of rows there.
# Means, maxima and softmax are right along each axis.
# So: flip outside the network, make position encodings constants, and compare each file with ONNX Runtime.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-deps onnx2tf==1.29.24
venv/bin/pip install --quiet tensorflow==2.21.0 tf_keras==2.21.0 onnx==1.23.2 onnxruntime==1.31.1 onnxsim==0.8.1 \
    onnx-graphsurgeon==0.6.1 sng4onnx==2.0.1 ai-edge-litert==2.3.0 psutil==7.2.2 requests==2.34.2 numpy==2.4.6
cat > axes.py <<'PYTHON'
import numpy as np
import onnx
import onnx2tf
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

picture = np.random.default_rng(0).uniform(size=(1, 4, 6, 8)).astype("float32")


def in_both(kind, *inputs, **settings):
    """Return what ONNX Runtime and the .tflite of onnx2tf compute of relu(picture), channels in front."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, picture.shape) for name in "xy"]
    constants = [numpy_helper.from_array(np.array(value), f"input{i}") for i, value in enumerate(inputs)]
    node = helper.make_node(kind, ["relu", *(each.name for each in constants)], ["y"], **settings)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["relu"]), node], "axes", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), "axes.onnx")
    onnx2tf.convert("axes.onnx", output_folder_path="converted", verbosity="error", non_verbose=True)
    run = Interpreter("converted/axes_float32.tflite")
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], picture.transpose(0, 2, 3, 1))
    run.invoke()
    converted = run.get_tensor(run.get_output_details()[0]["index"]).transpose(0, 3, 1, 2)
    return onnxruntime.InferenceSession("axes.onnx").run(None, {"x": picture})[0], converted


right, converted = in_both("Slice", [-1], [-1000], [3], [-1])
print("Slice: ONNX Runtime flips:", (right == picture[..., ::-1]).all(), "; onnx2tf:", (converted != picture).any())
assert (right == picture[..., ::-1]).all() and (converted == picture).all()
for axis, other in ((2, 3), (3, 1)):
    right, converted = in_both("CumSum", axis)
    off, off_other = (float(abs(converted - picture.cumsum(each)).max()) for each in (axis, other))
    print(f"CumSum along axis {axis}: off by {off:.1f}; from one along axis {other}, by {off_other:.6f}")
    assert np.allclose(right, picture.cumsum(axis), atol=1e-5) and off > 1 and off_other < 1e-4
    assert np.allclose(*in_both("Softmax", axis=axis), atol=1e-5)
PYTHON
venv/bin/python axes.py
