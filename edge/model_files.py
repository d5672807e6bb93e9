"""What a row says of the file that it measures."""

import hashlib
import json
import pathlib

from keras_liteseg.errors import UserError
from keras_liteseg.files import plain_path
from keras_liteseg.tflite import flatbuffer
from keras_liteseg.tflite.file_metadata import read_metadata
from keras_liteseg.tflite.flatbuffer import read_model


def check(path):
    """Raise a `UserError` unless `path` is a .tflite file that can be measured."""
    graph = read_model(path).subgraphs[0]
    for index in graph.inputs:
        tensor = graph.tensors[index]
        shape = [] if tensor.shapeSignature is None else list(tensor.shapeSignature)
        # An unknown batch is measured as 1; an unknown height or width would be measured as 1 pixel.
        if -1 in shape[1:]:
            raise UserError(
                f"{path} takes inputs of any size ({','.join(map(str, shape))}); convert it with a fixed height "
                "and width to measure it."
            )


def describe(path):
    """Return what identifies a file, and what its card says of its accuracy.

    Returns:
        {"model": name of the file, "sha256", "bytes", "network": registered name or None, "precision": 'float32',
        'float16', 'int8' or 'int16x8', or None where the file does not say, "accuracy": {"miou", "data", "split",
        "images"} or None}.
    """
    path = pathlib.Path(path)
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    network, precision = _metadata(path)
    return {
        "model": path.name,
        "sha256": sha256,
        "bytes": len(data),
        "network": network,
        "precision": precision,
        "accuracy": _accuracy(path, sha256),
    }


def tensors(path):
    """Return (inputs, outputs) of a file as lists of {"name", "dtype", "shape", "quantization": [scale, zero point]},
    as a row has them of a device that tells them. An unknown batch is 1."""
    file = read_model(path)
    graph = file.subgraphs[0]

    def described(indices):
        found = [flatbuffer.describe(graph.tensors[index], file.buffers) for index in indices]
        return [
            {
                "name": tensor.name,
                "dtype": tensor.dtype,
                "shape": [max(size, 1) for size in tensor.shape],
                "quantization": [tensor.scale or 0.0, tensor.zero_point or 0],
            }
            for tensor in found
        ]

    return described(graph.inputs), described(graph.outputs)


def xnnpack_reasons(path):
    """Return {type of op: why XNNPACK leaves such ops of a file to LiteRT's built-in kernels}, which no log tells."""
    from ai_edge_litert.interpreter import Interpreter

    from keras_liteseg.tflite.delegation import xnnpack_left_out

    with plain_path(path) as plain:
        interpreter = Interpreter(plain, num_threads=1)
    interpreter.allocate_tensors()
    reasons = {}
    for op in xnnpack_left_out(interpreter, read_model(path)):
        reasons.setdefault(op.op, []).append(op.reason)
    return {op: "; ".join(dict.fromkeys(found)) for op, found in reasons.items()}


def _metadata(path):
    try:
        metadata = read_metadata(path)
    except UserError:  # another library's file
        return None, None
    return metadata.model, {"none": "float32"}.get(metadata.quantization, metadata.quantization)


def _accuracy(path, sha256):
    """Return the accuracy that the card beside the file gives for this very content, or None."""
    try:
        card = json.loads(path.with_suffix(".json").read_text())
        if card["sha256"] != sha256 or not card["accuracy"]:
            return None
        accuracy = card["accuracy"]
        return {"miou": accuracy["file"]["miou"], **{name: accuracy[name] for name in ("data", "split", "images")}}
    except (OSError, ValueError, KeyError, TypeError):  # no card, or not one of ours
        return None
