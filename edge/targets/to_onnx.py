"""A float .tflite file as ONNX, for TensorRT, which reads no .tflite; by tf2onnx."""

import importlib.util
import json
import subprocess
import sys

from edge.device.trtexec import OPSET, input_name, output_name
from edge.targets.protocol import MeasurementFailed
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.flatbuffer import describe, read_model

TIMEOUT_S = 600
_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
# A process of its own: tf2onnx loads TensorFlow, and logs.
_CHILD = """
import json, sys
import onnx, tf2onnx
source, target, opset, half, *names = map(json.loads, sys.argv[1:])
try:
    model, _ = tf2onnx.convert.from_tflite(source, opset=opset)
    if half:
        from onnxruntime.transformers.onnx_model import OnnxModel
        converter = OnnxModel(model)
        converter.convert_float_to_float16(keep_io_types=True)
        converter.topological_sort()
        model = converter.model
    graph = model.graph
    new = {tensor.name: name for tensor, name in zip([*graph.input, *graph.output], names, strict=True)}
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for tensor in [*graph.input, *graph.output]:
        tensor.name = new[tensor.name]
    onnx.checker.check_model(model)  # tf2onnx leaves in what it does not know
except Exception as error:
    sys.exit(f"{type(error).__name__}: " + " ".join(str(error).split()))
onnx.save(model, target)
"""


def check():
    """Raise a `UserError` unless the packages are here that `convert` needs."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"TensorRT needs the network as ONNX, and {', '.join(missing)} to make it is not installed; run "
            "pip install -r requirements-onnx.txt."
        )


def convert(model, path, half=False):
    """Write a .tflite file as ONNX. Inputs and outputs keep their order and are named as `edge.device.trtexec` wants.

    Args:
        model: path of a .tflite file with float32 or float16 weights.
        path: the file to write.
        half: whether the ONNX file shall compute in 16 bits; inputs and outputs stay what they are.

    Raises:
        MeasurementFailed: the file is quantized, or has an op that ONNX has not.
    """
    graph = _float_graph(model)
    names = [input_name(number) for number in range(len(graph.inputs))]
    names += [output_name(number) for number in range(len(graph.outputs))]
    arguments = [json.dumps(value) for value in (str(model), str(path), OPSET, half, *names)]
    command = [sys.executable, "-c", _CHILD, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"tf2onnx made no ONNX of it within {TIMEOUT_S} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise MeasurementFailed(f"tf2onnx cannot make ONNX of it: {said[-1][:300] if said else done.returncode}")


def _float_graph(model):
    file = read_model(model)
    graph = file.subgraphs[0]
    tensors = [describe(tensor, file.buffers) for tensor in graph.tensors]
    quantized = [tensor for tensor in tensors if tensor.scale is not None or tensor.channel_scales]
    if quantized:
        shifted = sum(bool(tensor.zero_point) for tensor in quantized)
        raise MeasurementFailed(
            f"it is quantized ({len(quantized)} tensors, {shifted} of them with a zero point other than 0, where "
            "TensorRT takes only 0); give the float32 or float16 file of the network"
        )
    return graph
