"""A float .tflite file as ONNX, for TensorRT, which reads no .tflite."""

from edge.device.trtexec import OPSET, input_name, output_name
from edge.targets.protocol import MeasurementFailed
from keras_liteseg.conversion.onnx_export import require_packages, tflite_to_onnx
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.flatbuffer import describe, read_model


def check():
    """Raise a `UserError` unless the packages are here that `convert` needs."""
    require_packages("TensorRT, which needs the network as ONNX,", half=True)


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
    try:
        tflite_to_onnx(model, path, half=half, names=names, opset=OPSET)
    except UserError as error:
        raise MeasurementFailed(str(error)) from error


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
