"""A model on an NVIDIA GPU, through TensorRT, of which `trtexec` runs what the benchmark made of the file."""

import os
import time

from ai_edge_litert.interpreter import Interpreter

from .cpu_runner import CpuRunner
from .trtexec import OPSET, Engine, output_name


class TensorRTRunner(CpuRunner):
    """A network that TensorRT has built. It takes all of a network or refuses it."""

    accelerator = "tensorrt fp16"

    def load(self, model, threads):
        self.interpreter = Interpreter(model)  # never run: it knows shapes and types
        self.engine = Engine(_onnx(model))
        start = time.perf_counter()
        self.log = self.engine.build()
        # Without reading the file, starting CUDA and the first run, where trtexec tells.
        return start if self.log["build_s"] is None else time.perf_counter() - self.log["build_s"]

    def infer(self):
        return None, None  # trtexec runs the network before it begins to time

    def warm_up(self, count):
        """Nothing: trtexec does so each time."""

    def run(self, count):
        return self.engine.time(count)

    def outputs_for(self, data):
        found = self.engine.infer(data)
        return [
            found[output_name(number)].astype(tensor["dtype"], copy=False) for number, tensor in enumerate(self.outputs)
        ]

    def report(self):
        log = self.log
        return super().report() | {
            "runtime": {"name": "TensorRT", "version": self.engine.version},
            # It is not the .tflite file itself that ran.
            "converted": f"ONNX opset {OPSET}, TensorRT fp16",
            "adapter": {
                "name": log["device"] or "unknown",
                "backend": "CUDA",
                "type": f"compute capability {log['compute_capability'] or 'unknown'}",
            },
            # trtexec's own: this process only waits for it.
            "peak_memory_mb": {} if log["memory_mb"] is None else {"model": log["memory_mb"]},
        }


def profile(model, threads, accelerator, runs):
    """Return the profile of a file's engine, built where it is not there; see `op_profile.profile`."""
    engine = Engine(_onnx(model))
    if not engine.exists():
        engine.build()
    return engine.profile(runs)


def _onnx(model):
    return os.path.splitext(model)[0] + ".onnx"
