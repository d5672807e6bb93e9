"""One TFLite file in TFLite Micro's interpreter, driven by lines on stdin as `edge/device/runner.py` is:

    python -m edge.targets.micro_runner MODEL.tflite

The arena, the one block of memory that TFLite Micro works in, is the smallest in which the file runs. It is found by
trying: each try in a process of its own, as too small an arena can end the process instead of raising an error.
"""

import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

from edge import model_files
from edge.device import machine
from edge.device.tensors import pack, random_input, unpack

STEP = 1024
LARGEST = 1 << 28


class MicroRunner:
    """The interpreter with one model.

    Args:
        path: the `.tflite` file.
    """

    def __init__(self, path):
        self._content = pathlib.Path(path).read_bytes()
        self._inputs, self._outputs = model_files.tensors(path)

    def load(self):
        """Find the arena, and run once in it."""
        load_average = os.getloadavg()[0]
        self._arena = smallest_arena(self._content)
        start = time.perf_counter()
        self._interpreter = _interpreter(self._content, self._arena)
        loaded = time.perf_counter()
        rng = np.random.default_rng(0)
        self._data = [random_input(rng, tensor["shape"], np.dtype(tensor["dtype"])) for tensor in self._inputs]
        first = self._infer(self._data)[0]
        return {
            "init_ms": 1e3 * (loaded - start),
            "compile_ms": None,
            "first_run_ms": first["end_to_end"],
            "load_average": load_average,
        }

    def run(self, count):
        """Run `count` times and return the times."""
        times = [self._infer(self._data)[0] for _ in range(count)]
        return {name: [each[name] for each in times] for name in ("run", "end_to_end")}

    def infer(self, arrays):
        """Return the outputs for a list of inputs."""
        return self._infer(arrays)[1]

    def report(self):
        """Return what ran, and in how much memory."""
        return {
            "device": machine.device(),
            "stand_in": None,
            "runtime": {"name": "TFLite Micro", "version": importlib.metadata.version("tflite-micro")},
            "accelerator": "reference kernels",
            "inputs": self._inputs,
            "outputs": self._outputs,
            "peak_memory_mb": {},
            "memory_kib": {"arena": self._arena / 1024, "flash": round(len(self._content) / 1024, 1)},
            "ops": [],
            "state": {"before": {}, "after": {}},
        }

    def _infer(self, arrays):
        start = time.perf_counter()
        for index, array in enumerate(arrays):
            self._interpreter.set_input(array, index)
        written = time.perf_counter()
        self._interpreter.invoke()
        ran = time.perf_counter()
        outputs = [np.array(self._interpreter.get_output(index)) for index in range(len(self._outputs))]
        end = time.perf_counter()
        return {"run": 1e3 * (ran - written), "end_to_end": 1e3 * (end - start)}, outputs


def _interpreter(content, arena):
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(content, arena_size=arena)


def smallest_arena(content):
    """Return the smallest arena in bytes, a multiple of `STEP`, in which a model is ready to run.

    Raises:
        RuntimeError: it is not in the largest either; the message holds what TFLite Micro says.
    """
    fits = STEP
    while (said := _try(content, fits)) is not None:
        fits *= 2
        if fits > LARGEST:
            raise RuntimeError(f"TFLite Micro takes it in no arena of up to {LARGEST >> 20} MiB: {said}")
    fails = fits // 2
    while fits - fails > STEP:
        middle = (fits + fails) // 2 // STEP * STEP
        if _try(content, middle) is None:
            fits = middle
        else:
            fails = middle
    return fits


def _try(content, arena):
    """Return None where a model gets ready to run in an arena, else what TFLite Micro writes."""
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            try:
                _interpreter(content, arena)
            except BaseException:
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return None
        log.seek(0)
        return "; ".join(dict.fromkeys(log.read().decode(errors="replace").split("\n")[:3])).strip("; ")


def main():
    # The C libraries may print; what they print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import tflite_micro.python.tflite_micro.runtime  # noqa: F401 - once, not in every child

    runner = MicroRunner(sys.argv[1])
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            if command == "load":
                answer = runner.load()
            elif command in ("warmup", "run"):
                answer = runner.run(int(*arguments)) if command == "run" or int(*arguments) else {}
            elif command == "report":
                answer = runner.report()
            else:
                answer = {"outputs": pack(runner.infer(unpack(*arguments)))}
        except Exception as error:  # whatever it is, it is the reason
            print(json.dumps({"error": " ".join(str(error).split()) or type(error).__name__}), file=answers)
            return 1
        print(json.dumps(answer), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
