"""What an ONNX file of ours holds, for its card."""

import collections
import dataclasses
import hashlib
import math
import pathlib

from keras_liteseg.inference.onnx_predictor import INPUT_SCALE, INPUT_ZERO_POINT, METADATA
from keras_liteseg.metadata import Metadata
from keras_liteseg.tflite.flatbuffer import Tensor


@dataclasses.dataclass(frozen=True)
class OnnxReport:
    """What is in an ONNX file.

    Attributes:
        size: bytes of the file.
        sha256: its hash.
        metadata: the `Metadata`.
        inputs, outputs: tuples of `keras_liteseg.tflite.flatbuffer.Tensor`.
        macs: multiplications with an addition that the convolutions of one run need.
        ops: {operator: how many}, the most frequent first.
        opset: version of the operators.
        resize: the resizes' `coordinate_transformation_mode`s, separated by commas.
    """

    size: int
    sha256: str
    metadata: Metadata
    inputs: tuple
    outputs: tuple
    macs: int
    ops: dict
    opset: int
    resize: str


def inspect_onnx(path):
    """Return the `OnnxReport` of a file that `keras_liteseg.conversion.onnx_export.export_onnx` wrote."""
    import onnx

    data = pathlib.Path(path).read_bytes()
    model = onnx.load_from_string(data)
    properties = {each.key: each.value for each in model.metadata_props}
    inputs = tuple(_tensor(each) for each in model.graph.input)
    if INPUT_SCALE in properties:
        quantization = {"scale": float(properties[INPUT_SCALE]), "zero_point": int(properties[INPUT_ZERO_POINT])}
        inputs = tuple(dataclasses.replace(each, **quantization) for each in inputs)
    return OnnxReport(
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        metadata=Metadata.from_json(properties[METADATA]),
        inputs=inputs,
        outputs=tuple(_tensor(each) for each in model.graph.output),
        macs=_macs(model),
        ops=dict(collections.Counter(node.op_type for node in model.graph.node).most_common()),
        opset=next(each.version for each in model.opset_import if each.domain == ""),
        resize=properties["resize"],
    )


def _tensor(value):
    import onnx

    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    shape = tuple(length.dim_value for length in kind.shape.dim)
    return Tensor(name=value.name, dtype=dtype, shape=shape, scale=None, zero_point=None)


def _macs(model):
    from keras_liteseg.conversion.onnx_graph import shapes

    sizes = shapes(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return sum(math.prod(sizes[node.output[0]]) * math.prod(sizes[node.input[1]][1:]) for node in convolutions)
