"""How much of the machine's measured int8 peak each network reaches, so that one sees what the arithmetic alone costs.

  taskset -c 0 .venv-runtimes/bin/python -m benchmarks.int8_peak --model a_int8.tflite,b_int8.tflite \\
      --output results/int8_peak.json

The peak is that of the faster of two large int8 convolutions, 3x3 of 128 and of 256 channels at 64x128, in LiteRT, and
beside it in OpenVINO, whose oneDNN has kernels of its own. All files take turns, with 1 thread, and the time is that of
the processor, which other programs do not lengthen. MACs are those of the convolutions of a file. `bound_ms` is what
they would take at the peak: no graph and no runtime with these instructions is faster, unless it computes less.
"""

import pathlib
import sys
import tempfile
import time

import numpy as np

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError

SIZE = (64, 128)
CHANNELS = (128, 256)
LAYERS = 4
ROUNDS = 20


@command("int8_peak", __doc__)
@options.models("int8 .tflite files.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, output):
    from edge.device.machine import instructions
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance
    from keras_liteseg.tflite.inspect import inspect

    require_writable(output)
    files = {pathlib.Path(path): inspect(path) for path in models}
    for path, report in files.items():
        if report.inputs[0].dtype != "int8":
            raise UserError(f"{path} takes {report.inputs[0].dtype}; give int8 files, as liteseg export makes them.")
    start_keras()
    with tempfile.TemporaryDirectory() as folder:
        large = {channels: pathlib.Path(folder, f"{channels}.tflite") for channels in CHANNELS}
        for channels, path in large.items():
            convolutions(channels, path)
        sessions = {("LiteRT", path): litert(path) for path in [*large.values(), *files]}
        sessions |= {("OpenVINO", path): openvino(path) for path in large.values()}
        times = measure(sessions)
    macs = {path: LAYERS * SIZE[0] * SIZE[1] * channels**2 * 9 for channels, path in large.items()}
    peaks = {
        runtime: max(macs[path] / times[runtime, path] / 1e6 for path in large.values())
        for runtime in ("LiteRT", "OpenVINO")
    }
    peak = max(peaks.values())
    rows = []
    for path, report in files.items():
        bound = report.macs / peak / 1e6
        rows.append(
            {
                "model": path.name,
                "gmacs": round(report.macs / 1e9, 3),
                "ms": round(times["LiteRT", path], 3),
                "bound_ms": round(bound, 3),
                "share_of_peak": round(bound / times["LiteRT", path], 3),
            }
        )
    result = {
        "kind": "int8_peak",
        "peak_gmacs_per_second": {runtime: round(value, 1) for runtime, value in peaks.items()},
        "results": rows,
        **provenance(),
    }
    result["device"]["instructions"] = instructions()
    write_json(output, result)
    print("Peak: " + ", ".join(f"{runtime} {value:.0f} GMAC/s" for runtime, value in peaks.items()))
    for row in rows:
        print(f"{row['model']}: {row['ms']} ms, at the peak {row['bound_ms']} ms, {row['share_of_peak']:.0%}")
    print(f"Wrote {output}")


def convolutions(channels, path):
    """Write an int8 file of `LAYERS` convolutions."""
    import keras

    from benchmarks.runtimes_files import converter_alone

    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, channels))
    x = image
    for _ in range(LAYERS):
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
    images = [np.random.default_rng(0).normal(size=(1, *SIZE, channels)).astype(np.float32)]
    converter_alone(keras.Model(image, x), images, path)


def litert(path):
    """Return a function that runs a file in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (tensor,) = interpreter.get_input_details()
    interpreter.set_tensor(tensor["index"], noise(tensor["shape"]))
    return interpreter.invoke


def openvino(path):
    """Return a function that runs a file in OpenVINO."""
    import openvino

    properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
    request = openvino.Core().compile_model(str(path), "CPU", properties).create_infer_request()
    request.input_tensors[0].data[:] = noise(request.input_tensors[0].shape)
    return request.infer


def noise(shape):
    return np.random.default_rng(0).integers(-128, 128, tuple(shape), np.int8)


def measure(sessions, rounds=ROUNDS):
    """Return {key: median over the rounds of the ms of a run}; they take turns in alternating order."""
    times = {key: [] for key in sessions}
    for number in range(rounds):
        for key in list(sessions)[:: 1 if number % 2 else -1]:
            sessions[key]()  # the others have emptied the caches
            start = time.process_time()
            sessions[key]()
            times[key].append(1e3 * (time.process_time() - start))
    return {key: float(np.median(found)) for key, found in times.items()}


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.int8_peak"))
