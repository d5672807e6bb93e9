"""The device's end of the Android debug bridge, for the real adb client: what adbd is on a phone.

Its shell runs commands on this machine, with a folder in place of the device's /data and /sys, and getprop. Files that
are pushed are written there. What is not needed here (a terminal, port forwarding, packages) is missing.
"""

import os
import pathlib
import queue
import re
import socket
import stat
import struct
import subprocess
import threading

_VERSION, _LARGEST = 0x01000000, 256 * 1024
_PHONE = {
    "ro.product.manufacturer": "Nobody",
    "ro.product.model": "Test phone",
    "ro.soc.manufacturer": "Some",
    "ro.soc.model": "SoC 1",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.product.cpu.abi": "arm64-v8a",
}
_GETPROP = """#!/bin/sh
while IFS='=' read -r name value; do
  [ "$name" = "$1" ] && echo "$value" && exit
done < "$DEVICE/properties"
echo
"""


class Device:
    """A device that waits for `adb connect`.

    Args:
        folder: for everything of it.
        properties: what getprop tells, besides that of a phone.
        trusts: whether it trusts every computer, or none.
        environment: environment variables of its shell.

    Attributes:
        root: folder that holds its /data and /sys.
        serial: what adb calls it.
    """

    def __init__(self, folder, properties=(), trusts=True, environment=()):
        self.root, self.trusts = pathlib.Path(folder), trusts
        for name in ("data/local/tmp", "sys/class/thermal", "sys/devices/system/cpu", "bin"):
            (self.root / name).mkdir(parents=True)
        told = {**_PHONE, **dict(properties)}
        (self.root / "properties").write_text("".join(f"{name}={value}\n" for name, value in told.items()))
        (self.root / "bin" / "getprop").write_text(_GETPROP)
        (self.root / "bin" / "getprop").chmod(0o755)
        path = f"{self.root / 'bin'}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "DEVICE": str(self.root), **dict(environment)}
        self._connections = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.serial = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def core(self, number, mhz):
        """Give the device a core of that highest clock."""
        folder = self.root / "sys/devices/system/cpu" / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        for name in ("cpuinfo_max_freq", "scaling_cur_freq"):
            (folder / name).write_text(f"{mhz}000\n")
        (folder / "scaling_governor").write_text("schedutil\n")

    def zone(self, number, name, degrees):
        """Set the temperature of a thermal zone."""
        folder = self.root / "sys/class/thermal" / f"thermal_zone{number}"
        folder.mkdir(exist_ok=True)
        (folder / "type").write_text(f"{name}\n")
        (folder / "temp").write_text(f"{round(degrees * 1000)}\n")

    def stop(self):
        """Vanish: end all connections and take no more. What runs in its shell goes on."""
        # Closing alone would not wake the thread that waits there.
        for end in (self._listening, *self._connections):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is over already
            end.close()

    def path(self, text):
        """Return a text of the device with the paths that its files have here."""
        return re.sub(r"(?<![\w./-])/(data|sys)(?=[/ ]|$)", rf"{self.root}/\1", text)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=_Connection(self, connection).serve, daemon=True).start()


class _Connection:
    def __init__(self, device, socket_):
        self.device, self._socket = device, socket_
        self._sending = threading.Lock()
        self._streams = {}

    def serve(self):
        try:
            while True:
                command, first, second, length, _, _ = struct.unpack("<4s5I", self._receive(24))
                self._handle(command, first, second, self._receive(length))
        except OSError:
            for stream in self._streams.values():
                stream.end()

    def _receive(self, count):
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def send(self, command, first, second, data=b""):
        magic = int.from_bytes(command, "little") ^ 0xFFFFFFFF
        header = struct.pack("<4s5I", command, first, second, len(data), sum(data) & 0xFFFFFFFF, magic)
        with self._sending:
            self._socket.sendall(header + data)

    def _handle(self, command, first, second, data):
        if command in (b"CNXN", b"AUTH") and not self.device.trusts:
            # A token to sign, or for the public key that follows a signature no answer: the dialog is open.
            if (command, first) != (b"AUTH", 3):
                self.send(b"AUTH", 1, 0, os.urandom(20))
        elif command == b"CNXN":
            self.send(b"CNXN", _VERSION, _LARGEST, b"device::ro.product.name=stub;features=shell_v2,cmd\0")
        elif command == b"OPEN":
            stream = _Stream(self, len(self._streams) + 1, first)
            self._streams[stream.ours] = stream
            threading.Thread(target=stream.run, args=(data.rstrip(b"\0").decode(),), daemon=True).start()
        elif command == b"WRTE" and second in self._streams:
            self._streams[second].incoming.put(data)
            self.send(b"OKAY", second, first)
        elif command == b"OKAY" and second in self._streams:
            self._streams[second].taken.release()
        elif command == b"CLSE" and second in self._streams:
            self._streams[second].end()


