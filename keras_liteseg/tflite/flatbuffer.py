"""Reading the flatbuffer of a TFLite file."""

import dataclasses
import math
import pathlib
import re

from ai_edge_litert import schema_py_generated as schema

from keras_liteseg.choices import require_path
from keras_liteseg.tflite.file_metadata import cannot_read, damaged, require_mark

_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_TYPE_NAMES = {code: name.lower() for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
FLOATS = {"float16", "float32", "float64", "bfloat16"}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor of a graph. A quantized value q stands for scale * (q - zero_point).

    Attributes:
        name, dtype: such as 'images' and 'int8'.
        shape: sizes, -1 where dynamic.
        scale, zero_point: of the whole tensor; None without quantization or with a scale per channel.
        channel_scales: scales per channel, with zero point 0; else empty.
        constant: whether its values are in the file, as those of weights are.
    """

    name: str
    dtype: str
    shape: tuple
    scale: float | None
    zero_point: int | None
    channel_scales: tuple = ()
    constant: bool = False

    @property
    def bytes(self):
        """Size in bytes; None with a dynamic shape or values of no fixed size."""
        digits = re.search(r"\d+", self.dtype)
        if -1 in self.shape or not (digits or self.dtype == "bool"):
            return None
        return math.ceil(math.prod(self.shape) * (int(digits[0]) if digits else 8) / 8)

    def __str__(self):
        quantization = "" if self.scale is None else f", scale {self.scale:.6g}, zero point {self.zero_point}"
        if self.channel_scales:
            low, high = min(self.channel_scales), max(self.channel_scales)
            quantization = f", {len(self.channel_scales)} scales per channel from {low:.6g} to {high:.6g}"
        return f"{self.name}: {self.dtype} {self.shape}{quantization}"


def read_bytes(path):
    """Return the bytes of a file.

    Raises:
        UserError: it cannot be read.
    """
    require_path(".tflite file", path)
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from error


def read_model(path):
    """Return the flatbuffer of a TFLite file as a `ModelT` of LiteRT's schema.

    Raises:
        UserError: no such file, or it is not a TFLite file or only a part of one.
    """
    return parse(path, read_bytes(path))


def parse(path, data):
    """Return the `ModelT` of `data`, the bytes of the file `path`; errors as `read_model`."""
    require_mark(path, data[:8])
    try:
        return schema.ModelT.InitFromPackedBuf(data)
    # The generated reader checks nothing, so a wrong offset surfaces as whatever it happens to hit.
    except Exception as error:
        raise damaged(path) from error


def op_name(code):
    """Return the name of an `OperatorCodeT`, such as 'CONV_2D'."""
    if code.customCode:
        return code.customCode.decode()
    # Codes above 127 do not fit the older byte field, which then holds a placeholder.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _OP_NAMES.get(number, f"BUILTIN_{number}")


def is_constant(tensor, buffers):
    """Return whether the values of a `TensorT` are in the file."""
    data = buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def dtype_of(tensor):
    """Return the number type of a `TensorT`, such as 'int8'."""
    return _TYPE_NAMES[tensor.type]


def shape_of(tensor):
    """Return the shape of a `TensorT`, -1 where it is dynamic."""
    # The signature is only stored where it differs from the shape, which then has 1 for an unknown size.
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return () if shape is None else tuple(int(size) for size in shape)


def describe(tensor, buffers):
    """Return the `Tensor` of a `TensorT`."""
    scales = () if tensor.quantization is None or tensor.quantization.scale is None else tensor.quantization.scale
    single = len(scales) == 1
    return Tensor(
        name=tensor.name.decode(),
        dtype=dtype_of(tensor),
        shape=shape_of(tensor),
        scale=float(scales[0]) if single else None,
        zero_point=int(tensor.quantization.zeroPoint[0]) if single else None,
        channel_scales=() if single else tuple(float(scale) for scale in scales),
        constant=is_constant(tensor, buffers),
    )
