"""A Chromium with one page, driven over the pipe of its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol describes the protocol: messages of JSON, each ended by a zero byte.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from edge.targets.protocol import MeasurementFailed

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START_S = 60

# Chromium reads from descriptor 3 and writes to 4. They are put in place by a program in between, as it is not safe to
# run Python after the fork of a process with threads.
_LAUNCHER = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 5) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find_program(path=None):
    """Return the path of Chromium: `path` where it is given, else the first one that is installed.

    Raises:
        MeasurementFailed: there is none.
    """
    if path is not None:
        found = shutil.which(path)
        if found is None:
            raise MeasurementFailed(f"{path} is no program; give --chromium the path of Chromium or Chrome")
        return found
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise MeasurementFailed(
            "there is no Chromium here; install it (on Debian: apt install chromium) or give --chromium PATH"
        )
    return found


class TooLate(MeasurementFailed):
    """No answer came in time."""


class Chromium:
    """A headless Chromium with a profile of its own, which leaves no trace.

    Args:
        program: its path.
        arguments: list of further command line arguments.
        timeout_s: seconds after which a step of its start counts as failed.

    Attributes:
        version: such as 'HeadlessChrome/156.0.8078.79'.
        console: list of the lines that the page has written to its console.

    Raises:
        MeasurementFailed: it does not start.
    """

    def __init__(self, program, arguments=(), timeout_s=START_S):
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._errors = tempfile.TemporaryFile()
        child_read, self._write = os.pipe()
        self._read, child_write = os.pipe()
        command = [
            *(sys.executable, "-c", _LAUNCHER, str(child_read), str(child_write), program),
            *("--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}"),
            *("--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--mute-audio"),
            *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
            # Its sandbox refuses to work for root.
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            *arguments,
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=(child_read, child_write),
            start_new_session=True,  # to end all of its processes at once
        )
        os.close(child_read)
        os.close(child_write)
        self._received = b""
        self._number = 0
        self._page = None
        self._loaded = False
        self.console = []
        try:
            self.version = self.call("Browser.getVersion", timeout_s)["product"]
            page = self.call("Target.createTarget", timeout_s, url="about:blank")["targetId"]
            self._page = self.call("Target.attachToTarget", timeout_s, targetId=page, flatten=True)["sessionId"]
            for domain in ("Inspector", "Page", "Runtime"):
                self.call(f"{domain}.enable", timeout_s)
        except BaseException as failure:
            self.close()
            if isinstance(failure, TooLate):
                raise TooLate(f"Chromium did not start within {timeout_s:g} s") from None
            raise

    def open(self, url, timeout_s=START_S):
        """Open `url` in the page, and return when it and its scripts have been loaded."""
        self._loaded = False
        end = time.monotonic() + timeout_s
        failure = self.call("Page.navigate", timeout_s, url=url).get("errorText")
        if failure:
            raise MeasurementFailed(f"Chromium cannot open {url}: {failure}")
        while not self._loaded:
            self._take(end, f"{url} was not loaded within {timeout_s:g} s")

    def evaluate(self, expression, timeout_s):
        """Return the value of a JavaScript expression in the page; of a promise, what it comes to.

        Raises:
            MeasurementFailed: it throws, or the page or Chromium crashes.
            TooLate: `timeout_s` is over.
        """
        answer = self.call(
            "Runtime.evaluate",
            timeout_s,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            raise MeasurementFailed(said.splitlines()[0])
        return answer["result"].get("value")

    def call(self, method, timeout_s, **parameters):
        """Call a method of the protocol and return its result; of the page, once there is one.

        Raises:
            MeasurementFailed: as `evaluate`.
        """
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._page and not method.startswith(("Browser.", "Target.", "SystemInfo.")):
            message["sessionId"] = self._page
        end = time.monotonic() + timeout_s
        try:
            data = json.dumps(message).encode() + b"\0"
            while data:
                data = data[os.write(self._write, data) :]
        except BrokenPipeError:
            raise MeasurementFailed(self._how_it_died()) from None
        while True:
            answer = self._take(end, f"no answer within {timeout_s:g} s")
            if answer.get("id") == number:
                if "error" in answer:
                    raise MeasurementFailed(f"Chromium refuses {method}: {answer['error']['message']}")
                return answer["result"]

    def close(self):
        """End it; may be called twice."""
        if self._errors.closed:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        self._errors.close()
        self._profile.cleanup()

    def _take(self, end, too_late):
        """Return the next message, after having noted what it tells of the page."""
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TooLate(too_late)
            data = os.read(self._read, 1 << 20)
            if not data:
                raise MeasurementFailed(self._how_it_died())
            self._received += data
        line, self._received = self._received.split(b"\0", 1)
        message = json.loads(line)
        method, told = message.get("method"), message.get("params", {})
        if method == "Inspector.targetCrashed":
            raise MeasurementFailed("the page crashed")
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(part.get("value", part.get("description"))) for part in told["args"]))
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description") or details["text"])
        return message

    def _how_it_died(self):
        status = self._process.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        return f"Chromium ended, {how}" + (f"; it last wrote: {said.splitlines()[-1]}" if said else "")
