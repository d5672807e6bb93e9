"""A module of this package run in a process of its own, with an end to its patience."""

import logging
import pathlib
import signal
import subprocess
import sys
import time

from keras_liteseg.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
_TELL_SECONDS = 15
_log = logging.getLogger(__name__)


def run_apart(module, folder, time_limit):
    """Run `python -m MODULE FOLDER`; what it prints goes to the file `log` in that folder.

    Args:
        module: name of the module.
        folder: path of a folder through which it takes its task and gives its result.
        time_limit: seconds after which it is stopped.

    Returns:
        None when it ended well, else how it ended: 'failed: ValueError: ...' or 'was ended by SIGSEGV'.

    Raises:
        UserError: it took longer than `time_limit`.
    """
    log = pathlib.Path(folder) / "log"
    with open(log, "w") as output:
        command = [sys.executable, "-m", module, str(folder)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            _wait(process, time_limit)
        finally:
            process.kill()
            process.wait()
    if process.returncode < 0:
        return f"was ended by {signal.Signals(-process.returncode).name}"
    return f"failed: {_last_line(log.read_text(errors='replace'))}" if process.returncode else None


def _wait(process, time_limit):
    start = time.monotonic()
    while process.poll() is None:
        passed = time.monotonic() - start
        if passed > time_limit:
            raise UserError(
                f"The conversion took longer than {time_limit} seconds and was stopped; give a higher --time_limit."
            )
        try:
            process.wait(min(_TELL_SECONDS, time_limit - passed + 0.1))
        except subprocess.TimeoutExpired:
            _log.info("Converting, %.0f seconds so far", time.monotonic() - start)


def _last_line(log):
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"
