"""What a model file says about its network, in a `.keras` archive and in a `.tflite` file alike."""

import dataclasses
import json
import re
from typing import Any, Self

from keras_liteseg import __version__
from keras_liteseg.choices import Choice, is_finite
from keras_liteseg.classes import ClassList
from keras_liteseg.errors import UserError, reason
from keras_liteseg.image_format import ImageFormat


class Quantization(Choice):
    """Number types of a `.tflite` file."""

    NONE = "none", "float32"
    FLOAT16 = "float16", "weights of 16 bits, computed in float32 or float16"
    INT8 = "int8", "weights and activations of 8 bits"
    INT16X8 = "int16x8", "activations of 16 bits, weights of 8"


class OutputType(Choice):
    """What a `.tflite` file gives for an image."""

    LOGITS = "logits", "scores per class"
    SOFTMAX = "softmax", "probabilities per class"
    CLASSES = "classes", "class map in int32"
    CLASSES_UINT8 = "classes_uint8", "class map in uint8"

    @property
    def is_class_map(self) -> bool:
        """Whether each pixel has its class alone, and no score."""
        return self in (OutputType.CLASSES, OutputType.CLASSES_UINT8)


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a file must say about its network, in a `.keras` archive and in a `.tflite` file alike.

        >>> from keras_liteseg import Metadata, load_dataset, model_spec
        >>> spec, scenes = model_spec("lps_net_tiny"), load_dataset("street_scenes", length=4)
        >>> metadata = Metadata("lps_net_tiny", scenes.name, scenes.classes, spec.mean, spec.std)
        >>> metadata.classes.names[:2]
        ('road', 'pavement')

    Attributes:
        model: registered name of the network.
        data: name of the data set that it was trained on, or "" for random weights.
        classes: a `ClassList`.
        mean, std: normalization of the input, a number per channel of pictures that `image_format` has brought to 0 to
            1: of 8-bit RGB (image / 255 - mean) / std.
        ranges: after quantization-aware training, {layer name: (smallest, largest) activation}; else empty.
        quantization: a `Quantization` or its word in a `.tflite` file; '' in a `.keras` archive.
        output_type: an `OutputType` or its word in a `.tflite` file; '' in a `.keras` archive.
        align_corners: of an output smaller than the input: whether the centres of its corner pixels lie on those of the
            input, see `keras_liteseg.networks.ops.resize_bilinear`.
        image_format: `ImageFormat` of the pictures that the network takes.

    Raises:
        UserError: the quantization or the output type is unknown, or an attribute of another kind than it must be.
    """

    model: str
    data: str
    classes: ClassList
    mean: tuple[float, ...]
    std: tuple[float, ...]
    ranges: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    quantization: str = ""
    output_type: str = ""
    align_corners: bool = False
    image_format: ImageFormat = ImageFormat()

    def __post_init__(self) -> None:
        if not isinstance(self.classes, ClassList):
            raise UserError(f"classes is {self.classes!r}; give a ClassList, such as the `classes` of a data set.")
        wanted: dict[str, type] = {"model": str, "data": str, "ranges": dict, "align_corners": bool}
        for name, of_type in wanted.items():
            if not isinstance(getattr(self, name), of_type):
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be of type {of_type.__name__}.")
        if not isinstance(self.image_format, ImageFormat):
            raise UserError(f"image_format is {self.image_format!r}; give a keras_liteseg.ImageFormat.")
        for name in ("mean", "std"):
            value: Any = getattr(self, name)
            channels = self.image_format.channels
            if not isinstance(value, tuple | list) or len(value) != channels or not all(map(is_finite, value)):
                colors = "three numbers, for red, green and blue"
                numbers = colors if self.image_format.is_rgb else f"as many numbers as channels, {channels}"
                raise UserError(f"{name} is {value!r}; it must be {numbers}.")
        if min(self.std) <= 0:
            raise UserError(f"std is {self.std!r}; images are divided by it, so every number must be above 0.")
        for kind, word in ((Quantization, self.quantization), (OutputType, self.output_type)):
            if not isinstance(word, str) or word:
                kind(word)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values."""
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """Return the values as JSON text, for `from_json`."""
        value = dataclasses.asdict(self)
        if self.image_format.is_rgb:
            del value["image_format"]  # versions that know nothing else read the file too
        return json.dumps(value, default=lambda number: number.item())  # of NumPy

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the `Metadata` that `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: the text is no JSON, lacks a value, or has one that is unknown.
        """
        value = json.loads(text)
        classes = ClassList(tuple(value["classes"]["names"]), tuple(map(tuple, value["classes"]["colors"])))
        image_format = ImageFormat(**value.get("image_format", {}))  # files that do not say are of 8-bit RGB
        return cls(**{**value, "classes": classes, "image_format": image_format})

    @classmethod
    def of_file(cls, text: str | bytes, path: Any, version: str = "") -> Self:
        """Return the `Metadata` that `to_json` wrote into the file `path`.

        Args:
            text: what it wrote.
            path: the file, for messages.
            version: that of this library that wrote it; '' where the file does not say.

        Raises:
            UserError: the text is something else, such as that of a newer version.
        """
        try:
            return cls.from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError, UserError) as error:
            require_known_version(version, path)
            raise UserError(
                f"{path} says what it holds in a way that keras_liteseg {__version__} does not know "
                f"({reason(error)}); it is damaged, so make or copy it again, or was written by a newer version: "
                "update keras_liteseg."
            ) from error


def require_known_version(version: str, path: Any) -> None:
    """Raise a `UserError` where a file that cannot be read was written by a newer version of this library.

    Args:
        version: the version that wrote it, such as '0.2.0'; '' where the file does not say.
        path: the file.
    """

    def numbers(text: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", text)[:3]]

    if numbers(version) > numbers(__version__):
        raise UserError(
            f"{path} was written by keras_liteseg {version}, and this is {__version__}, which cannot read it; update "
            "keras_liteseg."
        )
