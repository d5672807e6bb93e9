"""A .tflite file as ONNX, for TensorRT and ONNX Runtime, which read no .tflite."""

from edge.device.trtexec import OPSET, input_name, output_name
from edge.targets.protocol import MeasurementFailed
from keras_liteseg.conversion.onnx_export import OPSET as EXPORTED_OPSET
from keras_liteseg.conversion.onnx_export import require_packages, tflite_to_onnx
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.flatbuffer import describe, read_model


def check(runtime="TensorRT"):
    """Raise a `UserError` unless the packages are here that the functions below need for a runtime."""
    require_packages(f"{runtime}, which needs the network as ONNX,", half=runtime == "TensorRT")


def convert(model, path, half=False):
    """Write a .tflite file as ONNX for TensorRT. Inputs and outputs keep their order and get the names that
    `edge.device.trtexec` wants.

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
    try:
        tflite_to_onnx(model, path, half=half, names=names, opset=OPSET)
    except UserError as error:
        raise MeasurementFailed(str(error)) from error


def convert_for_onnxruntime(model, path):
    """Write a .tflite file as ONNX, as liteseg export does, but with its own inputs and outputs: uint8 where they are
    int8. The file says its opset.

    Raises:
        MeasurementFailed: it has an op that ONNX has not.
    """
    file = read_model(model)
    try:
        properties = {"opset": str(EXPORTED_OPSET)}
        tflite_to_onnx(model, path, int8=bool(_quantized(file, file.subgraphs[0])), properties=properties)
    except UserError as error:
        raise MeasurementFailed(str(error)) from error


def convert_for_npus(model, path, time_limit):
    """Write a .tflite file as ONNX for the compilers of NPUs, see `keras_liteseg.conversion.onnx_npu`: its inputs and
    outputs keep their types, and have their channels first.

    Raises:
        MeasurementFailed: it has an op that ONNX has not, or takes longer than `time_limit` seconds.
    """
    try:
        tflite_to_onnx(model, path, npu=True, time_limit=time_limit)
    except UserError as error:
        raise MeasurementFailed(str(error)) from error


def _quantized(file, graph):
    tensors = [describe(tensor, file.buffers) for tensor in graph.tensors]
    return [tensor for tensor in tensors if tensor.scale is not None or tensor.channel_scales]


def _float_graph(model):
    file = read_model(model)
    graph = file.subgraphs[0]
    quantized = _quantized(file, graph)
    if quantized:
        shifted = sum(bool(tensor.zero_point) for tensor in quantized)
        raise MeasurementFailed(
            f"it is quantized ({len(quantized)} tensors, {shifted} of them with a zero point other than 0, where "
            "TensorRT takes only 0); give the float32 or float16 file of the network"
        )
    return graph
