"""Which precision of a network this computer runs faster, measured in a second or two after an export."""

import pathlib
import time

import numpy as np

from edge.advice import precisions
from edge.model_files import describe
from keras_liteseg.errors import UserError
from keras_liteseg.files import plain_path, suffix_of
from keras_liteseg.tflite.file_metadata import read_metadata

ROUNDS, LEAST, SECONDS = 20, 3, 2.0
PRECISIONS = ("none", "float16", "int8")


def precision_advice(path):
    """Return a sentence about which precision to deploy, for a `.tflite` file that was just exported.

    The file takes turns with those of other precisions of the same network in its folder, with 1 thread, by the
    processor's time, which other programs do not lengthen. Where there are none, the sentence says how to find out.
    None where there is no choice: int16x8 is for accuracy.
    """
    path = pathlib.Path(path)
    quantization = read_metadata(path).quantization
    if quantization not in PRECISIONS:
        return None
    others = _others(path)
    if not others:
        other = "int8" if quantization != "int8" else "none"
        return (
            f"Whether int8 is faster depends on the processor: export with --quantization {other} into the same folder "
            "too, and the faster one is named here; on a device, liteseg benchmark says it."
        )
    rows = _measure([path, *others])
    (sentence,) = precisions(rows)
    names = ",".join(str(each) for each in (path, *others))
    return f"{sentence} That was short, and on this computer; for another: liteseg benchmark --model {names}"


def _others(path):
    """Return the newest file of each other precision in the folder that holds the same network, as far as one tells."""
    wanted = _identity(path)
    found = {}
    # No folders and broken links.
    files = [file for file in path.parent.iterdir() if suffix_of(file) == ".tflite" and file.is_file()]
    for other in sorted(files, key=lambda file: file.stat().st_mtime):
        identity = None if other.samefile(path) else _identity(other)
        # int8 is compared with floats, and floats with int8: both floats compute the same on a processor.
        if identity and identity[0] == wanted[0] and (identity[1] == "int8") != (wanted[1] == "int8"):
            found[identity[1]] = other
    return list(found.values())


def _identity(path):
    """Return (what two files have in common that differ in their precision alone, the precision), or None."""
    try:
        metadata = read_metadata(path)
        shapes = _shapes(path)
    except (UserError, OSError, ValueError, KeyError, TypeError, RuntimeError):  # not one of ours, or damaged
        return None
    if metadata.quantization not in PRECISIONS:
        return None
    return (metadata.model, metadata.data, metadata.classes, metadata.output_type, shapes), metadata.quantization


def _shapes(path):
    interpreter = _interpreter(path)
    return tuple(
        tuple(map(int, tensor["shape"]))
        for tensor in (*interpreter.get_input_details(), *interpreter.get_output_details())
    )


def _interpreter(path):
    from ai_edge_litert.interpreter import Interpreter

    with plain_path(path) as plain:
        return Interpreter(plain, num_threads=1)


def _measure(paths):
    """Return rows as `edge.advice.precisions` takes them, one for each file; the files take turns."""
    interpreters = [_interpreter(path) for path in paths]
    for interpreter in interpreters:
        interpreter.allocate_tensors()
        interpreter.invoke()
    times = []
    start = time.process_time()
    while len(times) < LEAST or (len(times) < ROUNDS and time.process_time() - start < SECONDS):
        times.append([_time(interpreter) for interpreter in interpreters])
    return [
        {
            **describe(path),
            "status": "ok",
            "stand_in": None,
            "target": "host:cpu",
            "threads": 1,
            "runtime": {"name": "ai-edge-litert"},
            "inputs": [{"shape": [int(length) for length in interpreter.get_input_details()[0]["shape"]]}],
            "round_p50_ms": list(own),
        }
        for path, interpreter, own in zip(paths, interpreters, np.transpose(times), strict=True)
    ]


def _time(interpreter):
    start = time.process_time()
    interpreter.invoke()
    return 1e3 * (time.process_time() - start)
