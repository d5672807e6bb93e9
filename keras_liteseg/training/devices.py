"""What a training says of the devices that it runs on, and that a GPU of this machine lies idle."""

import logging
import os
import pathlib
import shutil
import subprocess
import sys

import keras

# Of NVIDIA's driver for Linux: a folder for each GPU.
DRIVER_FOLDER = pathlib.Path("/proc/driver/nvidia/gpus")
INSTALL_CUDA = "pip install 'keras-liteseg[cuda]'"

_log = logging.getLogger(__name__)


def log_devices() -> None:
    """Log the GPUs that Keras computes on, by name; without any, that there is none, and what to do where the machine
    has one."""
    names = visible_gpus()
    if names:
        _log.info("GPU: %s", counted(names))
        return
    _log.info("No GPU is used; training on the CPU")
    idle = nvidia_gpus()
    if idle and keras.backend.backend() == "tensorflow":
        _log.warning("%s", why_idle(idle))


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that Keras's backend computes on."""
    backend = keras.backend.backend()
    if backend == "jax":
        return [device.device_kind for device in sys.modules["jax"].devices() if device.platform == "gpu"]
    if backend == "torch":
        cuda = sys.modules["torch"].cuda
        return [cuda.get_device_name(index) for index in range(cuda.device_count())] if cuda.is_available() else []
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    return [details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")]


def nvidia_gpus(driver: pathlib.Path = DRIVER_FOLDER) -> list[str]:
    """Return the names of this machine's NVIDIA GPUs, as nvidia-smi or else the driver's files tell them.

    Neither needs CUDA or TensorFlow; where there is no driver, the list is empty.
    """
    program = shutil.which("nvidia-smi")
    if program:
        try:
            command = [program, "--query-gpu=name", "--format=csv,noheader"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            pass  # a driver that does not run; its files may still name the GPU
        else:
            return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    names = []
    for file in sorted(driver.glob("*/information")):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names


def why_idle(names: list[str]) -> str:
    """Return why TensorFlow does not compute on the GPUs of these names, and what to do, as a sentence."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return f"This machine has {counted(names)}, hidden by CUDA_VISIBLE_DEVICES={hidden}; unset it to train there."
    import tensorflow as tf

    lacks = "finds no CUDA libraries that fit its driver" if tf.test.is_built_with_cuda() else "is built for CPUs only"
    return f"This machine has {counted(names)}, but this TensorFlow {lacks}; to train there: {INSTALL_CUDA}"


def counted(names: list[str]) -> str:
    """Return names as '2x NVIDIA H200, NVIDIA L4'."""
    counts = {name: names.count(name) for name in names}
    return ", ".join(name if count == 1 else f"{count}x {name}" for name, count in counts.items())
