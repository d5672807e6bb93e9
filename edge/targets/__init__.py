"""Where a model can be measured.

A target is written SCHEME:ADDRESS, such as host:cpu. Each scheme is one module here, with three functions:

    check(address)
        Raises `UserError` when the address makes no sense or a program is missing here.
    uses_threads(address)
        Returns whether the number of CPU threads changes what is measured.
    connect(address, options) -> device
        Raises `MeasurementFailed` when the device does not answer or lacks something.

and what they lead to:

    device.start(model, threads, timeout_s) -> session
        Starts a fresh process on the device for the file `model`, a `pathlib.Path`.
    device.stand_in
        What stands in for a device where none is measured, such as 'loopback' or 'emulator'; None for a real one.
    device.close()
        Takes away what was put there.
    session.ask(line) -> dict
        Sends one line of the protocol of `edge/device/runner.py` and returns the answer. Raises `MeasurementFailed`
        when the model fails, the process dies or no answer comes within `timeout_s` seconds; the session is then over. Raises
        `Unsupported` when the tool there cannot do it.
    session.close()
        Ends the process; may be called twice.

A target that drives a tool of its own, and not `edge/device/runner.py`, may know less: see `Unsupported` and the
statistics that `edge.latency` takes in place of single times.

The benchmark asks one session at a time, but keeps all of them loaded to the end.
"""

import dataclasses
import importlib
import pathlib

from keras_liteseg.errors import UserError

TARGETS = {
    "host": ("edge.targets.host", "host:cpu, host:gpu"),
    "ssh": ("edge.targets.ssh", "ssh://user@host, ssh://user@host/gpu, ssh://user@host/tensorrt"),
    "browser": ("edge.targets.browser", "browser:wasm, browser:webgpu"),
    "adb": ("edge.targets.adb", "adb://serial/cpu, /gpu, /npu"),
}
"""Scheme: (module, how such a target is written)."""

_ROOT = pathlib.Path(__file__).parents[2]
RUNNER_FILES = (
    _ROOT / "edge" / "runner.py",
    _ROOT / "edge" / "gpu_runner.py",
    _ROOT / "edge" / "op_profile.py",
    _ROOT / "edge" / "tensors.py",
    _ROOT / "keras_liteseg" / "tflite" / "gpu_log.py",
    _ROOT / "keras_liteseg" / "tflite" / "partitions.py",
)


@dataclasses.dataclass(frozen=True)
class Options:
    """How to reach devices.

    Attributes:
        ssh_config: file in place of ~/.ssh/config.
        wheels: folder of wheels for devices without internet.
        clean: whether to remove from the devices also what later benchmarks would use again.
        benchmark_model: LiteRT's program of that name for an Android phone.
        chromium: path of Chromium or Chrome; the one that is installed by default.
    """

    ssh_config: str | None = None
    wheels: str | None = None
    clean: bool = False
    benchmark_model: str | None = None
    chromium: str | None = None


class Unsupported(Exception):
    """The tool on the device cannot do what was asked, whatever the model; the message says why. The session goes on,
    and the row counts without it."""


class MeasurementFailed(Exception):
    """Something could not be measured; the message is the reason. Others may go on."""


def check(target):
    """Find out before anything is measured whether `target` can be meant.

    Raises:
        UserError: there is no such target.
    """
    module, address = _find(target)
    module.check(address)


def connect(target, options=Options()):
    """Return the device that a checked `target` names.

    Raises:
        MeasurementFailed: the device does not answer, or lacks something.
    """
    module, address = _find(target)
    return module.connect(address, options)


def uses_threads(target):
    """Return whether the number of CPU threads changes what is measured."""
    module, address = _find(target)
    return module.uses_threads(address)


def _find(target):
    scheme, _, address = target.partition(":")
    if scheme not in TARGETS:
        forms = ", ".join(form for _, form in TARGETS.values())
        raise UserError(f"Unknown target '{target}'; choose from {forms}.")
    module, _ = TARGETS[scheme]
    return importlib.import_module(module), address
