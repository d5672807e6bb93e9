"""TFLite ModelMetadata: labels, colours and normalization in the form that MediaPipe and other readers of TFLite know.

The tables are those of `metadata_schema.fbs` 1.5.0 and, for the activation of a segmentation network, of
`image_segmenter_metadata_schema.fbs` 1.0.0, both in the MediaPipe repository under `mediapipe/tasks/metadata`. Only the
fields that a segmentation network needs are written.
"""

import csv
import io
import zipfile

import flatbuffers
import numpy as np

ENTRY = b"TFLITE_METADATA"
LABELS, COLORS = "labels.txt", "colors.csv"

_SCHEMA_VERSION = "1.5.0"
# Numbers of fields, enum values and union members in the schemas.
_NAME, _DESCRIPTION = 0, 1  # of every table that has a name
_MODEL_SUBGRAPHS, _MODEL_PARSER_VERSION = 3, 7
_GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_CUSTOM = 2, 3, 9
_TENSOR_CONTENT, _TENSOR_PROCESS_UNITS, _TENSOR_FILES = 3, 4, 6
_UNION_TYPE, _UNION_VALUE = 0, 1
_IMAGE_PROPERTIES, _NORMALIZATION_OPTIONS = 2, 1
_IMAGE_COLOR_SPACE, _UNKNOWN, _RGB, _GREYSCALE = 0, 0, 1, 2
_MEAN, _STD = 0, 1
_FILE_TYPE, _IS_DESCRIPTION, _IS_AXIS_LABELS, _IS_VALUE_LABELS = 2, 1, 2, 3
_CUSTOM_DATA = 1
_ACTIVATION, _SOFTMAX = 0, 2


def model_metadata(metadata):
    """Return the ModelMetadata (bytes) of a file with the `Metadata` given: images in, scores or classes out.

    The normalization is that of `metadata` in pixel values, (x - 255 mean) / (255 std) with x from 0 to 255, or what
    corresponds to it where images go from `min` to `max`; for an
    int8 input, the scale of the tensor follows on it, as the schema says. Logits are declared to need a softmax.

    A class map goes without normalization: MediaPipe's ImageSegmenter would take its classes for scores and give wrong
    masks without a word, and a float input without normalization is what it refuses.
    """
    table = _Tables()
    scores = not metadata.output_type.startswith("classes")
    image_format = metadata.image_format
    color_space = _RGB if image_format.is_rgb else _GREYSCALE if image_format.channels == 1 else _UNKNOWN
    source = {
        _NAME: table.text("images"),
        _DESCRIPTION: table.text("RGB image" if image_format.is_rgb else f"image, {image_format}"),
        _TENSOR_CONTENT: table.union(_IMAGE_PROPERTIES, table.add({}, {_IMAGE_COLOR_SPACE: color_space})),
    }
    if scores:
        span = image_format.max - image_format.min
        mean = table.floats(image_format.min + span * np.array(metadata.mean))
        std = table.floats(span * np.array(metadata.std))
        normalization = table.union(_NORMALIZATION_OPTIONS, table.add({_MEAN: mean, _STD: std}))
        source[_TENSOR_PROCESS_UNITS] = table.list([normalization])
    labels = table.add({_NAME: table.text(LABELS)}, {_FILE_TYPE: _IS_AXIS_LABELS if scores else _IS_VALUE_LABELS})
    colors = {_NAME: table.text(COLORS), _DESCRIPTION: table.text("class, red, green, blue")}
    result = {
        _NAME: table.text(metadata.output_type),
        _DESCRIPTION: table.text("scores of the classes per pixel" if scores else "number of the class per pixel"),
        _TENSOR_FILES: table.list([labels, table.add(colors, {_FILE_TYPE: _IS_DESCRIPTION})]),
    }
    graph = {_GRAPH_INPUTS: table.list([table.add(source)]), _GRAPH_OUTPUTS: table.list([table.add(result)])}
    if metadata.output_type == "logits":
        custom = {_NAME: table.text("SEGMENTER_METADATA"), _CUSTOM_DATA: table.bytes(_segmenter_options())}
        graph[_GRAPH_CUSTOM] = table.list([table.add(custom)])
    data = f", trained on {metadata.data}" if metadata.data else ""
    model = {
        _NAME: table.text(metadata.model),
        _DESCRIPTION: table.text(f"Semantic segmentation with {len(metadata.classes)} classes{data}."),
        _MODEL_SUBGRAPHS: table.list([table.add(graph)]),
        _MODEL_PARSER_VERSION: table.text(_SCHEMA_VERSION),
    }
    return table.finish(table.add(model), b"M001")


def append_files(content, classes):
    """Return the TFLite file `content` (bytes) followed by a zip archive of the files that its ModelMetadata names.

    Args:
        classes: a `ClassList`.
    """
    colors = io.StringIO()
    rows = [(name, *color) for name, color in zip(classes.names, classes.colors)]
    csv.writer(colors, lineterminator="\n").writerows([("class", "red", "green", "blue"), *rows])
    file = io.BytesIO(content)
    # Not compressed: MediaPipe reads stored members only. ZipInfo's fixed date keeps exports reproducible.
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS), "\n".join(classes.names))
        archive.writestr(zipfile.ZipInfo(COLORS), colors.getvalue())
    return file.getvalue()


def _segmenter_options():
    table = _Tables()
    return table.finish(table.add({}, {_ACTIVATION: _SOFTMAX}), b"V001")


class _Tables:
    """Writes flatbuffer tables whose fields are references or single bytes; each method returns a reference."""

    def __init__(self):
        self._builder = flatbuffers.Builder()

    def text(self, value):
        return self._builder.CreateString(value)

    def floats(self, values):
        return self._builder.CreateNumpyVector(np.asarray(values, np.float32))

    def bytes(self, values):
        self._builder.StartVector(1, len(values), 16)
        for value in reversed(values):
            self._builder.PrependUint8(value)
        return self._builder.EndVector()

    def list(self, references):
        self._builder.StartVector(4, len(references), 4)
        for reference in reversed(references):
            self._builder.PrependUOffsetTRelative(reference)
        return self._builder.EndVector()

    def add(self, references, numbers=None):
        """Add a table with fields {number of the field: reference} and {number of the field: byte}."""
        numbers = numbers or {}
        self._builder.StartObject(max([*references, *numbers]) + 1)
        for field, reference in references.items():
            self._builder.PrependUOffsetTRelativeSlot(field, reference, 0)
        for field, number in numbers.items():
            self._builder.PrependInt8Slot(field, number, 0)
        return self._builder.EndObject()

    def union(self, kind, reference):
        """Add a table with a union as its first field."""
        return self.add({_UNION_VALUE: reference}, {_UNION_TYPE: kind})

    def finish(self, reference, identifier):
        self._builder.Finish(reference, file_identifier=identifier)
        return bytes(self._builder.Output())
