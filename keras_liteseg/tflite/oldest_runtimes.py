"""The oldest runtimes that load a file.

TensorFlow Lite and LiteRT go by the versions of the ops, which rise with the number types and the options of an op:
`tflite-runtime` and `TensorFlow` have all that were known when they were released. TFLite Micro and MediaPipe go by
other things; what they take was found by running every kind of our files in their oldest packages of today.
"""

from keras_liteseg.metadata import OutputType
from keras_liteseg.tflite.flatbuffer import dtype_of, op_name, shape_of

SINCE = {
    "ADD": {1: "1.5.0", 2: "1.14.0", 3: "2.4.0", 4: "2.6.0"},
    "ARG_MAX": {1: "1.9.0", 2: "1.14.0", 3: "2.9.0"},
    "AVERAGE_POOL_2D": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "BATCH_TO_SPACE_ND": {1: "1.6.0", 2: "1.14.0", 3: "2.3.0"},
    "CAST": {1: "1.5.0", 2: "2.7.0", 3: "2.8.0", 4: "2.9.0"},
    "CONCATENATION": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "CONV_2D": {1: "1.5.0", 2: "1.14.0", 3: "1.14.0", 4: "2.3.0", 5: "2.4.0", 6: "2.9.0"},
    "DEPTHWISE_CONV_2D": {1: "1.5.0", 2: "1.12.0", 3: "1.14.0", 4: "2.2.0", 5: "2.3.0", 6: "2.3.0"},
    "DEQUANTIZE": {1: "1.13.1", 2: "1.14.0", 3: "1.15.0", 4: "2.2.0", 5: "2.7.0"},
    "FULLY_CONNECTED": {
        1: "1.5.0",
        2: "1.10.0",
        3: "1.14.0",
        4: "1.14.0",
        5: "2.0.0",
        6: "2.1.0",
        7: "2.3.0",
        8: "2.3.0",
        9: "2.3.0",
    },
    "HARD_SWISH": {1: "1.15.0"},
    "LOGISTIC": {1: "1.14.0", 2: "1.14.0", 3: "2.3.0"},
    "MAX_POOL_2D": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "MEAN": {1: "1.6.0", 2: "1.14.0", 3: "2.4.0"},
    "MUL": {1: "1.5.0", 2: "1.14.0", 3: "1.15.0", 4: "2.3.0", 5: "2.6.0"},
    "PAD": {1: "1.5.0", 2: "1.14.0", 3: "2.4.0", 4: "2.6.0"},
    "QUANTIZE": {1: "1.14.0", 2: "1.15.0", 3: "2.7.0"},
    "REDUCE_MAX": {1: "1.11.0", 2: "1.14.0", 3: "2.5.0"},
    "RELU": {1: "1.5.0", 2: "2.1.0", 3: "2.5.0"},
    "RELU6": {1: "1.5.0", 2: "1.14.0", 3: "2.5.0"},
    "RESHAPE": {1: "1.5.0"},
    "RESIZE_BILINEAR": {1: "1.7.0", 2: "1.14.0", 3: "2.2.0", 4: "2.5.0"},
    "RESIZE_NEAREST_NEIGHBOR": {1: "1.13.1", 2: "1.14.0", 3: "2.3.0", 4: "2.4.0"},
    "SOFTMAX": {1: "1.5.0", 2: "1.14.0", 3: "2.3.0"},
    "SPACE_TO_BATCH_ND": {1: "1.6.0", 2: "1.14.0", 3: "2.3.0"},
    "STRIDED_SLICE": {1: "1.6.0", 2: "1.14.0", 3: "2.1.0", 4: "2.2.0", 5: "2.5.0", 6: "2.6.0"},
    "SUB": {1: "1.6.0", 2: "1.14.0", 3: "2.3.0", 4: "2.4.0", 5: "2.4.0"},
    "TRANSPOSE": {1: "1.6.0", 2: "1.14.0", 3: "1.15.0", 4: "2.3.0", 5: "2.4.0"},
    "TRANSPOSE_CONV": {1: "1.9.0", 2: "2.2.0", 3: "2.3.0"},
}
"""{op: {its version: the TensorFlow Lite that brought it}}, as TensorFlow's converter has it, of the ops that networks
for pictures are made of."""

INT16 = "2.5.0"
"""The TensorFlow Lite with all these ops on int16. The converter gives ops of int16x8 files the versions of int8."""

LITERT = "1.0.0"
"""The first `ai-edge-litert`, which has every op version above."""

TFLITE_MICRO, MEDIAPIPE = "0.dev20231010131554", "0.10.5"
"""The oldest packages on the Python Package Index for Python 3.10 or newer, in which files were run."""

# What our files of float32 and int8 are made of, which TFLite Micro ran.
_RAN_IN_MICRO = {
    "ADD",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEQUANTIZE",
    "LOGISTIC",
    "MAX_POOL_2D",
    "MEAN",
    "MUL",
    "PAD",
    "QUANTIZE",
    "REDUCE_MAX",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "SOFTMAX",
    "STRIDED_SLICE",
    "SUB",
}


def oldest_runtimes(model, metadata=None):
    """Return {package: its oldest version that loads a file, None where none does or it is not known}.

    Args:
        model: the `ModelT`.
        metadata: the file's `Metadata`; None where it has none of ours.

    The packages are 'tflite-runtime', whose versions are those of TensorFlow, 'ai-edge-litert', 'tflite-micro' and
    'mediapipe', its ImageSegmenter.
    """
    core = _oldest_tensorflow_lite(model)
    return {
        "tflite-runtime": core,
        "ai-edge-litert": core and LITERT,
        "tflite-micro": TFLITE_MICRO if _runs_in_micro(model) else None,
        "mediapipe": MEDIAPIPE if metadata is not None and _opens_in_mediapipe(model, metadata) else None,
    }


def _oldest_tensorflow_lite(model):
    found = [SINCE.get(op_name(code), {}).get(code.version) for code in model.operatorCodes]
    if not found or None in found:
        return None
    if "int16" in {dtype_of(tensor) for graph in model.subgraphs for tensor in graph.tensors}:
        found.append(INT16)
    return max(found, key=lambda version: [int(part) for part in version.split(".")])


def _runs_in_micro(model):
    """Whether the ops are known to run there, on numbers that it computes with: its resizes know no 16 bits, and its
    DEQUANTIZE no float16."""
    types = {dtype_of(tensor) for graph in model.subgraphs for tensor in graph.tensors}
    ops = {op_name(code) for code in model.operatorCodes}
    static = all(-1 not in shape_of(tensor) for graph in model.subgraphs for tensor in graph.tensors)
    return ops <= _RAN_IN_MICRO and not types & {"float16", "int16"} and static


def _opens_in_mediapipe(model, metadata):
    """Whether ImageSegmenter takes it: bytes or floats, one mean and one deviation for floats, and scores."""
    graph = model.subgraphs[0]
    image = dtype_of(graph.tensors[graph.inputs[0]])
    alike = len(set(metadata.mean)) == 1 and len(set(metadata.std)) == 1
    scores = not OutputType(metadata.output_type or OutputType.LOGITS).is_class_map
    return scores and metadata.image_format.is_rgb and (image == "uint8" or image == "float32" and alike)
