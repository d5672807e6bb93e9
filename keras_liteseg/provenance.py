"""The header that every measured result carries, so that anyone can see where a number comes from and rerun it."""

import datetime
import functools
import importlib.metadata
import os
import pathlib
import platform
import shlex
import subprocess
import sys

import keras_liteseg

PACKAGES = ("tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert", "numpy")
OTHER_BACKENDS = ("jax", "torch")  # named where Keras runs on them
FOLDER = pathlib.Path(__file__).resolve().parent


def provenance():
    """Return a dict that says what measured: this process.

    It has `command`, `date` (UTC), `device` (CPU, cores, OS, and GPU where Keras computes on one) and `versions`: those
    of this package, of Python and of the packages that compute, and, where this package lies in a git checkout, the
    `commit` of its source, see `source_commit`.
    """
    gpu = gpu_name()
    commit = source_commit()
    return {
        "command": shlex.join([*_program(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "device": {
            "cpu": cpu_name(),
            "cores": _cores(),
            **({"gpu": gpu} if gpu else {}),
            "os": f"{platform.system()} {platform.machine()}",
        },
        "versions": {
            "keras_liteseg": keras_liteseg.__version__,
            **({"commit": commit} if commit else {}),
            "python": platform.python_version(),
            **_versions(),
        },
    }


def provenance_of_host():
    """Return the same for a measurement on another device, which has a "device" of its own: this one is the `host`."""
    header = provenance()
    return {"host" if name == "device" else name: value for name, value in header.items()}


@functools.cache
def source_commit(package=FOLDER):
    """Return the commit of the checkout that a package lies in, such as '207db04' or '207db04-dirty', or None.

    `-dirty` says that tracked files differ from the commit. Those of `results/` and `docs/` do not count: a measurement
    changes them, and they change no measurement. It is None where the package is installed without its repository, or
    where git is missing or refuses. The answer is that of the first call, because the code was loaded then.
    """
    root = package.parent
    if not (root / ".git").exists():  # a package in site-packages may lie inside a repository of somebody else
        return None
    commit = _git(root, "rev-parse", "--short", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results", ":!docs")
    return commit and (f"{commit}-dirty" if changes else commit)


def _git(folder, *arguments):
    """Return what a git command prints, or None where it fails."""
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


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


def gpu_name():
    """Return the name of the GPU that Keras computes on, such as 'NVIDIA H100 80GB HBM3', or None without one."""
    backend = _backend()
    if backend == "jax":
        device = sys.modules["jax"].devices()[0]
        return device.device_kind if device.platform == "gpu" else None
    if backend == "torch":
        cuda = sys.modules["torch"].cuda
        return cuda.get_device_name() if cuda.is_available() else None
    if backend == "tensorflow":
        tf = sys.modules["tensorflow"]
        found = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(found[0]).get("device_name") if found else None
    return None


def _backend():
    """Return the name of Keras's backend, or None where Keras is not used."""
    return sys.modules["keras"].backend.backend() if "keras" in sys.modules else None


def _program():
    """Return how this program was called: python -m MODULE, python SCRIPT.py, or the name of an installed command."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and spec.name not in ("__main__", None):
        return ["python", "-m", spec.name.removesuffix(".__main__")]
    name = pathlib.PurePath(sys.argv[0]).name
    return [name] if name == "liteseg" else ["python", name]


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _versions():
    found = {}
    for name in (*PACKAGES, *({_backend()} & set(OTHER_BACKENDS))):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
