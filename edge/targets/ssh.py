"""ssh://user@host:port, any Linux machine with Python: a Jetson, a Raspberry Pi, a server.

    ssh://user@host             its processor, LiteRT with XNNPACK, or what an external delegate there leads to
    ssh://user@host/gpu         its GPU, LiteRT's GPU accelerator on its Vulkan driver
    ssh://user@host/tensorrt    its NVIDIA GPU, TensorRT in 16 bits on what `edge.targets.to_onnx` makes of the file

Goes through the OpenSSH client, so that keys, agents, jump hosts and names of ~/.ssh/config work as they do by hand.
On the device everything lies in ~/.cache/keras_liteseg: an environment with LiteRT, made on first use, and for the time
of a benchmark a folder with the runner and the models.
"""

import hashlib
import importlib.metadata
import json
import logging
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import urllib.parse

from edge.device import trtexec
from edge.targets import to_onnx
from edge.targets.protocol import MeasurementFailed
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, RunnerSession
from keras_liteseg.errors import UserError

HOME = ".cache/keras_liteseg"
CONNECT_S = 10
INSTALL_S = 900
ACCELERATORS = {"": "cpu", "/gpu": "gpu", "/tensorrt": "tensorrt"}
"""Path of an address: what `edge/device/runner.py` calls it."""

_log = logging.getLogger(__name__)

# Which Python to use there: LiteRT has wheels from 3.10 on.
_FIND_PYTHON = """
for name in python3.13 python3.12 python3.11 python3.10 python3; do
  "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && command -v "$name" && exit
done
exit 3
"""


def check(address):
    """Raise a `UserError` unless `address` is '//user@host:port' with a path of `ACCELERATORS`, user and port optional,
    and what it takes is here."""
    _, _, accelerator = _parse(address)
    if shutil.which("ssh") is None:
        raise UserError("There is no ssh here; install the OpenSSH client (on Debian: apt install openssh-client).")
    if accelerator == "tensorrt":
        to_onnx.check()


def uses_threads(address):
    """Return whether the number of CPU threads changes what is measured."""
    _, _, accelerator = _parse(address)
    return accelerator == "cpu"


def connect(address, options):
    """Return the device at `address`.

    Raises:
        MeasurementFailed: it cannot be reached or lacks something.
    """
    return SshDevice(*_parse(address), options)


def _parse(address):
    """Return (user@host or host, port or None, value of `ACCELERATORS`)."""
    try:
        url = urllib.parse.urlsplit(f"ssh:{address}")
        host, user, port = url.hostname, url.username, url.port
    except ValueError:
        host = None
    wrong = not address.startswith("//") or not host or url.query or url.fragment or url.password
    if wrong or url.path not in ACCELERATORS:
        raise UserError(
            f"'ssh:{address}' names no device; write it like ssh://user@host or ssh://user@host:2222, and for its GPU "
            "with /gpu or /tensorrt behind."
        )
    return f"{user}@{host}" if user else host, port, ACCELERATORS[url.path]


