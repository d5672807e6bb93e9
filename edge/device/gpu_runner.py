"""A model on the GPU, through LiteRT's GPU accelerator."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.options import CpuOptions, GpuOptions, Options

from .cpu_runner import CpuRunner
from .tensors import require_supported

_ADAPTER = re.compile(r"Selected adapter: (.*?), arch=.*?backend=(\w+), adapterType=(.*)")
_COPY = """
import os
while data := os.read(0, 65536):
    os.write(1, data)
    os.write(2, data)
"""


class AcceleratorFailed(Exception):
    """The accelerator did not take the model.

    Attributes:
        log: what it wrote meanwhile, which may hold the reason.
    """

    def __init__(self, message, log):
        super().__init__(message)
        self.log = log


class GpuRunner(CpuRunner):
    """A loaded model on the GPU alone. It takes all of a model or refuses it."""

    accelerator = "gpu"

    def load(self, model, threads):
        # The GPU alone: with the CPU allowed too, ops fall back to it without a word.
        options = Options(
            hardware_accelerators=HardwareAccelerator.GPU,
            cpu_options=CpuOptions(num_threads=threads),
            # Else a run returns before the GPU has finished.
            gpu_options=GpuOptions(benchmark_mode=True),
        )
        self.interpreter = Interpreter(model)  # never run: it knows shapes, types and scales
        for tensor in self.interpreter.get_input_details():
            require_supported(tensor["dtype"])  # else LiteRT fails without a reason
        with captured_stderr() as log:
            start = time.perf_counter()
            try:
                self.model = CompiledModel.from_file(model, options=options)
            except Exception as error:
                raise AcceleratorFailed(f"{type(error).__name__}: {error}", log()) from error
            found = _ADAPTER.search(log())
        if found is None:
            raise RuntimeError("LiteRT did not start its GPU accelerator; this build may come without it")
        self.adapter = {"name": found[1], "backend": found[2], "type": found[3].strip()}
        self.input_buffers = self.model.create_input_buffers(0)
        self.output_buffers = self.model.create_output_buffers(0)
        return start

    def write(self, data):
        for buffer, values in zip(self.input_buffers, data):
            buffer.write(np.ascontiguousarray(values))

    def invoke(self):
        self.model.run_by_index(0, self.input_buffers, self.output_buffers)

    def read(self):
        return [
            buffer.read(int(np.prod(tensor["shape"])), np.dtype(tensor["dtype"])).reshape(tensor["shape"])
            for buffer, tensor in zip(self.output_buffers, self.outputs)
        ]

    def report(self):
        report = super().report()
        return report | {"adapter": self.adapter, "stand_in": report["stand_in"] or self.software()}

    def software(self):
        """Return what stands in for the accelerator, a program on the CPU, or None."""
        return "software GPU" if "CPU" in self.adapter["type"] else None


@contextlib.contextmanager
def captured_stderr():
    """Yield a function that ends the capturing and returns what this process, C libraries included, has written to
    stderr inside. All of it goes on to stderr at once, as the process may die of what it is about to tell."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        copier = subprocess.Popen(
            [sys.executable, "-S", "-c", _COPY],
            stdin=subprocess.PIPE,
            stdout=file,
            # It keeps what it inherits open, so that whoever waits for the end of the answers waits for it too.
            close_fds=False,
        )
        os.dup2(copier.stdin.fileno(), 2)

        def text():
            os.dup2(before, 2)
            copier.stdin.close()
            copier.wait()
            file.seek(0)
            return file.read().decode(errors="replace")

        try:
            yield text
        finally:
            text()
            os.close(before)
