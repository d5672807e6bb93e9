"""What a model file says about its network, in a `.keras` archive and in a `.tflite` file alike."""

import dataclasses
import json
from typing import Any, Self

from keras_liteseg.classes import ClassList


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a file must say about its network, in a `.keras` archive and in a `.tflite` file alike.

    Attributes:
        model: registered name of the network.
        data: name of the data set that it was trained on, or "" for random weights.
        classes: a `ClassList`.
        mean, std: RGB normalization of the input, (image / 255 - mean) / std.
        ranges: after quantization-aware training, {layer name: (smallest, largest) activation}; else empty.
        quantization: 'none', 'float16' or 'int8' in a `.tflite` file; '' in a `.keras` archive.
        output_type: 'logits' or 'classes' in a `.tflite` file; '' in a `.keras` archive.
        align_corners: of an output smaller than the input: whether the centres of its corner pixels lie on those of the
            input, see `keras_liteseg.networks.ops.resize_bilinear`.
    """

    model: str
    data: str
    classes: ClassList
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    ranges: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    quantization: str = ""
    output_type: str = ""
    align_corners: bool = False

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """Return the values as JSON text, for `from_json`."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the `Metadata` that `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: the text is no JSON, lacks a value, or has one that is unknown.
        """
        value = json.loads(text)
        classes = ClassList(tuple(value["classes"]["names"]), tuple(map(tuple, value["classes"]["colors"])))
        return cls(**{**value, "classes": classes})
