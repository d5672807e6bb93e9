"""host:cpu, this machine's processor through LiteRT with XNNPACK."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from edge.targets import MeasurementFailed
from keras_liteseg.errors import UserError

_ROOT = pathlib.Path(__file__).parents[2]
RUNNER_FILES = (_ROOT / "edge" / "runner.py", _ROOT / "keras_liteseg" / "tflite" / "partitions.py")


def connect(address):
    """Return the host; `address` must be 'cpu'."""
    if address != "cpu":
        raise UserError(f"Unknown target 'host:{address}'; of this machine only host:cpu can be measured.")
    return Host()


class Host:
    """This machine."""

    def start(self, model, threads, timeout_s):
        """Return a `Session` with `model` loaded; see `edge.targets`."""
        return Session(model, threads, timeout_s)


class Session:
    """A fresh process of `edge/runner.py` with one model; see `edge.targets`."""

    def __init__(self, model, threads, timeout_s):
        self._timeout_s = timeout_s
        self._errors = tempfile.TemporaryFile()
        # The runner is copied, as to any device, so that it cannot come to depend on the rest of the project.
        self._folder = tempfile.TemporaryDirectory()
        for file in RUNNER_FILES:
            shutil.copy(file, self._folder.name)
        runner = pathlib.Path(self._folder.name) / "runner.py"
        self.process = subprocess.Popen(
            [sys.executable, runner, model, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, line):
        """Send `line` and return the answer; see `edge.targets`."""
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

        if not answer:
            late = f"no answer to '{line}' within {self._timeout_s:g} s"
            reason = late if too_late.is_set() else self._how_it_died()
            self.close()
            raise MeasurementFailed(reason)
        answer = json.loads(answer)
        if "error" in answer:
            self.close()
            raise MeasurementFailed(answer["error"])
        return answer

    def close(self):
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self._errors.close()
        self._folder.cleanup()

    def _how_it_died(self):
        status = self.process.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        return f"the process ended, {how}" + (f"; it last wrote: {said.splitlines()[-1]}" if said else "")
