"""A `.tflite` file as an ONNX file that computes the same, for ONNX Runtime and others that read no `.tflite`.

The ONNX file is made of the `.tflite` file, by tf2onnx, and not of the Keras model once more, so that it has the same
batch normalization folded, the same kernels rounded and the same scales.

A quantized file has its quantization as QuantizeLinear and DequantizeLinear nodes (QDQ) with the scales of the
`.tflite` file: kernels int8, symmetric, one scale per output channel; activations uint8 with a zero point. TensorRT
takes only activations with zero point 0, so that it refuses these; it computes float files in 16 bits.
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import shutil
import tempfile

from keras_liteseg.conversion.apart import run_apart
from keras_liteseg.conversion.onnx_agreement import require_agreement
from keras_liteseg.conversion.onnx_process import REQUEST, RESULT
from keras_liteseg.conversion.options import InputType
from keras_liteseg.errors import UserError
from keras_liteseg.inference.onnx_predictor import INPUT_SCALE, INPUT_ZERO_POINT, METADATA
from keras_liteseg.metadata import Quantization
from keras_liteseg.tflite.flatbuffer import describe, read_model

OPSET = 17
"""Version of the ONNX operators: the highest that TensorRT 8.6 and ONNX Runtime 1.12 know."""

PACKAGES = ("tensorflow", "tf2onnx", "onnx", "onnxruntime")
# ONNX Runtime's conversion to 16 bits imports it, and ONNX Runtime does not ask for it.
_FOR_HALF = ("sympy",)


def require_packages(what, half=False):
    """Raise a `UserError` unless the packages are here that `tflite_to_onnx` needs.

    Args:
        what: what is made, for the message.
        half: whether a file is to compute in 16 bits.
    """
    wanted = (*PACKAGES, *_FOR_HALF) if half else PACKAGES
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        parts = "train,onnx" if "tensorflow" in missing else "onnx"
        raise UserError(f"{what} needs {', '.join(missing)}; install it with: pip install 'keras-liteseg[{parts}]'")


def tflite_to_onnx(
    source, target, *, half=False, int8=False, npu=False, names=None, opset=OPSET, properties=None, time_limit=600
):
    """Write a `.tflite` file as ONNX; its inputs and outputs stay what they are but for `int8` and `npu`.

    Args:
        source: path of a `.tflite` file.
        target: path of the file to write.
        half: whether the ONNX file shall compute in 16 bits; not of an int8 file.
        int8: whether the activations of a quantized file, inputs and outputs too, shall become uint8. An int8 of it is
            128 less than the uint8 that stands for the same value in the ONNX file.
        npu: whether it is for the compiler of an NPU: pictures and scores have their channels first, and the graph is
            that of `keras_liteseg.conversion.onnx_npu`.
        names: new names of its inputs and outputs, or None for those of the `.tflite` file.
        opset: version of the ONNX operators.
        properties: {key: text} for the file's `metadata_props`.
        time_limit: seconds that it may take.

    Raises:
        UserError: the file has an op that ONNX has not, the conversion took longer than `time_limit`, or ONNX Runtime
            does not find in the ONNX file what LiteRT finds in the `.tflite` file.
    """
    ends = {"float_input": None, "float_output": None}
    request = {"half": half, "names": names, "int8": int8, "opset": opset, "properties": properties or {}, **ends}
    request["npu"] = npu
    _run(source, target, request, time_limit)


def export_onnx(source, target, metadata, input_type, time_limit):
    """Write a `.tflite` file of ours as ONNX. Its `metadata_props` say what it is: the `Metadata`, the opset, the
    convention of its resizes and, where the input is uint8, its scale and zero point.

    Args:
        source: path of a `.tflite` file with int8 input and output where it is quantized.
        target: path of the file to write.
        metadata: its `Metadata`, with the quantization that the ONNX file shall have.
        input_type: an `InputType`: float32 unless 'uint8'.
        time_limit: seconds that it may take.

    Raises:
        UserError: as `tflite_to_onnx`.
    """
    properties = {METADATA: metadata.to_json(), "opset": str(OPSET)}
    if metadata.quantization != Quantization.INT8:
        half = metadata.quantization == Quantization.FLOAT16
        return tflite_to_onnx(source, target, half=half, properties=properties, time_limit=time_limit)
    file = read_model(source)
    graph = file.subgraphs[0]
    image, result = (describe(graph.tensors[index[0]], file.buffers) for index in (graph.inputs, graph.outputs))
    # One int8 is 128 less than the uint8 that stands for the same value.
    ends = [tensor.scale and (tensor.scale, tensor.zero_point + 128) for tensor in (image, result)]
    request = {"half": False, "names": None, "int8": True, "npu": False, "opset": OPSET, "properties": properties}
    if input_type == InputType.UINT8:
        properties |= {INPUT_SCALE: repr(ends[0][0]), INPUT_ZERO_POINT: str(ends[0][1])}
        ends[0] = None
    return _run(source, target, {**request, "float_input": ends[0], "float_output": ends[1]}, time_limit)


def _run(source, target, request, time_limit):
    with tempfile.TemporaryDirectory(prefix="keras_liteseg_") as name:
        folder = pathlib.Path(name)
        (folder / REQUEST).write_text(json.dumps({"source": str(pathlib.Path(source).resolve()), **request}))
        how = run_apart("keras_liteseg.conversion.onnx_process", folder, time_limit)
        if how:
            raise UserError(f"tf2onnx cannot make ONNX of it: {how}")
        require_agreement(source, folder / RESULT, request)
        shutil.copyfile(folder / RESULT, target)


def versions():
    """Return {package: version} of what makes ONNX files."""
    return {name: importlib.metadata.version(name) for name in PACKAGES[1:]}
