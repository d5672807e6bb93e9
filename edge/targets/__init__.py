"""Where a model can be measured: the targets by name. `edge.targets.protocol` says what each of them offers."""

import importlib
import re

from edge.targets.protocol import Device, MeasurementFailed, Options, Session, Target, Unsupported
from keras_liteseg.errors import UserError

__all__ = [
    "TARGETS",
    "Device",
    "MeasurementFailed",
    "Options",
    "Session",
    "Target",
    "Unsupported",
    "check",
    "connect",
    "uses_threads",
]

TARGETS = {
    "host": ("edge.targets.host", "host:cpu, host:gpu, host:npu, host:openvino, host:onnxruntime"),
    "ssh": ("edge.targets.ssh", "ssh://user@host, ssh://user@host/gpu, ssh://user@host/tensorrt"),
    "browser": ("edge.targets.browser", "browser:wasm, browser:webgpu"),
    "ethos-u": ("edge.targets.ethos_u", "ethos-u:u55-256, ethos-u:u65-512"),
    "micro": ("edge.targets.micro", "micro:tflm"),
    "rknn": ("edge.targets.rknn", "rknn:rk3588, rknn:rk3566"),
    "adb": ("edge.targets.adb", "adb://serial/cpu, /gpu, /npu"),
}
"""Scheme: (module, which is a `Target`; how such a target is written)."""

# LiteRT's interpreter, which alone takes them.
_DELEGATING = re.compile(r"host:cpu|ssh://[^/]*")


def check(target: str, options: Options | None = None) -> None:
    """Find out before anything is measured whether `target` can be meant, with `options`.

    Raises:
        UserError: there is no such target, a program for it is missing on this machine, or it takes no delegate.
    """
    module, address = _find(target)
    module.check(address)
    options = options or Options()
    if options.delegate_options and options.delegate is None:
        raise UserError("There are options for a delegate, and no delegate; name its library as --delegate.")
    if options.delegate is not None and not _DELEGATING.fullmatch(target):
        raise UserError(f"{target} takes no delegate; --delegate is for host:cpu and ssh://user@host.")


def connect(target: str, options: Options | None = None) -> Device:
    """Return the device that `target` names; `options` as `Options()` by default.

    Raises:
        UserError: as `check`.
        MeasurementFailed: the device does not answer, or lacks something.
    """
    check(target, options)
    module, address = _find(target)
    return module.connect(address, options or Options())


def uses_threads(target: str) -> bool:
    """Return whether the number of CPU threads changes what is measured.

    Raises:
        UserError: there is no such target.
    """
    module, address = _find(target)
    return module.uses_threads(address)


def _find(target: str) -> tuple[Target, str]:
    scheme, _, address = target.partition(":") if isinstance(target, str) else (None, None, None)
    if scheme not in TARGETS:
        forms = ", ".join(form for _, form in TARGETS.values())
        raise UserError(f"Unknown target '{target}'; choose from {forms}.")
    module, _ = TARGETS[scheme]
    return importlib.import_module(module), address
