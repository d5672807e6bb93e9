"""micro:tflm, TFLite Micro's interpreter on this computer: what a microcontroller would compute, and with how much
memory. Its times say nothing about a microcontroller."""

import importlib.util
import pathlib
import sys

from edge.targets.micro_sources import write_sources
from edge.targets.protocol import Unsupported
from edge.targets.runner_session import RunnerSession
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.drift import TOLERANCE, largest_drift
from keras_liteseg.tflite.flatbuffer import read_model

ROOT = pathlib.Path(__file__).parents[2]
STAND_IN = "TFLite Micro on this computer"
DRIFT = (
    "TFLite Micro places the pixels of a resize with align_corners in 1024ths of an input pixel, so that they drift to "
    "the right and down"
)


def check(address):
    """Raise a `UserError` unless `address` is 'tflm', and TFLite Micro is installed."""
    uses_threads(address)
    if importlib.util.find_spec("tflite_micro") is None:
        raise UserError(f"micro:{address} needs TFLite Micro; install it with: pip install 'keras-liteseg[micro]'")


def uses_threads(address):
    """Return whether the number of CPU threads changes what is measured: no."""
    if address != "tflm":
        raise UserError(f"Unknown target 'micro:{address}'; there is micro:tflm.")
    return False


def connect(address, options):
    """Return the microcontroller that TFLite Micro stands for."""
    return Microcontroller(options.compiled)


class Microcontroller:
    """TFLite Micro, a `protocol.Device`."""

    stand_in = STAND_IN

    def __init__(self, folder):
        self._folder = folder

    def start(self, model, threads, timeout_s):
        """Return a `MicroSession`; see `protocol.Device`."""
        return MicroSession(pathlib.Path(model), timeout_s, self._folder)

    def close(self):
        """Nothing is left behind."""


class MicroSession:
    """One model in a process of its own, a `protocol.Session`."""

    def __init__(self, model, timeout_s, folder):
        self._model = model.resolve()
        self._folder = folder
        command = [sys.executable, "-m", "edge.targets.micro_runner", str(self._model)]
        self._runner = RunnerSession(command, timeout_s, lambda: None, folder=ROOT)

    def ask(self, line):
        """Answer `line` as `edge/device/runner.py` does; see `protocol.Session`."""
        if line.startswith("profile"):
            raise Unsupported("the times of single ops on this computer say nothing about a microcontroller")
        answer = self._runner.ask(line)
        if line != "report":
            return answer
        file = read_model(self._model)
        # Left to LiteRT's report of XNNPACK where others run on the CPU too: here, nothing is delegated to anything.
        answer["delegation"] = {"partitions": 1, "delegated_ops": len(file.subgraphs[0].operators), "other_ops": []}
        if self._folder is not None:
            write_sources(self._model, answer["memory_kib"]["arena"], self._folder)
        drifts = largest_drift(file) > TOLERANCE
        return answer | {"kind": "simulated", "known_difference": DRIFT if drifts else None}

    def close(self):
        """End the process."""
        self._runner.close()
