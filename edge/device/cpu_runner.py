"""A model on the processor, through LiteRT with XNNPACK. The runners on accelerators are built on it."""

import importlib.metadata
import os
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from . import machine
from .tensors import random_input


class CpuRunner:
    """A loaded model with its inputs, after the first run.

    Args:
        model: path of a .tflite file.
        threads: number of CPU threads.

    Attributes:
        accelerator: what runs the model; `report` tells it.
        interpreter: LiteRT's `Interpreter` of the file.
        inputs, outputs: its descriptions of the tensors.
        data: list of the input arrays of the timed runs, seeded random numbers.
        init_ms: ms until the first run could begin; of these `compile_ms` in which the accelerator prepared the graph.
        first_run_ms: ms of the first write + invoke + read, or None where the accelerator's tool does not tell.
        load_average: of the machine over the last minute, before all this; None where the system does not tell.
    """

    accelerator = "xnnpack"

    def __init__(self, model, threads):
        self.load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self.state_before = machine.state()
        rng = np.random.default_rng(0)
        self.memory_before = machine.peak_memory_mb()
        start = time.perf_counter()
        compiling = self.load(model, threads)
        end = time.perf_counter()
        self.init_ms, self.compile_ms = (end - start) * 1e3, (end - compiling) * 1e3
        self.inputs = self.interpreter.get_input_details()
        self.outputs = self.interpreter.get_output_details()
        self.data = [random_input(rng, tensor["shape"], np.dtype(tensor["dtype"])) for tensor in self.inputs]
        _, self.first_run_ms = self.infer()

    def load(self, model, threads):
        """Get ready for the first run, and return the time at which the accelerator began with the graph."""
        self.interpreter = Interpreter(model, num_threads=threads)
        start = time.perf_counter()
        self.interpreter.allocate_tensors()  # XNNPACK takes its ops and packs their weights
        return start

    def write(self, data):
        """Hand over a list of input arrays."""
        for tensor, values in zip(self.inputs, data):
            self.interpreter.set_tensor(tensor["index"], values)

    def invoke(self):
        """Compute, and return when the outputs are there."""
        self.interpreter.invoke()

    def read(self):
        """Return the list of output arrays."""
        return [self.interpreter.get_tensor(tensor["index"]) for tensor in self.outputs]

    def infer(self):
        """Run once and return (ms of invoke, ms of write + invoke + read)."""
        start = time.perf_counter()
        self.write(self.data)
        invoke = time.perf_counter()
        self.invoke()
        invoked = time.perf_counter()
        self.read()
        end = time.perf_counter()
        return (invoked - invoke) * 1e3, (end - start) * 1e3

    def warm_up(self, count):
        """Run `count` times, untimed."""
        self.run(count)

    def run(self, count):
        """Run `count` times and return {"run": [ms of invoke], "end_to_end": [ms of write + invoke + read]}."""
        times = [self.infer() for _ in range(count)]
        return {"run": [time[0] for time in times], "end_to_end": [time[1] for time in times]}

    def outputs_for(self, data):
        """Return the list of output arrays for a list of input arrays."""
        self.write(data)
        self.invoke()
        return self.read()

    def ops(self):
        """Return the nodes of the main graph as [{"index", "op_name", "inputs", "outputs": numbers of tensors}, ...].

        XNNPACK's partitions are among them: one more node for each, of the name DELEGATE.
        """
        # Private, but the only source, see `keras_liteseg.tflite.partitions`. Its numbers are NumPy's.
        return [
            {
                "index": int(node["index"]),
                "op_name": node["op_name"],
                "inputs": [int(tensor) for tensor in node["inputs"]],
                "outputs": [int(tensor) for tensor in node["outputs"]],
            }
            for node in self.interpreter._get_ops_details()
        ]

    def report(self):
        """Return what ran, on what, with how much memory.

        Returns:
            {"device": see `machine.device`, "stand_in": see `machine.stand_in`, "runtime": {"name", "version"},
            "accelerator", "inputs", "outputs": [{"name", "dtype", "shape", "quantization": [scale, zero point]}],
            "peak_memory_mb": {"process": of the whole process, "model": beyond that before loading, in MB of 2^20
            bytes}, "ops": see `ops`, "state": {"before", "after": see `machine.state`}}; runners on a GPU add
            "adapter": {"name", "backend", "type"}.
        """
        peak = machine.peak_memory_mb()
        return {
            "device": machine.device(),
            "stand_in": machine.stand_in(),
            "runtime": {"name": "ai-edge-litert", "version": importlib.metadata.version("ai-edge-litert")},
            "accelerator": self.accelerator,
            "inputs": [_describe(tensor) for tensor in self.inputs],
            "outputs": [_describe(tensor) for tensor in self.outputs],
            "peak_memory_mb": {"process": round(peak, 1), "model": round(peak - self.memory_before, 1)},
            "ops": self.ops(),
            "state": {"before": self.state_before, "after": machine.state()},
        }


def _describe(tensor):
    scale, zero_point = tensor["quantization"]
    return {
        "name": tensor["name"],
        "dtype": np.dtype(tensor["dtype"]).name,
        "shape": tensor["shape"].tolist(),
        "quantization": [float(scale), int(zero_point)],
    }
