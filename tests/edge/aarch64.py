"""A Python for aarch64 with the packages that this one needs, run by qemu's emulation of user programs: no second
system, no chroot.

    python -m tests.edge.aarch64 .aarch64

makes it in a folder from Debian's packages and the wheels of the dependencies, about 400 MB; `make test-edge` does so.
"""

import importlib.metadata
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
QEMU = shutil.which("qemu-aarch64-static")
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgcc-s1")
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# XNNPACK reads the kind of core from /proc/cpuinfo, for which qemu would show that of this machine. What it says and
# what qemu emulates must be the same core: here that of a Raspberry Pi 5, with dot products of int8.
CORE = "cortex-a76"
CPUINFO = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""


def version():
    """Return the version of LiteRT that is installed."""
    return importlib.metadata.version("ai-edge-litert")


def requirements():
    """Return what `pip install .` brings, in the versions that are installed here, such as 'numpy==2.4.6'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]
    return [f"{name}=={importlib.metadata.version(name)}" for name in names]


def is_ready(folder):
    """Return whether `prepare` has finished in that folder."""
    ready = folder / "ready"
    return QEMU is not None and ready.exists() and ready.read_text().split() == requirements()


def prepare(folder):
    """Install into `folder`, unless that was done.

    Raises:
        SystemExit: with a sentence, when something that it needs is missing here.
    """
    folder = folder.resolve()
    if QEMU is None:
        sys.exit("No qemu-aarch64-static here, so aarch64 is not tested; on Debian: apt install qemu-user-static")
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        sys.exit("No apt here, so aarch64 is not tested; their packages come from Debian or Ubuntu")
    if is_ready(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    root, cache = folder / "root", folder / "apt" / "cache"
    for path in (root, folder / "apt" / "lists" / "partial", cache / "archives" / "partial"):
        path.mkdir(parents=True)
    # A state of its own, so that this system's is left alone and apt takes nothing for installed.
    (folder / "apt" / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Dir::State": folder / "apt",
        "Dir::State::status": folder / "apt" / "status",
        "Dir::Cache": cache,
    }
    apt = ["apt-get", "-qq", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
    _run(*apt, "update")
    _run(*apt, "install", "--download-only", "--no-install-recommends", "-y", *PACKAGES)
    for package in sorted((cache / "archives").glob("*.deb")):
        _run("dpkg", "-x", package, root)
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text("".join(CPUINFO.format(number=number) for number in range(os.cpu_count())))
    python = re.search(r"3\.(\d+)$", str(next((root / "usr" / "bin").glob("python3.*"))))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command += ["--implementation", "cp", "--python-version", f"3.{python[1]}", "--abi", f"cp3{python[1]}"]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    _run(*command, "--target", folder / "site", *requirements())
    shutil.rmtree(folder / "apt")
    (folder / "ready").write_text("\n".join(requirements()))


def emulated(folder, program, **variables):
    """Return the command of a program for aarch64, as a list of words, with those environment variables."""
    settings = [word for name, value in variables.items() for word in ("-E", f"{name}={value}")]
    root = folder.resolve() / "root"
    return [QEMU, "-L", str(root), "-cpu", CORE, "-E", "LD_LIBRARY_PATH=", *settings, str(program)]


def python(folder, *paths):
    """Return the command of the Python there, as a list of words; it finds the packages in `paths` too."""
    program = next((folder.resolve() / "root" / "usr" / "bin").glob("python3.*"))
    found = os.pathsep.join(map(str, [folder.resolve() / "site", *paths]))
    return emulated(folder, program, PYTHONPATH=found)


def liteseg(folder, scratch):
    """Return the command `liteseg` of this checkout there, as a list of words; it writes a file into `scratch`.

    It starts further Pythons by the name that Python has for itself, which here has to start the emulator.
    """
    launcher = scratch / "python"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(python(folder, ROOT))} "$@"\n')
    launcher.chmod(0o755)
    start = f"import sys; sys.executable = {str(launcher)!r}; from keras_liteseg.commands import main; sys.exit(main())"
    return [str(launcher), "-c", start]


def _run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        sys.exit(f"{command[0]} failed, so aarch64 is not tested: {said[-1] if said else 'it gave no reason'}")


if __name__ == "__main__":
    prepare(pathlib.Path(sys.argv[1]))
