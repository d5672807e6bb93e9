#!/bin/sh
# onnxruntime 1.31.1: quantize_static with CalibrationMethod.Entropy, on pictures of which one has a single wild value.
#
# Expected: Entropy looks for the range that loses least of the distribution, and cuts off a value far outside of all
#   others; MinMax covers everything.
# Seen, without a warning: Entropy gives the very range of MinMax. It sorts the values into 128 bins and looks for a
#   range of at least 128 of them, so that there is one to choose from. With one value of 100 among 50000 from -4.5 to
#   4.7, a step of the 8 bits is 0.41, and 0.04 with 2048 bins, which quantize_static has no option for.
# So: give CalibPercentile, such as 99.9, in extra_options, or compute the ranges by create_calibrator with num_bins.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet onnxruntime==1.31.1 onnx==1.23.2 numpy==2.4.6
cat > entropy.py <<'PYTHON'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, quantize_static
from onnxruntime.quantization.calibrate import create_calibrator

SHAPE = 1, 3, 64, 64
pictures = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype("float32")
pictures[0, 0, 0, 0, 0] = 100
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in "xy"]
kernel = numpy_helper.from_array(np.eye(3, dtype="float32").reshape(3, 3, 1, 1), "kernel")
graph = helper.make_graph([helper.make_node("Conv", ["x", "kernel"], ["y"])], "g", ends[:1], ends[1:], [kernel])
onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), "float.onnx")


class Pictures(CalibrationDataReader):
    def __init__(self):
        self.left = iter(pictures)

    def get_next(self):
        picture = next(self.left, None)
        return None if picture is None else {"x": picture}


def step(method, **options):
    """Return the size of a step of the input in the quantized file."""
    quantize_static("float.onnx", "int8.onnx", Pictures(), calibrate_method=method, extra_options=options)
    (scale,) = (each for each in onnx.load("int8.onnx").graph.initializer if each.name == "x_scale")
    return float(numpy_helper.to_array(scale))


entropy = CalibrationMethod.Entropy
steps = {"MinMax": step(CalibrationMethod.MinMax), "Entropy": step(entropy)}
steps["Percentile 99.9"] = step(CalibrationMethod.Percentile, CalibPercentile=99.9)
calibrator = create_calibrator("float.onnx", calibrate_method=entropy, extra_options={"num_bins": 2048})
calibrator.collect_data(Pictures())
low, high = calibrator.compute_data()["x"].range_value
steps["Entropy, 2048 bins"] = float(high - low) / 255
print({name: round(size, 3) for name, size in steps.items()})
assert steps["Entropy"] == steps["MinMax"] > 0.4
assert steps["Entropy, 2048 bins"] < 0.05 and steps["Percentile 99.9"] < 0.05
PYTHON
venv/bin/python entropy.py
