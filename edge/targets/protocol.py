"""What a target has to offer, so that the benchmark can measure on it: `Target`, `Device` and `Session`.

A target is written SCHEME:ADDRESS, such as host:cpu. Each scheme is one module of `edge.targets`, a `Target`. It leads
to a `Device`, which starts one `Session` for each model and number of threads. The benchmark asks one session at a
time, but keeps all of them loaded to the end.
"""

import dataclasses
import json
import pathlib
from typing import Protocol, runtime_checkable


class MeasurementFailed(Exception):
    """Something could not be measured; the message is the reason. Others may go on."""


class Unsupported(Exception):
    """The tool on the device cannot do what was asked, whatever the model; the message says why. The session goes on,
    and the row counts without it."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to reach devices.

    Attributes:
        ssh_config: file in place of ~/.ssh/config.
        wheels: folder of wheels for devices without internet.
        clean: whether to remove from the devices also what later benchmarks would use again.
        benchmark_model: LiteRT's program of that name for an Android phone.
        chromium: path of Chromium or Chrome; the one that is installed by default.
        compiled: folder for what is made of the files for NPUs and microcontrollers; nothing is kept by default.
        delegate: library of an external delegate, for host:cpu and ssh://user@host: a path or a name there.
        delegate_options: {name: text} for the delegate.
        rknn_python: the Python of an environment that has rknn-toolkit2; that of this process by default.
        npu_sram_kib: KiB of SRAM that an NPU may use; see `edge.targets.ethos_u.CONFIGS` for the defaults.
    """

    ssh_config: str | None = None
    wheels: str | None = None
    clean: bool = False
    benchmark_model: str | None = None
    chromium: str | None = None
    compiled: str | None = None
    npu_sram_kib: int | None = None
    rknn_python: str | None = None
    delegate: str | None = None
    delegate_options: dict = dataclasses.field(default_factory=dict)

    def delegate_words(self) -> list[str]:
        """Return the delegate as `edge/device/runner.py` takes it: one word, or none."""
        if self.delegate is None:
            return []
        return [json.dumps({"library": str(self.delegate), "options": self.delegate_options})]


@runtime_checkable
class Session(Protocol):
    """One model with one number of threads, loaded in a process of its own on a device."""

    def ask(self, line: str) -> dict:
        """Return the answer to one question.

        The questions are those of `edge/device/runner.py`: "load", "warmup N", "run N", "report", "profile N" and
        "infer X", with the answers that it describes. Where a tool on the device tells statistics alone, "run N" may be
        answered with them; see `edge.latency.Latency`. "report" is answered with what a row of the benchmark takes
        over, docs/devices_reference.md says what that is: "delegation" stands in it in place of the runner's "ops".

        Raises:
            MeasurementFailed: the model fails, the process dies, or no answer comes within the session's `timeout_s`
                seconds. The session is then over.
            Unsupported: the tool on the device cannot do this.
        """

    def close(self) -> None:
        """End the process. It may be called twice."""


@runtime_checkable
class Device(Protocol):
    """A connected device.

    Attributes:
        stand_in: what stands in for a device where none is measured, such as 'loopback' or 'emulator'; None for a real
            one.
    """

    stand_in: str | None

    def start(self, model: pathlib.Path, threads: int, timeout_s: float) -> Session:
        """Return a session for the file `model`, in a fresh process on the device; see `Session` for `timeout_s`.

        Raises:
            MeasurementFailed: the device is lost, or does not take the file.
        """

    def close(self) -> None:
        """Take away what was put there."""


@runtime_checkable
class Target(Protocol):
    """A module of `edge.targets`, for one scheme. An `address` is what follows the scheme and its colon."""

    def check(self, address: str) -> None:
        """Find out, without reaching for the device, whether `address` can be meant.

        Raises:
            UserError: it makes no sense, or a program is missing on this machine.
        """

    def uses_threads(self, address: str) -> bool:
        """Return whether the number of CPU threads changes what is measured.

        Raises:
            UserError: as `check`, if it makes no sense.
        """

    def connect(self, address: str, options: Options) -> Device:
        """Return the device at a checked address.

        Raises:
            MeasurementFailed: it does not answer, or lacks something.
        """
