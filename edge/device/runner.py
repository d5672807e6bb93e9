"""Measures one TFLite file on the machine where it runs, driven by lines on stdin.

    python runner.py MODEL.tflite THREADS cpu|gpu|tensorrt

It needs Python, numpy, ai-edge-litert and beside it gpu_runner.py, op_profile.py and tensors.py, gpu_log.py and
partitions.py (from `keras_liteseg/tflite`), for TensorRT trtexec.py and MODEL.onnx, nothing else of this project, so
that it can be copied to a device. Every line it reads is answered by one line of JSON on stdout:

    load       {"init_ms": ms until the first run can begin, "compile_ms": of these the ms in which the accelerator
                prepares the graph, "first_run_ms": ms of the first write + invoke + read, "load_average": of the
                machine over the last minute, before this}
    warmup N   {}
    run N      {"run": [ms of invoke, N of them], "end_to_end": [ms of write + invoke + read, N of them]}
    report     what ran, on what, with how much memory: see `Runner.report`
    profile N  {"ops": ms of each op over N runs of their own, see `op_profile.profile`}; the process must not have been
               asked to load; {"unsupported": reason} where the runtime cannot tell
    infer X    {"outputs": the output tensors for the input tensors X}, both as `tensors.pack` writes them

When something fails the answer is {"error": reason} and the exit status is 1. Inputs are seeded random numbers: floats
in [-1, 1], integers over the full range of their type.
"""

import glob
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from op_profile import profile
from partitions import partitions
from tensors import UnsupportedType, pack, random_input, unpack

THERMAL = "/sys/class/thermal/thermal_zone"
CPUS = "/sys/devices/system/cpu"
# What /proc/cpuinfo says of ARM's own cores, which is a number.
ARM_CORES = {
    ("0x41", part): f"ARM {name}"
    for part, name in {
        "0xd03": "Cortex-A53",
        "0xd05": "Cortex-A55",
        "0xd08": "Cortex-A72",
        "0xd0b": "Cortex-A76",
        "0xd0c": "Neoverse N1",
        "0xd40": "Neoverse V1",
        "0xd41": "Cortex-A78",
        "0xd42": "Cortex-A78AE",
        "0xd49": "Neoverse N2",
        "0xd4f": "Neoverse V2",
    }.items()
}
DEVFREQ = "/sys/class/devfreq"


class Runner:
    """A loaded model with its inputs, after the first run."""

    accelerator = "xnnpack"

    def __init__(self, model, threads):
        self.load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self.state_before = state()
        rng = np.random.default_rng(0)
        self.memory_before = peak_memory_mb()
        start = time.perf_counter()
        compiling = self.load(model, threads)
        end = time.perf_counter()
        self.init_ms, self.compile_ms = (end - start) * 1e3, (end - compiling) * 1e3
        self.inputs = self.interpreter.get_input_details()
        self.outputs = self.interpreter.get_output_details()
        self.data = [random_input(rng, tensor["shape"], np.dtype(tensor["dtype"])) for tensor in self.inputs]
        _, self.first_run_ms = self.infer()

    def load(self, model, threads):
        """Get ready for the first run, and return the time at which the accelerator began with the graph."""
        self.interpreter = Interpreter(model, num_threads=threads)
        start = time.perf_counter()
        self.interpreter.allocate_tensors()  # XNNPACK takes its ops and packs their weights
        return start

    def write(self, data):
        for tensor, values in zip(self.inputs, data):
            self.interpreter.set_tensor(tensor["index"], values)

    def invoke(self):
        self.interpreter.invoke()

    def read(self):
        return [self.interpreter.get_tensor(tensor["index"]) for tensor in self.outputs]

    def delegation(self):
        return partitions(self.interpreter)

    def infer(self):
        """Run once and return (ms of invoke, ms of write + invoke + read)."""
        start = time.perf_counter()
        self.write(self.data)
        invoke = time.perf_counter()
        self.invoke()
        invoked = time.perf_counter()
        self.read()
        end = time.perf_counter()
        return (invoked - invoke) * 1e3, (end - start) * 1e3

    def warm_up(self, count):
        self.run(count)

    def run(self, count):
        times = [self.infer() for _ in range(count)]
        return {"run": [time[0] for time in times], "end_to_end": [time[1] for time in times]}

    def outputs_for(self, data):
        self.write(data)
        self.invoke()
        return self.read()

    def report(self):
        peak = peak_memory_mb()
        delegation = self.delegation()
        return {
            "device": device(),
            "stand_in": stand_in(),
            "runtime": {"name": "ai-edge-litert", "version": importlib.metadata.version("ai-edge-litert")},
            # LiteRT goes on without a word when XNNPACK cannot start, for example where /sys is missing.
            "accelerator": self.accelerator if delegation["partitions"] else "none",
            "inputs": [describe(tensor) for tensor in self.inputs],
            "outputs": [describe(tensor) for tensor in self.outputs],
            "peak_memory_mb": {"process": round(peak, 1), "model": round(peak - self.memory_before, 1)},
            "delegation": delegation,
            "state": {"before": self.state_before, "after": state()},
        }


def describe(tensor):
    scale, zero_point = tensor["quantization"]
    return {
        "name": tensor["name"],
        "dtype": np.dtype(tensor["dtype"]).name,
        "shape": tensor["shape"].tolist(),
        "quantization": [float(scale), int(zero_point)],
    }


