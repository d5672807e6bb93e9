"""A process of `edge/device/runner.py`, on this machine or on a device, that is asked line by line.

The runner reports what it finds as it finds it; what that means is told here.
"""

import json
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

import edge.device
from edge.targets.protocol import MeasurementFailed, Unsupported
from keras_liteseg.tflite import external_delegate
from keras_liteseg.tflite.gpu_log import refused_ops
from keras_liteseg.tflite.partitions import partitions

DEVICE_FOLDER = pathlib.Path(edge.device.__file__).parent
"""The folder that a device gets, under the name `device`."""

MODULE = "device.runner"
"""What Python starts (`python -m`) in the folder that holds it."""

# What LiteRT's plug-in for a vendor's NPU writes: of an exception in the compiler, and of what that takes.
_COMPILING = re.compile(r"Exception in compilation: (.*?)\n(?=[A-Z]+: \[|\n\n)", re.DOTALL)
_SELECTED = re.compile(r"selected (\d+) ops, from a total of (\d+) ops")
# Of the reasons, which name every tensor.
_SHOWN = 5


class RunnerSession:
    """The runner with one model, a `protocol.Session`.

    Args:
        command: list of words that starts the runner, or a program that connects to it.
        timeout_s: seconds after which a question counts as not answered.
        cleanup: function that is called once when the session is over.
        environment: environment variables of the process; those of this one by default.
        folder: where to start it; here by default.
    """

    def __init__(self, command, timeout_s, cleanup, environment=None, folder=None):
        self._timeout_s = timeout_s
        self._cleanup = cleanup
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
            cwd=folder,
        )

    def ask(self, line):
        """Send `line` and return the answer; see `protocol.Session`."""
        too_late = threading.Event()

        def give_up():
            too_late.set()
            self.process.kill()  # ends the read below

        timer = threading.Timer(self._timeout_s, give_up)
        timer.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            timer.cancel()

        if not answer.endswith("\n"):
            late = f"no answer to '{line}' within {self._timeout_s:g} s"
            reason = late if too_late.is_set() else self._how_it_died()
            self.close()
            raise MeasurementFailed(reason)
        try:
            answer = json.loads(answer)
        except ValueError:
            self.close()
            raise MeasurementFailed(f"the answer to '{line}' is not JSON: {answer.strip()[:200]}") from None
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        if "error" in answer:
            self.close()
            if "delegate" in answer:
                raise MeasurementFailed(external_delegate.refusal(**answer["delegate"]))
            raise MeasurementFailed(refusal(answer.get("log", "")) or answer["error"])
        return explained(answer) if line == "report" else answer

    def close(self):
        """End the process."""
        if self._errors.closed:
            return
        self.process.kill()
        self.process.communicate()
        self._errors.close()
        self._cleanup()

    def _how_it_died(self):
        status = self.process.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        # C libraries flush harmless lines after the one that ended them.
        said = [line for line in said if "Check failed" in line] or said
        return f"the process ended, {how}" + (f"; it last wrote: {said[-1]}" if said else "")


def explained(report):
    """Return the runner's report with "delegation", what ran where, in place of "ops", LiteRT's list of nodes.

    Raises:
        MeasurementFailed: an external delegate took nothing, so that all ran on the CPU.
    """
    report = dict(report)
    ops = report.pop("ops")
    if "delegate" in report:
        return report | _with_delegate(**report["delegate"])
    if report["accelerator"] != "xnnpack":
        # The others take all of a model or refuse it.
        return report | {"delegation": {"partitions": 1, "delegated_ops": len(ops), "other_ops": []}}
    delegation = partitions(ops)
    # LiteRT goes on without a word when XNNPACK cannot start, for example where /sys is missing.
    accelerator = "xnnpack" if delegation["partitions"] else "none"
    return report | {"accelerator": accelerator, "delegation": delegation}


def _with_delegate(library, options, ops):
    delegation = partitions(ops)
    if not delegation["partitions"]:
        raise MeasurementFailed(f"the delegate {library} took none of its {len(ops)} ops, and all ran on the CPU")
    for entry in delegation["other_ops"]:
        entry["reason"] = "the delegate left it to the CPU"
    name = pathlib.PurePath(library).name
    return {"accelerator": name, "delegate": {"library": library, "options": options}, "delegation": delegation}


def refusal(log):
    """Return the sentence about the ops that LiteRT's GPU or NPU accelerator did not take, or about a missing driver or
    compiler, from what it has written; None where it is about neither."""
    if "No adapters found" in log:
        return "Vulkan finds no GPU here; install its driver and Vulkan's loader (on Debian: libvulkan1)"
    found = _COMPILING.search(log)
    if found:
        lines = [line.strip() for line in found[1].splitlines()]
        causes = [line for line in lines if line and not line.startswith("Exception from")]
        return f"the NPU's compiler does not compile it: {' '.join(causes)[:300]}"
    found = _SELECTED.search(log)
    if found and found[1] != found[2]:
        return f"{found[1]} of its {found[2]} ops run on the NPU, and not the others"
    kinds = refused_ops(log)
    if not kinds:
        return None
    more = f"; and {len(kinds) - _SHOWN} more" if len(kinds) > _SHOWN else ""
    return f"not all of it runs on the GPU: {'; '.join(kinds[:_SHOWN])}{more}"
