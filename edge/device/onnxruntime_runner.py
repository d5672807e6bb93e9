"""A model on the processor, through ONNX Runtime, which runs what the benchmark made of the file."""

import importlib.metadata
import json
import os
import tempfile
import time

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from .cpu_runner import CpuRunner
from .op_profile import WARMUP, summary
from .tensors import random_input


class ONNXRuntimeRunner(CpuRunner):
    """A model in a session of ONNX Runtime, with MODEL.onnx beside MODEL.tflite. It takes all of a model or refuses it.

    Where the .tflite file has int8 at its ends, the ONNX file has the uint8 that is 128 higher.
    """

    accelerator = "onnxruntime"

    def load(self, model, threads):
        self.interpreter = Interpreter(model)  # never run: it knows shapes and scales
        start = time.perf_counter()
        self.session = _session(model, _options(threads))
        binding = self.session.io_binding()
        self.bound_inputs, self.bound_outputs = [], []
        for tensor in self.session.get_inputs():
            self.bound_inputs.append(np.zeros(tensor.shape, _dtype(tensor)))
            binding.bind_cpu_input(tensor.name, self.bound_inputs[-1])
        for tensor in self.session.get_outputs():
            array = np.zeros(tensor.shape, _dtype(tensor))
            self.bound_outputs.append(array)
            binding.bind_output(tensor.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self.binding = binding
        return start

    def write(self, data):
        for array, values in zip(self.bound_inputs, data):
            _copy(values, array)

    def invoke(self):
        self.session.run_with_iobinding(self.binding)

    def read(self):
        found = [np.empty(tensor["shape"], tensor["dtype"]) for tensor in self.outputs]
        for array, result in zip(self.bound_outputs, found):
            _copy(array, result)
        return found

    def report(self):
        opset = self.session.get_modelmeta().custom_metadata_map["opset"]
        return super().report() | {
            "runtime": {"name": "ONNX Runtime", "version": importlib.metadata.version("onnxruntime")},
            # It is not the .tflite file itself that ran.
            "converted": f"ONNX opset {opset}",
        }


def profile(model, threads, accelerator, runs):
    """Return the times of a model's ops as `op_profile.profile` does, by ONNX Runtime's own profiler."""
    with tempfile.TemporaryDirectory() as folder:
        options = _options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(folder, "profile")
        session = _session(model, options)
        rng = np.random.default_rng(0)
        data = {
            tensor.name: random_input(rng, tensor.shape, np.dtype(_dtype(tensor))) for tensor in session.get_inputs()
        }
        for _ in range(WARMUP + runs):
            session.run(None, data)
        with open(session.end_profiling()) as file:
            events = json.load(file)
    measured, ops = [], []
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            ops.append((event["args"]["op_name"], event["dur"] / 1e3))
        elif event["name"] == "model_run":  # it ends after those of its nodes
            measured.append((event["dur"] / 1e3, ops))
            ops = []
    return summary(measured[WARMUP:], "onnxruntime")


def _options(threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # Threads that spin after a run would slow down the models that take their turn after it.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _session(model, options):
    path = os.path.splitext(model)[0] + ".onnx"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _dtype(tensor):
    names = {"tensor(float)": "float32", "tensor(double)": "float64"}
    return names.get(tensor.type) or tensor.type.removeprefix("tensor(").removesuffix(")")


def _copy(source, target):
    if {source.dtype, target.dtype} == {np.dtype(np.int8), np.dtype(np.uint8)}:
        # The same value, 128 higher or lower, is the same bits but for the highest.
        np.bitwise_xor(source.view(np.uint8), np.uint8(128), out=target.view(np.uint8))
    else:
        target[...] = source
