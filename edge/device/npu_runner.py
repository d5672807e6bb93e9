"""A model on the NPU of an Intel processor, through LiteRT's NPU accelerator, which compiles it with OpenVINO."""

import glob
import re
import time

from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.intel_openvino_options import IntelOpenVinoOptions
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.options import Options

from .gpu_runner import AcceleratorFailed, GpuRunner, captured_stderr

# What Linux calls the NPU.
_DEVICES = "/dev/accel/accel*"
_USED = re.compile(r"Dispatch: using device '(\w+)'")
_ADAPTERS = {"NPU": "Intel NPU", "CPU": "OpenVINO on the processor"}


class NpuRunner(GpuRunner):
    """A loaded model on the NPU alone, all of it. Where there is no NPU, OpenVINO computes it on the processor, behind
    the same accelerator of LiteRT; the report then says that this stands in."""

    accelerator = "npu"

    def load(self, model, threads):
        backend = "NPU" if glob.glob(_DEVICES) else "CPU"
        options = Options(
            # Alone: with the CPU allowed too, all of it falls back to XNNPACK without a word, and LiteRT calls that
            # fully accelerated.
            hardware_accelerators=HardwareAccelerator.NPU,
            intel_openvino_options=IntelOpenVinoOptions(
                graph_backend=IntelOpenVinoOptions.GRAPH_BACKEND[backend],
                configs_map={} if backend == "NPU" else {"INFERENCE_NUM_THREADS": str(threads)},
            ),
        )
        self.interpreter = Interpreter(model)  # never run: it knows shapes, types and scales
        with captured_stderr() as log:
            start = time.perf_counter()
            try:
                self.model = CompiledModel.from_file(model, options=options)
            except Exception as error:
                raise AcceleratorFailed(f"{type(error).__name__}: {error}", log()) from error
            used = _USED.findall(log())
        if not used or set(used) != {backend}:
            raise RuntimeError(
                f"LiteRT was to compute it on OpenVINO's {backend}, and used {' and '.join(used) or 'none'}"
            )
        self.adapter = {"name": _ADAPTERS[backend], "backend": "OpenVINO", "type": backend}
        self.input_buffers = self.model.create_input_buffers(0)
        self.output_buffers = self.model.create_output_buffers(0)
        return start

    def software(self):
        return None if self.adapter["type"] == "NPU" else self.adapter["name"]
