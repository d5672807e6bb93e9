"""What the machine tells of itself: its name, temperatures, clocks, power mode, and the memory of this process."""

import glob
import os
import platform
import re
import shutil
import subprocess

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
# What of the names in /proc/cpuinfo decides how fast int8 is.
_INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512bw": "AVX-512",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_int8": "AMX-INT8",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "NEON i8mm",
    "sve2": "SVE2",
}


def device():
    """Return {"cpu": name of the board or processor, "soc": such as 'brcm,bcm2712', "cores": usable by this process,
    "os", "instructions": see `instructions`}."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        distribution = platform.release()
    # The device tree names the board first and the system on a chip last.
    compatible = (read("/proc/device-tree/compatible") or "").strip("\0").split("\0")
    system = f"{platform.system()} {platform.machine()}, {distribution}"
    soc = compatible[-1] or None
    return {"cpu": cpu_name(), "soc": soc, "cores": cores, "os": system, "instructions": instructions()}


def instructions():
    """Return the names of the vector instructions that int8 depends on, such as ['AVX2', 'AVX512-VNNI']; none where the
    system does not tell."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", read("/proc/cpuinfo") or "", flags=re.MULTILINE)
    words = set(found[1].split()) if found else set()
    return [name for word, name in _INSTRUCTIONS.items() if word in words]


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
    """Return the name of the board or processor."""
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
    """Return the text of a file without blanks at its ends, or None where it cannot be read."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:  # some sensors cannot be read at the moment
        return None


def number(path, unit):
    """Return the whole number in a file, divided by `unit`, to one decimal; None where there is none."""
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
