#!/bin/sh
# onnx 1.23.2: version_converter.convert_version, which lifts a file of opset 9 or 10, such as older exporters wrote, to
# a newer opset; both run by ONNX Runtime 1.31.1.
#
# Expected: the lifted file computes what the old one did.
# Seen: up to opset 10, a resize has no setting for its grid, and ONNX Runtime puts output pixel i at i / scale, the
#   later "asymmetric". The converter leaves the new setting away, which then means "half_pixel", at
#   (i + 0.5) / scale - 0.5. A x8 upsampling of logits moves everything by 3.5 pixels to the right and down; at a
#   third of the size, the nearest pixel is another. quantize_static of ONNX Runtime lifts a file of opset 9 unasked.
# So: set coordinate_transformation_mode to "asymmetric" in each Resize of a lifted file, or export anew.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6
cat > lift.py <<'PYTHON'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnxruntime.quantization import CalibrationDataReader, quantize_static

RAMP = np.tile(np.arange(24, dtype="float32"), (1, 1, 24, 1))


class Data(CalibrationDataReader):
    batches = [{"x": RAMP}]
    def get_next(self):
        return self.batches.pop() if self.batches else None


def run(model):
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": RAMP})[0][0, 0, 0]


def resize(op, opset, mode, scale):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, None, None)) for name in "xy")
    scales = numpy_helper.from_array(np.array([1, 1, scale, scale], "float32"), "scales")
    graph = helper.make_graph([helper.make_node(op, ["x", "scales"], ["y"], mode=mode)], "resize", [x], [y], [scales])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])


def moved(what, old, new):
    pixels = 8 * (run(old) - run(new))[32:160]
    print(f"upsampling, {what}: moved by {pixels.mean():.2f} pixels")
    assert np.allclose(pixels, 3.5, atol=0.5)


old = resize("Upsample", 9, "linear", 8)
quantize_static(old, "int8.onnx", Data())
moved("lifted", old, version_converter.convert_version(old, 18))
moved("quantized", old, onnx.load("int8.onnx"))
old = resize("Resize", 10, "nearest", 1 / 3)
found = run(old).tolist(), run(version_converter.convert_version(old, 18)).tolist()
print("nearest to a third:", *found)
assert found == ([0, 3, 6, 9, 12, 15, 18, 21], [1, 4, 7, 10, 13, 16, 19, 22])
PYTHON
venv/bin/python lift.py 2> log || { cat log; exit 1; }
