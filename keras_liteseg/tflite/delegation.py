"""Which ops of a TFLite file XNNPACK leaves to LiteRT's built-in kernels, and why."""

import dataclasses
import math

from keras_liteseg.tflite.flatbuffer import describe
from keras_liteseg.tflite.partitions import left_out, op_details

# LiteRT logs no reason for an op that XNNPACK refuses. These are the conditions that its documentation names
# (tflite/delegates/xnnpack/README.md in the LiteRT repository); they only explain what the interpreter showed. The
# limits of ADD, SUB and MUL are not in there; LiteRT 2.3.0 was found to have them.
_FLOAT = set(
    "ABS ADD AVERAGE_POOL_2D CEIL CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D DIV ELU FULLY_CONNECTED FLOOR "
    "HARD_SWISH LEAKY_RELU LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MUL NEG PAD PRELU RELU RELU6 RELU_N1_TO_1 RESHAPE "
    "RESIZE_BILINEAR ROUND SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB TANH "
    "TRANSPOSE TRANSPOSE_CONV".split()
)
_BYTE = set(
    "ADD CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE ELU FULLY_CONNECTED LEAKY_RELU LOGISTIC "
    "MAX_POOL_2D MEAN MUL PAD QUANTIZE RESHAPE RESIZE_BILINEAR SLICE SPACE_TO_DEPTH SPLIT SUB TANH TRANSPOSE "
    "TRANSPOSE_CONV".split()
)
_BYTE_TYPES = {"int8", "uint8"}
# Smallest and largest ratio of each input's scale to the output's; for MUL, of the product of the inputs' scales.
_SCALE_RATIOS = {"QUANTIZE": (-8, 7), "ADD": (-10, 8), "SUB": (-10, 8), "MUL": (-16, 8)}  # powers of 2


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """An op that a delegate or accelerator leaves to the CPU's built-in kernels.

    Attributes:
        index: number of the op in the main graph.
        op: its type, such as 'ARG_MAX'.
        reason: a clause.
    """

    index: int
    op: str
    reason: str


def xnnpack_left_out(interpreter, model):
    """Return a `LeftOut` for each op of the main graph that XNNPACK does not take.

    Args:
        interpreter: LiteRT interpreter of the file, after `allocate_tensors()`.
        model: the file's `ModelT`.
    """
    graph = model.subgraphs[0]

    def tensors(indices):
        return [describe(graph.tensors[index], model.buffers) for index in indices if index >= 0]

    found = []
    for index, name in left_out(op_details(interpreter)):
        op = graph.operators[index]
        found.append(LeftOut(index, name, _reason(name, tensors(op.inputs), tensors(op.outputs))))
    return tuple(found)


def _reason(name, inputs, outputs):
    activations = [tensor for tensor in [*inputs, *outputs] if not tensor.constant]
    dtypes = {tensor.dtype for tensor in activations}
    if name not in _FLOAT | _BYTE:
        return "XNNPACK does not have this op"
    if name == "QUANTIZE" and dtypes == _BYTE_TYPES:
        return f"XNNPACK does not turn {inputs[0].dtype} into {outputs[0].dtype}"
    others = dtypes - {"float32"} - _BYTE_TYPES
    if others:
        return f"XNNPACK computes on float32, int8 and uint8, not on {' and '.join(sorted(others))}"
    if dtypes & _BYTE_TYPES and name not in _BYTE:
        return "XNNPACK has this op for float32 only"
    if "float32" in dtypes and name not in _FLOAT | {"QUANTIZE", "DEQUANTIZE"}:
        return "XNNPACK has this op for int8 and uint8 only"
    if name in _SCALE_RATIOS and dtypes <= _BYTE_TYPES and all(tensor.scale for tensor in [*inputs, *outputs]):
        ratios = [tensor.scale / outputs[0].scale for tensor in inputs]
        ratios = [math.prod(ratios) * outputs[0].scale] if name == "MUL" else ratios
        low, high = (2.0**power for power in _SCALE_RATIOS[name])
        for ratio in ratios:
            if not low <= ratio < high:
                return f"an input's scale is {ratio:.3g} times the output's; XNNPACK wants {low:.3g} to {high:g}"
    count, most = {"CONCATENATION": (len(inputs), 5), "SPLIT": (len(outputs), 4)}.get(name, (0, 0))
    if count > most:
        return f"XNNPACK takes at most {most} tensors"
    if any(-1 in tensor.shape for tensor in activations):
        return "its shape is not known in the file"
    return "XNNPACK has this op; LiteRT does not say what keeps this one from it"
