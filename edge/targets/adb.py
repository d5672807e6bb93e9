"""adb://SERIAL/cpu, /gpu or /npu: an Android phone, through the Android debug bridge.

The phone needs nothing but USB debugging. What measures there is LiteRT's own `benchmark_model`, in one of its two
forms: the classic one around the interpreter, and that of LiteRT 2 around CompiledModel. Each round of a benchmark is
one call of it, so every round loads the model anew and warms it up. Everything lies in one folder on the phone: the
program, which stays there, and for the time of a benchmark the models.
"""

import collections
import contextlib
import hashlib
import logging
import pathlib
import re
import secrets
import shlex
import shutil
import subprocess
import time

from edge.targets.adb_session import AdbSession
from edge.targets.benchmark_model_log import last_line
from edge.targets.protocol import MeasurementFailed
from keras_liteseg.errors import UserError

FOLDER = "/data/local/tmp/keras_liteseg"
CACHED = pathlib.Path("~/.cache/keras_liteseg/android_arm64/benchmark_model")
DOWNLOADS = (
    "https://storage.googleapis.com/litert/binaries/latest/android_arm64/benchmark_model",
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest/"
    "android_aarch64_benchmark_model",
)
ANSWER_S = 60
PUSH_S = 900
# Between two calls of the program: until it is no warmer than this above the start, but never longer than that; a fixed
# time where the phone tells no temperature.
WARMER_C, COOL_DOWN_S, PAUSE_S = 3, 60, 1

_log = logging.getLogger(__name__)
_END = "[exit status] "
_PROPERTIES = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.soc.manufacturer",
    "ro.soc.model",
    "ro.board.platform",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.product.cpu.abi",
    "ro.kernel.qemu",
    "ro.boot.qemu",
)
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_CPUS = "/sys/devices/system/cpu/cpu"
_DESCRIBE = f"""
for name in {" ".join(_PROPERTIES)}; do echo "$name=$(getprop "$name")"; done
echo "boot_id=$(cat {_BOOT_ID} 2>/dev/null)"
echo "taskset=$(command -v taskset)"
echo "nproc=$(nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo)"
for cpu in {_CPUS}[0-9]*; do
  echo "cpu${{cpu##*cpu}}=$(cat "$cpu/cpu_capacity" 2>/dev/null || cat "$cpu/cpufreq/cpuinfo_max_freq" 2>/dev/null)"
done
"""
_STATE = f"""
echo "load $(cat /proc/loadavg 2>/dev/null)"
for zone in /sys/class/thermal/thermal_zone*; do
  echo "zone $(cat "$zone/temp" 2>/dev/null) $(cat "$zone/type" 2>/dev/null)"
done
for cpu in {_CPUS}[0-9]*; do echo "clock $(cat "$cpu/cpufreq/scaling_cur_freq" 2>/dev/null)"; done
echo "governor $(cat {_CPUS}0/cpufreq/scaling_governor 2>/dev/null)"
"""
_PROCESSOR = re.compile("cpu|gpu|npu|soc|tsens|big|mid|little|cluster", re.IGNORECASE)


def check(address):
    """Raise a `UserError` unless `address` is as in adb:gpu or adb://SERIAL/gpu, and there is an adb here."""
    _parse(address)
    if shutil.which("adb") is None:
        raise UserError(
            "There is no adb here; install it (on Debian: apt install adb; elsewhere: the Android SDK Platform-Tools)."
        )


def uses_threads(address):
    """Return whether the number of CPU threads changes what is measured."""
    return _parse(address)[1] == "cpu"


def connect(address, options):
    """Return the phone at `address`.

    Raises:
        MeasurementFailed: it cannot be reached, or there is no `benchmark_model` for it.
    """
    serial, accelerator = _parse(address)
    return Phone(_find(serial), accelerator, _program(options.benchmark_model), options.clean)