def device():
    """Return {"cpu": name of the board or processor, "soc": such as 'brcm,bcm2712', "cores": usable by this process,
    "os"}."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        distribution = platform.release()
    # The device tree names the board first and the system on a chip last.
    compatible = (read("/proc/device-tree/compatible") or "").strip("\0").split("\0")
    system = f"{platform.system()} {platform.machine()}, {distribution}"
    return {"cpu": cpu_name(), "soc": compatible[-1] or None, "cores": cores, "os": system}


def stand_in():
    """Return 'emulator' where this process does not run on the processor that it sees, else None."""
    # An emulator of user programs, such as qemu-aarch64, passes on what the kernel says of itself.
    kernel = read("/proc/sys/kernel/arch")
    return "emulator" if kernel and _family(kernel) != _family(platform.machine()) else None


def _family(machine):
    # A 32-bit system on a 64-bit kernel, as on many a Raspberry Pi, is no emulator.
    if machine.startswith(("arm", "aarch")):
        return "arm"
    return "x86" if re.match(r"x86|i\d86|amd64", machine) else machine


def cpu_name():
    # On ARM boards /proc/cpuinfo names only the core's number; the device tree names the board.
    if os.path.exists("/proc/device-tree/model"):
        with open("/proc/device-tree/model") as file:
            return file.read().strip("\0\n")
    lines = (read("/proc/cpuinfo") or "").splitlines()
    names = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" in names:
        return names["model name"]
    if "CPU part" in names:
        core = ARM_CORES.get((names["CPU implementer"], names["CPU part"]))
        return core or f"ARM core {names['CPU implementer']} {names['CPU part']}"
    return platform.processor() or platform.machine()


def runner_class(accelerator):
    if accelerator == "cpu":
        return Runner
    if accelerator == "tensorrt":
        from trtexec import trtexec_runner

        return trtexec_runner(Runner)
    from gpu_runner import gpu_runner

    return gpu_runner(Runner)


def profiler(accelerator):
    if accelerator == "tensorrt":
        import trtexec

        return trtexec.profile
    return profile


def state():
    """Return what the device tells of its temperatures, clocks and power mode; what it does not tell is left out."""
    found = {
        "temperature_c": {read(f"{zone}/type"): number(f"{zone}/temp", 1e3) for zone in glob.glob(f"{THERMAL}*")},
        "cpu_mhz": [number(path, 1e3) for path in sorted(glob.glob(f"{CPUS}/cpu[0-9]*/cpufreq/scaling_cur_freq"))],
        "gpu_mhz": [number(f"{folder}/cur_freq", 1e6) for folder in gpus()],
        "governor": read(f"{CPUS}/cpu0/cpufreq/scaling_governor"),
        "power_mode": power_mode(),
        "clocks_fixed": clocks_fixed(),
    }
    return {name: value for name, value in found.items() if value}


def gpus():
    """Return the folders in which Linux tells the clocks of GPUs, such as 17000000.gpu on a Jetson Orin."""
    # Up to JetPack 5 the folder has the name of the chip: gp10b in TX2, gv11b in Xavier, ga10b in Orin.
    pattern = re.compile(r"gpu|g[apv]1\db")
    return [folder for folder in sorted(glob.glob(f"{DEVFREQ}/*")) if pattern.search(os.path.basename(folder))]


def clocks_fixed():
    """Return {"cpu": whether, "gpu": whether} the clocks are held at one speed, as `jetson_clocks` does; only what is
    told. `jetson_clocks --show` itself wants root."""
    cpus = glob.glob(f"{CPUS}/cpu[0-9]*/cpufreq")
    limits = {
        "cpu": [(read(f"{folder}/scaling_min_freq"), read(f"{folder}/scaling_max_freq")) for folder in cpus],
        "gpu": [(read(f"{folder}/min_freq"), read(f"{folder}/max_freq")) for folder in gpus()],
    }
    return {kind: all(low == high for low, high in pairs) for kind, pairs in limits.items() if pairs}


def power_mode():
    """Return a Jetson's power mode, such as 'MAXN', or None elsewhere."""
    # Not always on the PATH of a user without root's rights.
    program = shutil.which("nvpmodel") or shutil.which("/usr/sbin/nvpmodel")
    if program is None:
        return None
    # It tells everyone the mode, and whoever is not root errors about other files too.
    done = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=10)
    modes = [line.split(":", 1)[1].strip() for line in done.stdout.splitlines() if line.startswith("NV Power Mode:")]
    return modes[0] if modes else None


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:  # some sensors cannot be read at the moment
        return None


def number(path, unit):
    text = read(path)
    return round(int(text) / unit, 1) if text else None


def peak_memory_mb():
    """Return the peak resident memory of this process in MB of 2**20 bytes."""
    if os.path.exists("/proc/self/status"):
        # Not getrusage: on Linux its ru_maxrss starts at the memory of the process that started this one.
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    import resource  # does not exist on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(model, threads, accelerator="cpu"):
    # The C libraries may print; what they print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.set_inheritable(answers.fileno(), True)  # see `gpu_runner.captured_stderr`
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=answers)

    try:
        for line in sys.stdin:
            command, *count = line.split()
            if command == "load":
                runner = runner_class(accelerator)(model, int(threads))
                answer(
                    {
                        "init_ms": runner.init_ms,
                        "compile_ms": runner.compile_ms,
                        "first_run_ms": runner.first_run_ms,
                        "load_average": runner.load_average,
                    }
                )
            elif command == "warmup":
                runner.warm_up(int(*count))
                answer({})
            elif command == "run":
                answer(runner.run(int(*count)))
            elif command == "infer":
                answer({"outputs": pack(runner.outputs_for(unpack(*count)))})
            elif command == "profile":
                answer(profiler(accelerator)(model, int(threads), accelerator, int(*count)))
            elif command == "report":
                answer(runner.report())
            else:
                raise ValueError(f"unknown command {command!r}")
    except UnsupportedType as error:
        answer({"error": str(error)})
        sys.exit(1)
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
