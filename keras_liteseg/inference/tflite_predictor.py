"""A `.tflite` file as a predictor, run by LiteRT."""

import numpy as np

from keras_liteseg.files import plain_path
from keras_liteseg.inference.predictor import Predictor, fixed_size
from keras_liteseg.tflite.metadata_buffers import read_metadata


def tflite_predictor(path, input_size, threads):
    from ai_edge_litert.interpreter import Interpreter

    metadata = read_metadata(path)
    with plain_path(path) as plain:
        interpreter = Interpreter(model_path=plain, num_threads=threads)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    size = fixed_size(path, source["shape"][1:3], input_size)

    def run(images):
        # All of a larger batch the same, of which one is returned.
        batch = images.repeat(source["shape"][0], axis=0)
        interpreter.set_tensor(source["index"], to_tensor(batch, source))
        interpreter.invoke()
        return from_tensor(interpreter.get_tensor(result["index"])[0], result)

    return Predictor(metadata, size, run)


def to_tensor(values, details):
    """Return float `values` in the number type and scale of a TFLite input."""
    if details["dtype"] == np.float32:
        return values
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(details["dtype"])


def from_tensor(values, details):
    """Return a TFLite output as floats; class maps, which have no scale, as they are."""
    scale, zero_point = details["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale) if scale else values