def _parse(address):
    """Return (serial number or None for the only device, 'cpu', 'gpu' or 'npu')."""
    match = re.fullmatch(r"//([^/\s]+)(?:/(cpu|gpu|npu))?|(cpu|gpu|npu)?", address)
    if match is None:
        raise UserError(
            f"'adb:{address}' names no device; write it like adb:gpu, for the only one, or adb://SERIAL/gpu, with a "
            "serial number that `adb devices` lists, and cpu, gpu or npu."
        )
    return match[1], match[2] or match[3] or "cpu"


def _program(path):
    """Return the path of `benchmark_model` on this machine."""
    program = pathlib.Path(path) if path else CACHED.expanduser()
    if not program.is_file():
        raise MeasurementFailed(
            f"there is no benchmark_model at {program}; download one and name it with --benchmark_model, or put it "
            f"there: {DOWNLOADS[0]} (LiteRT 2: CPU, GPU, NPU) or {DOWNLOADS[1]} (the classic one, whose outputs can be "
            "compared)"
        )
    return program


def _adb(*words, timeout_s=ANSWER_S):
    """Run adb and return the finished process."""
    try:
        return subprocess.run(
            ["adb", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"adb gave no answer within {timeout_s:g} s") from None


def _find(serial):
    """Return the serial number of the device that is meant, once it is ready."""
    done = _adb("devices")
    # "SERIAL<tab>STATE"; the daemon's own messages begin with a star.
    devices = dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line and line[0] != "*")
    if done.returncode:
        raise MeasurementFailed(f"adb does not work here: {last_line(done.stderr)}")
    if serial is None and len(devices) > 1:
        raise MeasurementFailed(
            f"several devices are connected, {', '.join(sorted(devices))}; say which, such as adb://{sorted(devices)[0]}"
        )
    if not devices:
        raise MeasurementFailed("no device is connected; switch on USB debugging on the phone and plug it in")
    serial = serial or next(iter(devices))
    if serial not in devices:
        raise MeasurementFailed(
            f"no device {serial} is connected, only {', '.join(sorted(devices))}; one in the network has to be "
            "connected first: adb connect ADDRESS:PORT"
        )
    if devices[serial] != "device":
        raise MeasurementFailed(_not_ready(serial, devices[serial]))
    return serial


def _not_ready(serial, state):
    known = {
        "unauthorized": "does not trust this computer; unlock it and accept the dialog about USB debugging",
        "offline": "is offline; unplug it and plug it in again, then try `adb reconnect`",
        "no permissions": "may not be used by this user; on Linux install udev rules for it (Debian: "
        "android-sdk-platform-tools-common), then plug it in again",
    }
    for name, sentence in known.items():
        if state.startswith(name):
            return f"{serial} {sentence}"
    return f"{serial} is in the state '{state}'; start Android on it"


