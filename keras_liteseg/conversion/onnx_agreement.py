"""That an ONNX file computes what the `.tflite` file does of which it was made: both run on the same numbers."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.errors import UserError
from keras_liteseg.files import plain_path
from keras_liteseg.inference.onnx_predictor import open_session

# Of the spread of an output: how far the two may be apart on average. Files of 16 bits and int8 round elsewhere, and
# with random weights a hundred layers amplify each rounding; a resize by a row less moves everything.
LIMIT, ROUNDED_LIMIT = 0.001, 0.15
EQUAL_CLASSES = 0.9
_BLOCK = 16


def require_agreement(source, target, request):
    """Run both files on random pictures of blocks, and compare what they give.

    Args:
        source: path of the `.tflite` file.
        target: path of the ONNX file.
        request: what `keras_liteseg.conversion.onnx_process` was asked for.

    Raises:
        UserError: ONNX Runtime does not load the file, or an output has another shape or other values.
    """
    with plain_path(source) as plain:
        interpreter = Interpreter(plain, num_threads=2)
    interpreter.allocate_tensors()
    session = open_session(target, threads=2)
    rng = np.random.default_rng(0)
    feeds = {}
    for details, taken in zip(interpreter.get_input_details(), session.get_inputs(), strict=True):
        values = _blocks(rng, details["shape"], details["dtype"])
        interpreter.set_tensor(details["index"], values)
        values = _as_onnx(values, request, request["float_input"])
        feeds[taken.name] = np.ascontiguousarray(_channels_first(values)) if request["npu"] else values
    interpreter.invoke()
    rounded = request["int8"] or request["half"]
    for details, found in zip(interpreter.get_output_details(), session.run(None, feeds), strict=True):
        expected = _as_onnx(interpreter.get_tensor(details["index"]), request, request["float_output"])
        _require_same(_channels_first(expected) if request["npu"] else expected, found, rounded)


def _channels_first(values):
    """Return a tensor of pictures or scores as files for an NPU have them."""
    return values.transpose(0, 3, 1, 2) if values.ndim == 4 else values


def _require_same(expected, found, rounded):
    if expected.shape != found.shape:
        raise UserError(
            f"The ONNX file gives {list(found.shape)} where the .tflite file gives {list(expected.shape)}; it was not "
            "written. Another input size may help."
        )
    scores_of_integers = expected.dtype == np.int8 and expected.ndim == 4  # as files for an NPU have them
    if not scores_of_integers and (expected.dtype.kind == "i" or expected.ndim == 3):
        apart, allowed = float(np.mean(expected != found)), 1 - EQUAL_CLASSES
    else:
        expected, found = expected.astype(np.float64), found.astype(np.float64)
        spread = np.abs(expected - expected.mean()).mean()
        apart = float(np.abs(expected - found).mean() / (spread + 1e-12))
        allowed = ROUNDED_LIMIT if rounded or scores_of_integers else LIMIT
    if not apart <= allowed:
        raise UserError(
            f"ONNX Runtime finds other values in the ONNX file than LiteRT in the .tflite file: they are {apart:.2g} "
            f"apart, of 1 for no likeness at all and {allowed:.2g} allowed. It was not written; another input size may "
            "help."
        )


def _blocks(rng, shape, dtype):
    """Return random blocks: where white noise was, a shift would not be told from a rounding."""
    if np.issubdtype(dtype, np.floating):
        values = rng.uniform(-1, 1, shape)
    elif dtype == np.bool_:
        values = rng.integers(0, 2, shape)
    else:
        values = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, endpoint=True)
    if len(shape) == 4:
        rows, columns = (np.arange(length) // _BLOCK for length in shape[1:3])
        values = values[:, rows][:, :, columns]
    return values.astype(dtype)


def _as_onnx(values, request, scale_and_zero_point):
    """Return a tensor of the `.tflite` file as the ONNX file has it: integers 128 higher, or as floats."""
    if not request["int8"] or values.dtype != np.int8:
        return values
    shifted = (values.astype(np.int16) + 128).astype(np.uint8)
    if not scale_and_zero_point:
        return shifted
    scale, zero_point = scale_and_zero_point
    return (shifted.astype(np.float32) - zero_point) * np.float32(scale)