class _Stream:
    """One service that adb has opened."""

    def __init__(self, connection, ours, theirs):
        self.connection, self.ours, self.theirs = connection, ours, theirs
        self.incoming = queue.Queue()
        self.taken = threading.Semaphore(0)
        self._over = False
        self._rest = b""

    def run(self, service):
        name, _, argument = service.partition(":")
        services = {"shell": self._shell, "sync": self._sync}
        serve = services.get(name.partition(",")[0])
        try:
            if serve is not None:
                self.connection.send(b"OKAY", self.ours, self.theirs)
                serve(argument)
            self.connection.send(b"CLSE", self.ours, self.theirs)
        except OSError:
            pass  # the other end is gone

    def end(self):
        self._over = True
        self.incoming.put(b"")
        self.taken.release()

    def _write(self, data):
        """Send data, each piece after the one before was taken."""
        for start in range(0, len(data), _LARGEST):
            if self._over:
                raise ConnectionError
            self.connection.send(b"WRTE", self.ours, self.theirs, data[start : start + _LARGEST])
            self.taken.acquire()

    def _read(self, count):
        while len(self._rest) < count:
            data = self.incoming.get()
            if not data:
                raise ConnectionError
            self._rest += data
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _shell(self, command):
        device = self.connection.device
        process = subprocess.Popen(
            ["sh", "-c", device.path(command)],
            cwd=device.root,
            env=device.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        sending = threading.Lock()

        def forward(pipe, kind):
            # To the end, even if nobody listens any more: nothing may stop the process.
            while data := os.read(pipe.fileno(), 4096):
                try:
                    with sending:
                        self._write(struct.pack("<BI", kind, len(data)) + data)
                except OSError:
                    pass

        threads = [threading.Thread(target=forward, args=each) for each in ((process.stdout, 1), (process.stderr, 2))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = process.wait()
        # As a shell tells it: 128 and the number of the signal.
        self._write(struct.pack("<BIB", 3, 1, status if status >= 0 else 128 - status))

    def _sync(self, _):
        while True:
            kind, length = struct.unpack("<4sI", self._read(8))
            if kind == b"QUIT":
                return
            name = self._read(length).decode()
            if kind == b"STAT":
                self._stat(pathlib.Path(self.connection.device.path(name)))
            elif kind == b"SEND":
                self._take(pathlib.Path(self.connection.device.path(name.rpartition(",")[0])))
            elif kind == b"RECV":
                self._give(pathlib.Path(self.connection.device.path(name)))

    def _stat(self, path):
        found = path.stat() if path.exists() else None
        values = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
        self._write(struct.pack("<4s3I", b"STAT", *values))

    def _take(self, path):
        failure = None
        try:
            file = open(path, "wb", buffering=0)
        except OSError as error:
            file, failure = open(os.devnull, "wb"), f"couldn't create file: {error.strerror}"
        with file:
            while True:
                kind, length = struct.unpack("<4sI", self._read(8))
                if kind == b"DONE":
                    break
                data = self._read(length)
                try:
                    # On a full disk, a part may be written.
                    while data and not failure:
                        data = data[file.write(data) :]
                except OSError as error:
                    failure = f"write failed: {error.strerror}"
        if failure:
            self._fail(failure)
        else:
            self._write(struct.pack("<4sI", b"OKAY", 0))

    def _give(self, path):
        if not path.exists() or not stat.S_ISREG(path.stat().st_mode):
            self._fail("open failed: No such file or directory")
            return
        data = path.read_bytes()
        for start in range(0, len(data), 64 * 1024):
            part = data[start : start + 64 * 1024]
            self._write(struct.pack("<4sI", b"DATA", len(part)) + part)
        self._write(struct.pack("<4sI", b"DONE", 0))

    def _fail(self, message):
        self._write(struct.pack("<4sI", b"FAIL", len(message)) + message.encode())