class Phone:
    """A connected phone with `benchmark_model` in place, a `protocol.Device`.

    Attributes:
        form: 'classic' or 'LiteRT 2', which of the two programs it is.
        flags: names of the flags that it knows.
        version: what tells its build, as it tells none itself.
        cpu_mask: the cores that CPU rows are kept on, all but the slowest kind, as hexadecimal number; None for all.
    """

    def __init__(self, serial, accelerator, program, clean):
        self.serial, self.accelerator, self._clean = serial, accelerator, clean
        self._run = f"{FOLDER}/run-{secrets.token_hex(4)}"
        self._pushed = set()
        self.version = hashlib.sha256(program.read_bytes()).hexdigest()[:16]
        self._program = f"{FOLDER}/{self.version}/benchmark_model"
        try:
            told = self.shell(_DESCRIBE)
            self._properties = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
            self.stand_in = self._stand_in()
            self.cpu_mask = self._cpu_mask()
            self._cool = self.state()["temperature_c"]
            self.shell(f"mkdir -p {shlex.quote(self._run)}")
            self._install(program)
            self.form, self.flags = self._usage()
        except BaseException:
            self.close()
            raise

    def start(self, model, threads, timeout_s):
        """Return an `AdbSession`; see `protocol.Device`."""
        # Named by its content, so that no name of a user's reaches a shell.
        path = f"{self._run}/{hashlib.sha256(model.read_bytes()).hexdigest()[:16]}.tflite"
        if path not in self._pushed:
            self.push(model, path)
            self._pushed.add(path)
        return AdbSession(self, model, path, threads, timeout_s)

    def close(self):
        """Remove what was pushed, and on request everything."""
        try:
            self.shell(f"rm -rf {shlex.quote(FOLDER if self._clean else self._run)}")
        except MeasurementFailed:
            pass  # it is gone

    def shell(self, script, timeout_s=ANSWER_S):
        """Run a script on the phone and return what it prints.

        Raises:
            MeasurementFailed: it fails, or the phone cannot be reached.
        """
        status, output = self._status_of(script, timeout_s)
        if status:
            raise self._failure(status, output)
        return output

    def _status_of(self, script, timeout_s):
        """Run a script and return (its exit status, what it prints)."""
        # Told by the script: the exit status of adb is 0 too when the connection is lost, and always with old phones.
        script = f"sh -c {shlex.quote(script)} 2>&1; echo {shlex.quote(_END)}$?"
        done = _adb("-s", self.serial, "shell", script, timeout_s=timeout_s)
        output, end, status = done.stdout.replace("\r\n", "\n").rpartition(_END)
        if not end or not status.strip().isdigit():
            raise self._failure(done.returncode, done.stderr + done.stdout)
        return int(status), output

    def push(self, path, target):
        """Copy a file onto the phone; raises as `shell`."""
        part = f"{target}.part"
        done = _adb("-s", self.serial, "push", pathlib.Path(path).resolve(), part, timeout_s=PUSH_S)
        if done.returncode:
            _adb("-s", self.serial, "shell", f"rm -f {shlex.quote(part)}")
            raise self._failure(done.returncode, done.stderr + done.stdout)
        self.shell(f"mv {shlex.quote(part)} {shlex.quote(target)}")

    def pull(self, source, path):
        """Copy a file from the phone; raises as `shell`."""
        done = _adb("-s", self.serial, "pull", source, path, timeout_s=PUSH_S)
        if done.returncode:
            raise self._failure(done.returncode, done.stderr + done.stdout)

    def _failure(self, status, said):
        """Return the `MeasurementFailed` that says why something failed there."""
        if "No space left on device" in said:
            return MeasurementFailed(f"{self.serial}: No space left on device; free some there")
        state = _adb("-s", self.serial, "get-state")
        if state.returncode or state.stdout.strip() != "device":
            reason = last_line(state.stderr + state.stdout)
            return MeasurementFailed(f"the connection to {self.serial} is lost ({reason})")
        return MeasurementFailed(f"{self.serial}: exit status {status}, {last_line(said)}")

    def call(self, flags, timeout_s):
        """Run `benchmark_model` and return (its exit status, what it printed).

        Raises:
            MeasurementFailed: no end within `timeout_s` seconds, after which it is killed; or the phone is lost.
        """
        pid = shlex.quote(f"{self._run}/pid")
        words = ["taskset", self.cpu_mask] if self.cpu_mask and self.accelerator == "cpu" else []
        words += [self._program, *flags]
        script = f"echo $$ > {pid}; exec {shlex.join(words)}"
        if self.accelerator == "npu":
            # The second is where the NPU of a Snapdragon looks for its part of the libraries.
            folder = shlex.quote(f"{FOLDER}/{self.version}")
            script = f"export LD_LIBRARY_PATH={folder} ADSP_LIBRARY_PATH={folder}; {script}"
        try:
            return self._status_of(script, timeout_s)
        except BaseException:
            # The program goes on when only adb ends.
            with contextlib.suppress(MeasurementFailed):
                _adb("-s", self.serial, "shell", f"kill -9 $(cat {pid})")
            raise

    def cool_down(self):
        """Wait until the phone is as cool as it was at the start, within limits."""
        if not self._cool:
            time.sleep(PAUSE_S)
            return
        end = time.monotonic() + COOL_DOWN_S
        told = False
        while (warmer := self._warmer()) > WARMER_C and time.monotonic() < end:
            if not told:
                _log.info("%s: %.1f C warmer than at the start; cooling down", self.serial, warmer)
                told = True
            time.sleep(PAUSE_S)

    def _warmer(self):
        now = self.state()["temperature_c"]
        # Other zones than those of processors may be currents, batteries or limits.
        names = self._cool.keys() & now.keys()
        names = [name for name in names if _PROCESSOR.search(name)] or names
        return max((now[name] - self._cool[name] for name in names), default=0)

    def state(self):
        """Return {"load_average", "temperature_c", "cpu_mhz", "governor"}; None or empty is what it does not tell."""
        found = collections.defaultdict(list)
        for line in self.shell(_STATE).splitlines():
            name, _, values = line.partition(" ")
            found[name].append(values.split())
        zones = [values for values in found["zone"] if len(values) == 2 and re.fullmatch(r"-?\d+", values[0])]
        # Thousandths of a degree, on some phones tenths or whole ones.
        degrees = {
            name: int(value) / (1000 if len(value) > 4 else 10 if len(value) > 2 else 1) for value, name in zones
        }
        load, governor = found["load"][0], found["governor"][0]
        return {
            "load_average": float(load[0]) if load else None,
            "temperature_c": {name: round(value, 1) for name, value in degrees.items() if 0 < value < 130},
            "cpu_mhz": [round(int(values[0]) / 1e3, 1) for values in found["clock"] if values],
            "governor": governor[0] if governor else None,
        }

    def describe(self):
        """Return the "device" of a row."""
        told = self._properties
        soc = " ".join(filter(None, (told["ro.soc.manufacturer"], told["ro.soc.model"]))) or told["ro.board.platform"]
        android = f"Android {told['ro.build.version.release']} (API {told['ro.build.version.sdk']})"
        return {
            "cpu": " ".join(filter(None, (told["ro.product.manufacturer"], told["ro.product.model"]))),
            "soc": soc or None,
            "cores": int(told["nproc"]),
            "os": f"{android}, {told['ro.product.cpu.abi']}",
        }

    def _stand_in(self):
        told = self._properties
        if "1" in (told["ro.kernel.qemu"], told["ro.boot.qemu"]):
            return "emulator"
        # A container that plays a phone runs on the kernel of this machine.
        here = pathlib.Path(_BOOT_ID)
        return "loopback" if told["boot_id"] and here.exists() and here.read_text().strip() == told["boot_id"] else None

    def _cpu_mask(self):
        told = self._properties
        speeds = {int(name[3:]): value for name, value in told.items() if re.fullmatch(r"cpu\d+", name)}
        speeds = {core: int(speed) for core, speed in speeds.items() if speed.isdigit()}
        big = [core for core, speed in speeds.items() if speed > min(speeds.values())]
        return f"{sum(1 << core for core in big):x}" if big and told["taskset"] else None

    def _install(self, program):
        """Push the program, and the libraries beside it that an NPU needs, unless they are there."""
        folder = f"{FOLDER}/{self.version}"
        quoted = shlex.quote(folder)
        if self.shell(f"[ -e {quoted}/ready ] && echo ready || :").strip():
            return
        self.shell(f"rm -rf {quoted} && mkdir -p {quoted}")
        for library in sorted(program.parent.glob("*.so")):
            self.push(library, f"{folder}/{library.name}")
        self.push(program, self._program)
        self.shell(f"chmod 755 {shlex.quote(self._program)} && touch {quoted}/ready")

    def _usage(self):
        """Return which form of the program it is, and its flags."""
        # A wrong value makes both forms print all their flags and end.
        status, said = self.call(["--num_runs=?"], ANSWER_S)
        flags = set(re.findall(r"^\s*--(\w+)=", said, re.MULTILINE))
        if {"graph", "use_npu"} <= flags:
            return "LiteRT 2", flags
        if {"graph", "input_layer"} <= flags:
            return "classic", flags
        if status in (126, 127):
            raise MeasurementFailed(
                f"benchmark_model cannot be executed on {self.serial}, whose processor is "
                f"{self._properties['ro.product.cpu.abi'] or 'unknown'}: {last_line(said)}; give --benchmark_model the "
                "one for it"
            )
        raise MeasurementFailed(
            f"what was given as benchmark_model is none: it does not list the flags of one, but ends with exit status "
            f"{status} and writes: {last_line(said)}"
        )
