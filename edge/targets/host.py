"""This machine.

host:cpu, host:gpu              LiteRT: the processor with XNNPACK, the GPU with the GPU accelerator; with an external
                                delegate (`--delegate`), host:cpu is what that leads to
host:npu                        Intel's NPU, LiteRT's NPU accelerator with Intel's package; without an NPU, OpenVINO on
                                the processor stands in, so that the way there can be tried
host:openvino                   the processor, OpenVINO with the very .tflite file
host:onnxruntime                the processor, ONNX Runtime with what `edge.targets.to_onnx` makes of the file
"""

import dataclasses
import glob
import hashlib
import importlib.util
import os
import pathlib
import shutil
import sys
import tempfile

from edge.targets import to_onnx
from edge.targets.protocol import MeasurementFailed
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, RunnerSession
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.gpu import SWIFTSHADER, swiftshader_variables

ADDRESSES = ("cpu", "gpu", "npu", "openvino", "onnxruntime")
_DRIVERS = ("/usr/share/vulkan/icd.d/*.json", "/etc/vulkan/icd.d/*.json")


def check(address):
    """Raise a `UserError` unless `address` is one of `ADDRESSES`, and what it takes is here."""
    if address not in ADDRESSES:
        *first, last = (f"host:{name}" for name in ADDRESSES)
        raise UserError(f"Unknown target 'host:{address}'; of this machine there are {', '.join(first)} and {last}.")
    if address == "openvino" and importlib.util.find_spec("openvino") is None:
        raise UserError("host:openvino needs openvino; install it with: pip install 'keras-liteseg[openvino]'")
    if address == "npu" and importlib.util.find_spec("ai_edge_litert_sdk_intel") is None:
        raise UserError(
            "host:npu needs Intel's package for LiteRT; install it with: pip install 'keras-liteseg[intel-npu]', in an "
            "environment without the extra openvino, which is newer"
        )
    if address == "onnxruntime":
        to_onnx.check("host:onnxruntime")


def uses_threads(address):
    """Return whether the number of CPU threads changes what is measured."""
    check(address)
    return address not in ("gpu", "npu")


def connect(address, options):
    """Return the host.

    Raises:
        MeasurementFailed: the GPU is asked for and there is no Vulkan driver.
    """
    if options.delegate is not None and os.path.exists(options.delegate):
        # The runner is started in a folder of its own.
        options = dataclasses.replace(options, delegate=os.path.abspath(options.delegate))
    return Host(address, _vulkan() if address == "gpu" else {}, options.delegate_words())


class Host:
    """This machine, a `protocol.Device`."""

    stand_in = None

    def __init__(self, accelerator, variables, delegate=()):
        self._accelerator = accelerator
        self._delegate = delegate
        self._environment = {**os.environ, **variables}
        self._converted = tempfile.TemporaryDirectory() if accelerator == "onnxruntime" else None

    def start(self, model, threads, timeout_s):
        """Return a `RunnerSession`; see `protocol.Device`."""
        path = pathlib.Path(model).resolve() if self._converted is None else self._with_onnx(model)
        # The runner is copied, as to any device, so that it cannot come to depend on the rest of the project.
        folder = tempfile.TemporaryDirectory()
        shutil.copytree(
            DEVICE_FOLDER, pathlib.Path(folder.name) / "device", ignore=shutil.ignore_patterns("__pycache__")
        )
        link = pathlib.Path(folder.name, "model.tflite")  # LiteRT opens names of UTF-8 only
        link.symlink_to(path)
        if self._converted is not None:
            link.with_suffix(".onnx").symlink_to(path.with_suffix(".onnx"))
        command = [sys.executable, "-m", MODULE, link, str(threads), self._accelerator, *self._delegate]
        return RunnerSession(command, timeout_s, folder.cleanup, self._environment, folder.name)

    def _with_onnx(self, model):
        """Return the path of a copy of the file with its ONNX beside it, made once."""
        content = pathlib.Path(model).read_bytes()
        path = pathlib.Path(self._converted.name, f"{hashlib.sha256(content).hexdigest()[:16]}.tflite")
        if not path.exists():
            to_onnx.convert_for_onnxruntime(model, path.with_suffix(".onnx"))
            path.write_bytes(content)
        return path

    def close(self):
        """Take away what was made."""
        if self._converted is not None:
            self._converted.cleanup()


def _vulkan():
    """Return the environment variables that Vulkan needs: none where a driver is installed, else those of SwiftShader,
    a Vulkan on the CPU; rows say so."""
    if os.environ.get("VK_ICD_FILENAMES") or os.environ.get("VK_DRIVER_FILES") or any(map(glob.glob, _DRIVERS)):
        return {}
    if SWIFTSHADER.exists():
        return swiftshader_variables()
    raise MeasurementFailed(
        "no Vulkan driver was found; install one of your GPU, or on Debian the package chromium, whose SwiftShader "
        "does without a GPU"
    )
