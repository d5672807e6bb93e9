"""What an exported file is to be."""

import dataclasses

from keras_liteseg.choices import LONGEST, MOST_IMAGES, Choice, require_number, require_whole
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import OutputType, Quantization


class Format(Choice):
    """Kind of file."""

    TFLITE = "tflite", "for LiteRT on phones, boards and in browsers"
    ONNX = "onnx", "for ONNX Runtime, and float files for TensorRT"
    KERAS = "keras", "of Keras's own layers, which Keras opens without this package, also to train on"

    @property
    def suffix(self) -> str:
        """How the name of such a file ends."""
        return f".{self.value}"


class InputType(Choice):
    """Number type of the input of a file."""

    AUTO = "auto", "the file's own: int8 or int16 in quantized TFLite files, else float32"
    FLOAT32 = "float32", "normalized floats, also in a quantized file"
    UINT8 = "uint8", "the bytes of a picture, in int8 files"


class Upsampling(Choice):
    """Size of the output as a part of the input's."""

    FULL = "full", "as large as the input"
    HALF = "half", "half its height and width"
    QUARTER = "quarter", "a quarter of them"
    EIGHTH = "eighth", "an eighth of them"
    NONE = "none", "as small as the network makes it"


class Npu(Choice):
    """NPU that an int8 file is made for."""

    NONE = "none", "for CPUs and GPUs"
    ETHOS_U = "ethos-u", "an Arm Ethos-U, which runs all of it"


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What `keras_liteseg.export` is to make. Words are as good as members: `quantization="int8"`.

        >>> from keras_liteseg import ExportOptions
        >>> ExportOptions(quantization="int8", output_type="classes_uint8").output_type.is_class_map
        True

    Attributes:
        quantization: a `Quantization`; 'int16x8' is for TFLite files alone.
        output_type: an `OutputType`.
        upsampling: an `Upsampling`.
        input_type: an `InputType`.
        batch_size: images per inference.
        float_layers: how many layers of an int8 file compute in float: those whose rounding costs most, see
            `keras_liteseg.quantization.sensitivity`.
        max_drop: largest acceptable loss against the Keras model, in points of mIoU.
        time_limit: seconds that the conversion, in a process of its own, may take.
        format: a `Format`.
        npu: an `Npu`, for int8 TFLite files. Such a file runs everywhere, but on a CPU slower than another.

    Raises:
        UserError: an option cannot be used, or does not go with the quantization or the format.
    """

    quantization: Quantization = Quantization.NONE
    output_type: OutputType = OutputType.LOGITS
    upsampling: Upsampling = Upsampling.FULL
    input_type: InputType = InputType.AUTO
    batch_size: int = 1
    float_layers: int = 0
    max_drop: float = 1.0
    time_limit: float = 1800
    format: Format = Format.TFLITE
    npu: Npu = Npu.NONE

    def __post_init__(self) -> None:
        kinds = {
            "format": Format,
            "quantization": Quantization,
            "output_type": OutputType,
            "upsampling": Upsampling,
            "input_type": InputType,
            "npu": Npu,
        }
        for name, kind in kinds.items():
            object.__setattr__(self, name, kind(getattr(self, name)))
        require_whole("batch_size", self.batch_size, 1, MOST_IMAGES)
        require_whole("float_layers", self.float_layers, 0)
        require_number("max_drop", self.max_drop, 0)
        require_number("time_limit", self.time_limit, 1, LONGEST)
        require_fitting_input(self.input_type, self.quantization)
        if self.format == Format.ONNX and self.quantization == Quantization.INT16X8:
            raise UserError(
                "quantization is 'int16x8' with format 'onnx'; ONNX files can be 'none', 'float16' or 'int8'."
            )
        if self.format == Format.KERAS:
            self._require_plain()
        if self.npu != Npu.NONE and (self.quantization, self.format) != (Quantization.INT8, Format.TFLITE):
            raise UserError(
                f"npu is '{self.npu}' with quantization '{self.quantization}' and format '{self.format}'; NPUs take "
                "int8 TFLite files."
            )
        if self.npu != Npu.NONE and self.float_layers:
            raise UserError(
                f"npu is '{self.npu}' with float_layers {self.float_layers}; an NPU computes in int8 alone: leave the "
                "float layers out."
            )
        if self.float_layers and self.quantization != Quantization.INT8:
            raise UserError(
                f"float_layers is {self.float_layers} with quantization '{self.quantization}'; only int8 files have "
                "layers that stay in float."
            )

    def _require_plain(self) -> None:
        """Refuse for a `.keras` file what only a file for devices can be."""
        for name in ("quantization", "output_type", "input_type", "batch_size"):
            default = getattr(type(self), name)
            if getattr(self, name) != default:
                raise UserError(
                    f"{name} is '{getattr(self, name)}' with format 'keras'; such a file gives float32 logits for any "
                    "number of normalized images: leave it out."
                )


def require_fitting_input(input_type: InputType, quantization: Quantization) -> None:
    """Raise a `UserError` unless a file of that `Quantization` can have that `InputType`."""
    if input_type == InputType.UINT8 and quantization != Quantization.INT8:
        raise UserError(f"input_type is 'uint8' with quantization '{quantization}'; only int8 files can take bytes.")