class SshDevice:
    """A connected machine with the runner in place, a `protocol.Device`."""

    def __init__(self, name, port, accelerator, options):
        self._name = name
        self._accelerator = accelerator
        self._options = options
        self._sockets = tempfile.TemporaryDirectory(prefix="ssh-")
        self._ssh = [
            "ssh",
            *(["-F", options.ssh_config] if options.ssh_config else []),
            *(["-p", str(port)] if port else []),
            # Never a question on the terminal; one connection for everything.
            *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}", "-o", "ServerAliveInterval=15"),
            *("-o", "ControlMaster=auto", "-o", f"ControlPath={self._sockets.name}/%C", "-o", "ControlPersist=60"),
            "--",
            name,
        ]
        self._folder = None
        self._pushed = set()
        self._started = 0
        self._lost = False
        self._half = False
        try:
            self._python = self._environment()
            # Address and port of the client, then of the server.
            ends = self._sh('echo "$SSH_CONNECTION"').split()
            self.stand_in = "loopback" if len(ends) == 4 and ends[0] == ends[2] else None
            self._folder = self._sh(f'mkdir -p {HOME} && mktemp -d "$HOME/{HOME}/run-XXXXXXXX"').strip()
            self._sh(f"mkdir {shlex.quote(self._folder)}/device")
            for file in sorted(DEVICE_FOLDER.glob("*.py")):
                self._push(file, f"device/{file.name}")
            if accelerator == "tensorrt":
                self._half = self._prepare_tensorrt()
        except BaseException:
            self.close()
            raise

    def start(self, model, threads, timeout_s):
        """Return a `RunnerSession`; see `protocol.Device`."""
        # Named by its content, so that no name of a user's reaches a shell.
        name = hashlib.sha256(model.read_bytes()).hexdigest()[:16]
        if name not in self._pushed:
            if self._accelerator == "tensorrt":
                with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
                    to_onnx.convert(model, file.name, self._half)
                    self._push(file.name, f"{name}.onnx")
            self._push(model, f"{name}.tflite")
            self._pushed.add(name)
        self._started += 1
        number = f"{self._folder}/{self._started}.pid"
        words = [f"{self._folder}/{name}.tflite", str(threads), self._accelerator, *self._options.delegate_words()]
        script = f"echo $$ > {shlex.quote(number)}; {self._run_module(MODULE, *words)}"
        return RunnerSession([*self._ssh, script], timeout_s, lambda: self._end(number))

    def _run_module(self, name, *words):
        """Return the line of shell that becomes a module of the folder `device` there."""
        return f"cd {shlex.quote(self._folder)} && exec {shlex.join([self._python, '-m', name, *words])}"

    def _end(self, number):
        """End the process whose number is in a file there, and those that it has started: one that hangs would not
        notice that nobody listens any more."""
        if self._lost:
            return
        try:
            # sshd makes every command a process group of its own.
            self._sh(
                f'n=$(cat {shlex.quote(number)}) && {{ kill -KILL -- "-$n" || kill -KILL "$n"; }} 2>/dev/null || :'
            )
        except MeasurementFailed:
            self._lost = True  # ask no more for each of them

    def close(self):
        """Remove what was pushed, and on request everything, and end the connection."""
        try:
            if self._options.clean:
                self._sh(f'rm -rf "$HOME/{HOME}"')
            elif self._folder:
                self._sh(f"rm -rf {shlex.quote(self._folder)}")
        except MeasurementFailed:
            pass  # it is gone
        subprocess.run([*self._ssh[:-2], "-O", "exit", *self._ssh[-2:]], capture_output=True)
        self._sockets.cleanup()

    def _prepare_tensorrt(self):
        """Return whether the TensorRT there wants ONNX files in 16 bits."""
        found = json.loads(self._sh(self._run_module("device.trtexec")))
        if "error" in found:
            raise MeasurementFailed(f"{self._name}: {found['error']}")
        return trtexec.needs_half(found["version"])

    def _environment(self):
        """Return the path of a Python on the device that has LiteRT, installed on first use."""
        version = importlib.metadata.version("ai-edge-litert")
        ready = self._sh(f'f="$HOME/{HOME}/litert-{version}"; [ -e "$f/ready" ] && echo "$f/bin/python" || :').strip()
        if ready:
            return ready
        try:
            found = self._sh(_FIND_PYTHON).strip()
        except MeasurementFailed as failure:
            if "exit status 3" not in str(failure):
                raise
            raise MeasurementFailed(
                f"{self._name} has no Python 3.10 to 3.13; install one there (Debian: apt install python3 python3-venv)"
            ) from None
        _log.info("%s: installing LiteRT %s into ~/%s, once", self._name, version, HOME)
        folder = self._sh(f'echo "$HOME/{HOME}/litert-{version}"').strip()
        quoted = shlex.quote(folder)
        try:
            self._sh(f"rm -rf {quoted} && mkdir -p {HOME} && {shlex.quote(found)} -m venv {quoted}", INSTALL_S)
        except MeasurementFailed as failure:
            if "ensurepip" not in str(failure):
                raise
            raise MeasurementFailed(
                f"{self._name} has no venv for its Python; install it there: apt install python3-venv"
            ) from None
        pip = f"{quoted}/bin/python -m pip install --quiet --disable-pip-version-check"
        if self._options.wheels:
            self._sh(f"mkdir {quoted}/wheels")
            for wheel in sorted(pathlib.Path(self._options.wheels).glob("*.whl")):
                self._push(wheel, wheel.name, f"{folder}/wheels")
            pip += f" --no-index --find-links {quoted}/wheels"
        try:
            self._sh(f"{pip} ai-edge-litert=={version} && rm -rf {quoted}/wheels && touch {quoted}/ready", INSTALL_S)
        except MeasurementFailed as failure:
            if self._full(str(failure)):
                raise
            raise MeasurementFailed(
                f"LiteRT {version} cannot be installed on {self._name} ({failure}); if it has no internet, give "
                "--wheels FOLDER with the wheels of ai-edge-litert and what it needs for that device"
            ) from None
        return f"{folder}/bin/python"

    def _push(self, path, name, folder=None):
        # Not scp, which wants the server's sftp subsystem.
        target = shlex.quote(f"{folder or self._folder}/{name}")
        with open(path, "rb") as file:
            self._sh(f"cat > {target}.part && mv {target}.part {target}", INSTALL_S, stdin=file)

    def _sh(self, script, timeout_s=60, stdin=subprocess.DEVNULL):
        """Run a script on the device and return what it prints.

        Raises:
            MeasurementFailed: it fails, or the device cannot be reached.
        """
        try:
            done = subprocess.run([*self._ssh, script], stdin=stdin, capture_output=True, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise MeasurementFailed(f"{self._name} gave no answer within {timeout_s} s") from None
        if done.returncode == 255:
            raise MeasurementFailed(self._unreachable(done.stderr))
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            if self._full(done.stderr + done.stdout):
                raise MeasurementFailed(f"{self._name}: No space left on device; free some there")
            raise MeasurementFailed(
                f"{self._name}: exit status {done.returncode}" + (f", {' '.join(said[-3:])}" if said else "")
            )
        return done.stdout

    @staticmethod
    def _full(text):
        return "No space left on device" in text or "Disk quota exceeded" in text

    def _unreachable(self, said):
        name = self._name
        known = {
            "Could not resolve hostname": f"the name in {name} is not known; check it, or give the address",
            "Connection refused": f"{name} refuses connections; is sshd running there, and on that port?",
            "No route to host": f"{name} cannot be reached; is it on, and in this network?",
            "timed out": f"{name} did not answer within {CONNECT_S} s; is it on, and in this network?",
            "Permission denied": f"{name} refuses the login; give it your public key with ssh-copy-id {name}",
            "IDENTIFICATION HAS CHANGED": (
                f"{name} has another host key than before; if it was set up anew, forget the old key with "
                "ssh-keygen -R, else find out who answers there"
            ),
            "Host key verification failed": f"the host key of {name} is not known yet; log in once by hand: ssh {name}",
        }
        for pattern, sentence in known.items():
            if pattern in said:
                return sentence
        lines = said.strip().splitlines()
        return f"{name} cannot be reached: {lines[-1] if lines else 'ssh gave no reason'}"
