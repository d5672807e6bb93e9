"""host:cpu and host:gpu, this machine through LiteRT: its processor with XNNPACK, its GPU with the GPU accelerator."""

import glob
import os
import pathlib
import shutil
import sys
import tempfile

from edge.targets.protocol import MeasurementFailed
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, RunnerSession
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.gpu import SWIFTSHADER, swiftshader_variables

_DRIVERS = ("/usr/share/vulkan/icd.d/*.json", "/etc/vulkan/icd.d/*.json")


def check(address):
    """Raise a `UserError` unless `address` is 'cpu' or 'gpu'."""
    if address not in ("cpu", "gpu"):
        raise UserError(f"Unknown target 'host:{address}'; of this machine there are host:cpu and host:gpu.")


def uses_threads(address):
    """Return whether the number of CPU threads changes what is measured."""
    check(address)
    return address == "cpu"


def connect(address, options):
    """Return the host.

    Raises:
        MeasurementFailed: the GPU is asked for and there is no Vulkan driver.
    """
    return Host(address, _vulkan() if address == "gpu" else {})


class Host:
    """This machine, a `protocol.Device`."""

    stand_in = None

    def __init__(self, accelerator, variables):
        self._accelerator = accelerator
        self._environment = {**os.environ, **variables}

    def start(self, model, threads, timeout_s):
        """Return a `RunnerSession`; see `protocol.Device`."""
        # The runner is copied, as to any device, so that it cannot come to depend on the rest of the project.
        folder = tempfile.TemporaryDirectory()
        shutil.copytree(
            DEVICE_FOLDER, pathlib.Path(folder.name) / "device", ignore=shutil.ignore_patterns("__pycache__")
        )
        link = pathlib.Path(folder.name, "model.tflite")  # LiteRT opens names of UTF-8 only
        link.symlink_to(pathlib.Path(model).resolve())
        command = [sys.executable, "-m", MODULE, link, str(threads), self._accelerator]
        return RunnerSession(command, timeout_s, folder.cleanup, self._environment, folder.name)

    def close(self):
        """Nothing is left behind."""


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
