"""The header that every measured result carries, so that anyone can see where a number comes from and rerun it."""

import datetime
import importlib.metadata
import platform
import shlex
import sys

PACKAGES = ("tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert", "numpy")


def provenance():
    """Return a dict with `command`, `date` (UTC), `device` (CPU, cores, OS) and `versions` of this process."""
    return {
        "command": shlex.join(["python", *_module_or_script(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "device": {"cpu": cpu_name(), "cores": _cores(), "os": f"{platform.system()} {platform.machine()}"},
        "versions": {"python": platform.python_version(), **_versions()},
    }


def provenance_of_host():
    """Return the same for a measurement on another device, which has a "device" of its own: this one is the `host`."""
    header = provenance()
    return {"host" if name == "device" else name: value for name, value in header.items()}


def cpu_name():
    """Return the processor's own name, such as 'AMD EPYC 9R14'."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.lower().startswith(("model name", "hardware")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _module_or_script():
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and spec.name not in ("__main__", None):
        return ["-m", spec.name.removesuffix(".__main__")]
    return [sys.argv[0].rsplit("/", 1)[-1]]


def _cores():
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
