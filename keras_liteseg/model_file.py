"""Model files: a Keras archive that also says which network it is, on which classes, and how its input is prepared."""

import dataclasses
import json
import zipfile

import keras

from keras_liteseg.datasets.base import ClassList
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path

_MEMBER = "keras_liteseg.json"


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
            input, see `keras_liteseg.ops.resize_bilinear`.
    """

    model: str
    data: str
    classes: ClassList
    mean: tuple
    std: tuple
    ranges: dict = dataclasses.field(default_factory=dict)
    quantization: str = ""
    output_type: str = ""
    align_corners: bool = False

    def replace(self, **changes):
        """Return a copy with other values."""
        return dataclasses.replace(self, **changes)

    def to_json(self):
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text):
        value = json.loads(text)
        classes = ClassList(tuple(value["classes"]["names"]), tuple(map(tuple, value["classes"]["colors"])))
        return cls(**{**value, "classes": classes})


def save_model(model, path, metadata):
    """Write `model` with its `Metadata` to `path`, a `.keras` file that `keras.saving.load_model` reads too.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_MEMBER, metadata.to_json())


def load_model(path):
    """Return (model, metadata) of a file that `save_model` wrote.

    Raises:
        UserError: there is no such file, it is damaged, or it was not written by this library.
    """
    metadata = read_metadata(path)
    try:
        return keras.saving.load_model(path, compile=False), metadata
    except Exception as error:  # Keras raises errors of many types for a damaged archive.
        raise UserError(f"{path} is damaged ({_first_line(error)}); save or copy it again.") from error


def read_metadata(path):
    """Return the `Metadata` of a `.keras` file.

    Raises:
        UserError: as `load_model`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return Metadata.from_json(archive.read(_MEMBER))
    except FileNotFoundError as error:
        raise UserError(f"There is no model file {path}. Check the path.") from error
    except KeyError as error:
        raise UserError(
            f"{path} does not say which network it holds; it was not saved by train.py or keras_liteseg.save_model."
        ) from error
    except (zipfile.BadZipFile, ValueError, OSError, TypeError) as error:
        raise UserError(f"{path} is no Keras model file or is damaged; save or copy it again.") from error


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
