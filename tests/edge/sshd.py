"""A real sshd on loopback, for the user of the tests alone, with a home and programs of its own."""

import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


@dataclasses.dataclass
class Server:
    """Attributes:
    folder: of everything that belongs to the server.
    home: home of whoever logs in.
    config: configuration of the client, with the right key and the server's host key.
    target: as `edge.benchmark` takes it.
    """

    folder: pathlib.Path
    home: pathlib.Path
    config: pathlib.Path
    target: str
    process: subprocess.Popen

    def make_ready(self, version, script='exec "$python" "$@"'):
        """Give the home an environment with LiteRT: that of the tests, behind a shell script."""
        bin_folder = self.home / ".cache" / "keras_liteseg" / f"litert-{version}" / "bin"
        bin_folder.mkdir(parents=True)
        python = bin_folder / "python"
        python.write_text(f"#!/bin/sh\npython='{sys.executable}'\n{script}\n")
        python.chmod(0o755)
        (bin_folder.parent / "ready").touch()

    def leftovers(self):
        """Return the names of what lies on the device besides the environment."""
        folder = self.home / ".cache" / "keras_liteseg"
        return [path.name for path in folder.glob("*") if not path.name.startswith("litert-")]


def start(folder, programs=None):
    """Return a running `Server`; with `programs`, who logs in finds only these."""
    keys = {}
    for name in ("host", "user", "stranger"):
        keys[name] = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys[name]], check=True)
    home = folder / "home"
    home.mkdir()
    settings = f"HOME={home}"
    if programs is not None:
        (folder / "bin").mkdir()
        for name in programs:
            (folder / "bin" / name).symlink_to(shutil.which(name))
        settings += f" PATH={folder / 'bin'}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"""Port {port}
ListenAddress 127.0.0.1
HostKey {keys["host"]}
PidFile none
AuthorizedKeysFile {keys["user"]}.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
SetEnv {settings}
"""
    )
    if os.getuid() == 0:
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # where a server that root starts locks children in
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=open(folder / "log", "w"), start_new_session=True
    )
    end = time.monotonic() + 20
    while "Server listening" not in (folder / "log").read_text():
        assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.02)
    user = pwd.getpwuid(os.getuid()).pw_name
    return Server(folder, home, client_config(folder, port), f"ssh://{user}@127.0.0.1:{port}", process)


def stop(server):
    """End a server and whom it has let in."""
    if server.process.poll() is None:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


def client_config(folder, port, key="user", host_key="host"):
    """Write a client's configuration: its key, and what it takes for the host's key (None: it knows none)."""
    name = f"{key}-{host_key}"
    known = "" if host_key is None else " ".join((folder / f"{host_key}.pub").read_text().split()[:2])
    (folder / f"{name}.known").write_text(known and f"[127.0.0.1]:{port} {known}\n")
    config = folder / f"{name}.config"
    config.write_text(
        f"""Host *
  IdentityFile {folder / key}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder / name}.known
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
"""
    )
    return config
