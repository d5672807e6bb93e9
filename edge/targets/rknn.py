"""rknn:rk3588 and the like: a file built for the NPU of a Rockchip processor by Rockchip's rknn-toolkit2, in that
toolkit's simulator on this computer. Its labels count, its times do not, so that rows have none.

The toolkit wants older packages than this project, so it is in an environment of its own, whose Python is named by
`--rknn_python`. It gets the file as ONNX, in the form of `keras_liteseg.conversion.onnx_npu`: its reader of `.tflite`
wants TensorFlow 2.14 too, and gives the same labels.
"""

import collections
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from edge import model_files
from edge.targets import to_onnx
from edge.targets.protocol import MeasurementFailed, Unsupported
from edge.targets.runner_session import DEVICE_FOLDER, RunnerSession
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path

CHIPS = "rk3588 rk3576 rk3568 rk3566 rk3562 rv1126b rv1106b rv1106 rv1103b rv1103".split()
STAND_IN = "rknn-toolkit2's simulator"
DIFFERENCE = "the simulator of rknn-toolkit2 rounds otherwise than LiteRT"
_IMPORT_S = 120


def check(address):
    """Raise a `UserError` unless `address` is one of `CHIPS`, and the packages are here that make ONNX of a file."""
    uses_threads(address)
    to_onnx.check(f"rknn:{address}")


def uses_threads(address):
    """Return whether the number of CPU threads changes what is found: no."""
    if address not in CHIPS:
        raise UserError(f"Unknown target 'rknn:{address}'; after rknn: choose from {', '.join(CHIPS)}.")
    return False


def connect(address, options):
    """Return the NPU that the simulator stands for; a `UserError` where there is no toolkit."""
    python = options.rknn_python or sys.executable
    try:
        done = subprocess.run([python, "-c", "import rknn.api"], capture_output=True, text=True, timeout=_IMPORT_S)
        missing = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except (OSError, subprocess.TimeoutExpired) as error:
        missing = [str(error)]
    if missing is not None:
        raise UserError(
            f"rknn:{address} needs rknn-toolkit2, which {python} has not ({''.join(missing) or 'it crashed'}); install "
            "it in an environment of its own, as docs/devices_reference.md says, and give --rknn_python its Python."
        )
    return RockchipNpu(address, python, options.compiled)


class RockchipNpu:
    """An NPU that is not here, a `protocol.Device`."""

    stand_in = STAND_IN

    def __init__(self, chip, python, compiled):
        self._chip = chip
        # Not resolved: what a virtual environment calls Python is a link.
        self._python = os.path.abspath(python) if os.path.dirname(python) else python
        self._compiled = compiled

    def start(self, model, threads, timeout_s):
        """Return a `SimulatorSession`; see `protocol.Device`."""
        return SimulatorSession(self._python, self._chip, pathlib.Path(model), timeout_s, self._compiled)

    def close(self):
        """Nothing is left behind."""


class SimulatorSession:
    """One model in a process of the toolkit's environment, a `protocol.Session`."""

    def __init__(self, python, chip, model, timeout_s, compiled):
        self._chip = chip
        self._model = model
        self._compiled = compiled
        folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(folder.name)
        # The runner is copied, as to any device, so that it cannot come to depend on the rest of the project.
        shutil.copytree(DEVICE_FOLDER, path / "device", ignore=shutil.ignore_patterns("__pycache__"))
        self._result = path / "model.rknn"
        try:
            to_onnx.convert_for_npus(model, path / "model.onnx", timeout_s)
        except BaseException:
            folder.cleanup()
            raise
        command = [python, "-m", "device.rknn_simulator", path / "model.onnx", chip, self._result]
        self._runner = RunnerSession(command, timeout_s, folder.cleanup, folder=path)

    def ask(self, line):
        """Answer `line` as `edge/device/runner.py` does; see `protocol.Session`."""
        command = line.split()[0]
        if command in ("run", "profile"):
            raise Unsupported("the simulator's time is no NPU's, and the toolkit predicts none of a whole network")
        if command == "warmup":
            return {}
        answer = self._runner.ask(line)
        if command == "load":
            self._keep()
            return {"init_ms": None, "compile_ms": None, "first_run_ms": None, "load_average": None}
        return self._report(answer) if command == "report" else answer

    def close(self):
        """End the process."""
        self._runner.close()

    def _keep(self):
        if self._compiled is not None:
            target = pathlib.Path(self._compiled) / f"{self._model.stem}_{self._chip}.rknn"
            with atomic_path(target) as path:
                shutil.copyfile(self._result, path)

    def _report(self, found):
        inputs, outputs = model_files.tensors(self._model)
        layers = found["layers"]
        on_npu = [layer for layer in layers if layer["target"] == "NPU"]
        if not on_npu:
            raise MeasurementFailed(f"no op of it runs on the NPU of {self._chip}")
        return {
            "kind": "simulated",
            "device": {"cpu": f"Rockchip {self._chip.upper()}"},
            "stand_in": None,
            "runtime": {"name": "rknn-toolkit2", "version": found["version"]},
            "accelerator": f"rknn {self._chip}",
            "inputs": inputs,
            "outputs": outputs,
            "peak_memory_mb": {},
            "converted": f"ONNX opset {to_onnx.EXPORTED_OPSET}",
            "delegation": _delegation(layers),
            "state": {"before": {}, "after": {}},
            "memory_kib": found["memory_kib"],
            "cycles": {
                "counted": sum(layer["cycles"] for layer in on_npu),
                "uncounted_ops": sum(not layer["cycles"] for layer in on_npu),
            },
            "known_difference": DIFFERENCE,
        }


def _delegation(layers):
    """Return what is on the NPU and what is left, from the layers of the built file."""
    left = collections.Counter(layer["op"] for layer in layers if layer["target"] != "NPU")
    groups = [target for target, _ in itertools.groupby(layers, key=lambda layer: layer["target"])]
    return {
        "partitions": groups.count("NPU"),
        "delegated_ops": len(layers) - left.total(),
        "other_ops": [
            {"op": op, "count": count, "reason": "rknn-toolkit2 gives it to the CPU and does not say why"}
            for op, count in left.most_common()
        ],
    }
