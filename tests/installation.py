"""The project as users get it: wheel and sdist of the tracked files, and environments with the wheel and what it asks
for, which need no network."""

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).parents[1]


def export_tree(folder):
    """Copy what git tracks, as it is in the working tree, to `folder`; results and tests aside, which nobody installs.

    Links stay links. Without a git repository the test is skipped.
    """
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("what is built is made of the files that git tracks, and this is no git repository")
    for name in tracked.stdout.splitlines():
        if os.path.lexists(ROOT / name) and not name.startswith(("results/", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def build_wheel(source, folder):
    """Build the wheel of a source folder into `folder`, with the setuptools of this environment; return its path."""
    command = [sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def build_sdist(source, folder):
    """Build the source distribution of a source folder into `folder`; return its path."""
    program = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, folder], cwd=source, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def make_environment(wheel, folder, *extras):
    """Make a virtual environment in `folder` that holds a wheel and what it asks for, with `extras`, and nothing else.

    The packages are those of this environment, with hard links for files, so that it is made in seconds and without a
    network. What a package needs and does not ask for is missing, as it is with pip.

    Returns:
        Its folder of programs.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    scripts = folder / "bin"
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    packages = pathlib.Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (metadata,) = packages.glob("keras_liteseg-*.dist-info")
    for name in _closure(importlib.metadata.Distribution.at(metadata), {"", *extras}):
        _place(importlib.metadata.distribution(name), packages)
    return scripts


def _closure(distribution, extras):
    """Return the names of all that a distribution needs, directly or not."""
    seen, found = set(), set()
    left = [(distribution, extras)]
    while left:
        distribution, extras = left.pop()
        for requirement in map(Requirement, distribution.requires or []):
            applies = requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in extras)
            key = (requirement.name, frozenset(requirement.extras))
            if applies and key not in seen:
                seen.add(key)
                if requirement.name == "keras-liteseg":  # an extra that takes in another one
                    left.append((distribution, {"", *requirement.extras}))
                    continue
                found.add(requirement.name)
                left.append((importlib.metadata.distribution(requirement.name), {"", *requirement.extras}))
    return sorted(found)


def _place(distribution, packages):
    """Give the files of a distribution a second place, as links that no program can tell from the files: OpenCV looks
    for its parts where its own file really is."""
    for file in distribution.files:
        source, target = distribution.locate_file(file), packages / file
        if ".." in file.parts or not source.exists() or target.exists():  # programs; namespace packages share files
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # on another file system
            shutil.copy2(source, target)
