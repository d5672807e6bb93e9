"""An `.onnx` file as a predictor, run by ONNX Runtime."""

import importlib.util
import pathlib
from typing import Any

import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.files import plain_path
from keras_liteseg.inference.predictor import Predictor, fixed_size
from keras_liteseg.inference.tensors import to_tensor
from keras_liteseg.metadata import Metadata

METADATA, INPUT_SCALE, INPUT_ZERO_POINT = "keras_liteseg.json", "input_scale", "input_zero_point"
"""Keys of the `metadata_props` of our ONNX files: the JSON text of the `Metadata`, and the scale and the zero point of
an input that takes bytes."""


def onnx_predictor(path, input_size, threads):
    session = open_session(path, threads)
    properties = session.get_modelmeta().custom_metadata_map
    if METADATA not in properties:
        raise UserError(
            f"{path} does not say which network and classes it holds; export it with liteseg export --format onnx, "
            "which writes that."
        )
    metadata = Metadata.of_file(properties[METADATA], path)
    source = session.get_inputs()[0]
    batch_size, *size = source.shape[:3]
    if len(source.shape) != 4 or not all(isinstance(length, int) for length in size):
        raise UserError(
            f"{path} takes inputs of the shape {source.shape}, and only a fixed height and width are run here; "
            "take the file as liteseg export wrote it."
        )
    if not isinstance(batch_size, int):  # as other tools make it
        batch_size = 1
    details: dict[str, Any] = {"dtype": np.float32}
    if INPUT_SCALE in properties:
        scale, zero_point = float(properties[INPUT_SCALE]), int(properties[INPUT_ZERO_POINT])
        details = {"dtype": np.uint8, "quantization": (scale, zero_point)}

    def run(images):
        # All of a larger batch the same, of which one is returned.
        batch = to_tensor(images.repeat(batch_size, axis=0), details)
        return session.run(None, {source.name: batch})[0][0]

    return Predictor(metadata, fixed_size(path, size, input_size), run)


def open_session(path, threads):
    """Return the `InferenceSession` of an `.onnx` file.

    Raises:
        UserError: ONNX Runtime is not installed, or cannot run the file.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"Running {path} needs ONNX Runtime; install it with: pip install 'keras-liteseg[onnx]'")
    import onnxruntime

    if not pathlib.Path(path).is_file():
        raise UserError(f"Cannot read {path}: there is no such file. Give the path of an .onnx file.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        with plain_path(path) as plain:
            return onnxruntime.InferenceSession(plain, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime has an exception for each of its error codes, and no base of them all.
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise UserError(f"{path} cannot be run by ONNX Runtime; export or copy it again. It says: {said}") from error
