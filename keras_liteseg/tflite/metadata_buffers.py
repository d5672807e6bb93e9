"""Writing what a TFLite file says about its network: our `Metadata`, and the TFLite ModelMetadata that MediaPipe reads.

Both are named buffers that runtimes pass over; the lists of labels and colours that the second refers to follow the
flatbuffer as a zip archive, so that `unzip` opens a `.tflite` file too.
"""

import contextlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_liteseg.errors import UserError
from keras_liteseg.metadata import Metadata
from keras_liteseg.tflite import mediapipe_metadata
from keras_liteseg.tflite.file_metadata import ENTRY


def with_metadata(content, metadata):
    """Return the TFLite file `content` (bytes) with `metadata` in it.

    Its input is named 'images' and its output after `metadata.output_type`, as tensors and in the signature
    'serving_default'; the converter leaves names of its own making.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.signatureDefs = [_signature(model.subgraphs[0], b"images", metadata.output_type.encode())]
    _add(model, ENTRY, metadata.to_json().encode())
    _add(model, mediapipe_metadata.ENTRY, mediapipe_metadata.model_metadata(metadata))
    return pack(model, metadata)


def pack(model, metadata):
    """Return a `ModelT` that carries `metadata` as the bytes of a file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return mediapipe_metadata.append_files(bytes(builder.Output()), metadata.classes)


def _add(model, name, data):
    """Add a metadata entry to a `ModelT`."""
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = name, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


def _signature(graph, input_name, output_name):
    """Name the graph's input and output, and return the signature that says so."""
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    for name, index, part in (
        (input_name, graph.inputs[0], "inputs"),
        (output_name, graph.outputs[0], "outputs"),
    ):
        graph.tensors[index].name = name
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, int(index)
        setattr(signature, part, [entry])
    return signature


def metadata_of(model):
    """Return the `Metadata` in a `ModelT`, None where it has none of ours, or of a version that wrote other things."""
    for entry in model.metadata or []:
        if entry.name == ENTRY:
            with contextlib.suppress(UserError):
                return Metadata.of_file(bytes(model.buffers[entry.buffer].data), "the file")
    return None
