"""A process of `edge/device/runner.py`, here or on a device, that is asked line by line."""

import json
import signal
import subprocess
import tempfile
import threading

from edge.targets import MeasurementFailed, Unsupported


class Session:
    """The runner with one model; see `edge.targets`.

    Args:
        command: list of words that starts the runner, or a program that connects to it.
        timeout_s: seconds after which a question counts as not answered.
        cleanup: function that is called once when the session is over.
        environment: environment variables of the process; those of this one by default.
    """

    def __init__(self, command, timeout_s, cleanup, environment=None):
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
            raise MeasurementFailed(answer["error"])
        return answer

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
