"""host:cpu, this machine's processor through LiteRT with XNNPACK."""

import pathlib
import shutil
import sys
import tempfile

from edge.targets import RUNNER_FILES
from edge.targets.session import Session
from keras_liteseg.errors import UserError


def check(address):
    """Raise a `UserError` unless `address` is 'cpu'."""
    if address != "cpu":
        raise UserError(f"Unknown target 'host:{address}'; of this machine only host:cpu can be measured.")


def connect(address, options):
    """Return the host."""
    return Host()


class Host:
    """This machine."""

    def start(self, model, threads, timeout_s):
        """Return a `Session` with `model` loaded; see `edge.targets`."""
        # The runner is copied, as to any device, so that it cannot come to depend on the rest of the project.
        folder = tempfile.TemporaryDirectory()
        for file in RUNNER_FILES:
            shutil.copy(file, folder.name)
        runner = pathlib.Path(folder.name) / "runner.py"
        return Session([sys.executable, runner, model, str(threads)], timeout_s, folder.cleanup)

    def close(self):
        """Nothing is left behind."""
