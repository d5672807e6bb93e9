"""A model on the processor, through OpenVINO, which reads the .tflite file itself."""

import importlib.metadata
import time

import numpy as np
import openvino
from ai_edge_litert.interpreter import Interpreter

from .cpu_runner import CpuRunner
from .op_profile import WARMUP, summary
from .tensors import random_input


class OpenVINORunner(CpuRunner):
    """A model that OpenVINO has compiled for one request at a time. It takes all of a model or refuses it."""

    def load(self, model, threads):
        self.interpreter = Interpreter(model)  # never run: it knows shapes and scales
        start = time.perf_counter()
        self.compiled = _compiled(model, threads)
        self.request = self.compiled.create_infer_request()
        return start

    @property
    def accelerator(self):
        """With the type in which it computes what is not quantized, its own choice for the processor."""
        return f"openvino {self.compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name()}"

    def write(self, data):
        for tensor, values in zip(self.request.input_tensors, data):
            tensor.data[:] = values

    def invoke(self):
        self.request.infer()

    def read(self):
        return [tensor.data.copy() for tensor in self.request.output_tensors]

    def report(self):
        return super().report() | {"runtime": {"name": "OpenVINO", "version": importlib.metadata.version("openvino")}}


def profile(model, threads, accelerator, runs):
    """Return the times of a model's ops as `op_profile.profile` does, by OpenVINO's own counters."""
    request = _compiled(model, threads, PERF_COUNT=True).create_infer_request()
    rng = np.random.default_rng(0)
    for tensor in request.input_tensors:
        tensor.data[:] = random_input(rng, tensor.data.shape, tensor.data.dtype)
    measured = []
    for number in range(WARMUP + runs):
        start = time.perf_counter()
        request.infer()
        total_ms = (time.perf_counter() - start) * 1e3
        if number >= WARMUP:
            nodes = request.get_profiling_info()
            measured.append((total_ms, [(_name(node), node.real_time.total_seconds() * 1e3) for node in nodes]))
    # Those that never took time were optimized away, or are shorter than its clock's microsecond.
    took = np.any([[ms > 0 for _, ms in nodes] for _, nodes in measured], axis=0)
    return summary([(ms, [node for node, kept in zip(nodes, took) if kept]) for ms, nodes in measured], "openvino")


def _compiled(model, threads, **properties):
    properties |= {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    return openvino.Core().compile_model(str(model), "CPU", properties)


def _name(node):
    # Such as 'Convolution brgconv_avx512_I8': the type, and the kernel that was chosen.
    return f"{node.node_type} {node.exec_type}"
