"""Ranges of dependencies in pyproject.toml against the versions in requirements*.txt, and what a wheel holds."""

import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Files that are installed together, as in the Makefile, and the groups of pyproject.toml that they are for.
ENVIRONMENTS = [
    (["requirements.txt"], ["", "test"]),
    (["requirements.txt", "requirements-lint.txt", "requirements-onnx.txt"], ["", "test", "lint", "onnx"]),
    (["requirements.txt", "requirements-backends.txt"], ["", "test", "backends"]),
    (["requirements.txt", "requirements-onnx.txt"], ["", "test", "onnx"]),
    (["requirements.txt", "requirements-runtimes.txt"], ["", "test", "runtimes"]),
    (["requirements-mediapipe.txt"], ["mediapipe"]),
]


def wanted(group):
    """Return the `Requirement`s of a group of pyproject.toml; '' is what every installation needs."""
    project = PROJECT["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"], **PROJECT["dependency-groups"]}
    found = []
    for requirement in map(Requirement, groups[group]):
        if requirement.name == project["name"]:
            found += [other for extra in requirement.extras for other in wanted(extra)]
        else:
            found.append(requirement)
    return found


def pins(files):
    """Return {canonical name: `Version`} of requirements files, which must hold nothing but NAME==VERSION."""
    found = {}
    for file in files:
        for line in (ROOT / file).read_text().splitlines():
            if not line.startswith("#"):
                name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
                assert found.setdefault(canonicalize_name(name), Version(version)) == Version(version), name
    return found


@pytest.mark.parametrize("files, groups", ENVIRONMENTS, ids=lambda names: "+".join(names))
def test_versions_that_are_tested_lie_in_the_ranges(files, groups):
    pinned = pins(files)
    for requirement in [requirement for group in groups for requirement in wanted(group)]:
        version = pinned.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} has no version in {' or '.join(files)}"
        assert version in requirement.specifier, f"{files[-1]} has {requirement.name} {version}, not {requirement}"


def test_every_group_is_installed_by_some_file():
    groups = {*PROJECT["project"]["optional-dependencies"], *PROJECT["dependency-groups"]}
    assert groups == {group for _, groups in ENVIRONMENTS for group in groups} - {""}
    assert {file.name for file in ROOT.glob("requirements*.txt")} == {
        file for files, _ in ENVIRONMENTS for file in files
    }


def test_what_dependencies_need_is_pinned_too():
    pinned = pins(["requirements.txt"])
    left, seen = [*wanted(""), *wanted("test")], set()
    while left:
        requirement = left.pop()
        name, extras = canonicalize_name(requirement.name), requirement.extras or {""}
        applies = requirement.marker is None or requirement.marker.evaluate()
        if not applies or (name, frozenset(extras)) in seen:
            continue
        seen.add((name, frozenset(extras)))
        assert name in pinned, f"{requirement} is not pinned in requirements.txt"
        assert pinned[name] in requirement.specifier, f"requirements.txt has {name} {pinned[name]}, not {requirement}"
        for other in map(Requirement, importlib.metadata.requires(name) or []):
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in extras):
                other.marker = None
                left.append(other)
    assert len({name for name, _ in seen}) > len(wanted("")), "no dependency had dependencies"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what a wheel of the repository's tracked files installs."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("a wheel is made of the files that git tracks, and this is no git repository")
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "installed"))
    for name in tracked.stdout.splitlines():
        if (ROOT / name).exists() and not name.startswith(("results/", "tests/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    build = ["wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", "made"]
    subprocess.run([sys.executable, "-m", "pip", *build], cwd=source, check=True)
    with zipfile.ZipFile(*(source / "made").glob("*.whl")) as archive:
        archive.extractall(target)
    return target


def test_wheel_holds_every_file_of_the_packages(installed):
    ours = subprocess.run(["git", "ls-files", "keras_liteseg", "edge"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in ours.stdout.splitlines() if (ROOT / name).is_file() and not name.endswith(".md")]
    assert len(names) > 100
    assert [name for name in names if not (installed / name).is_file()] == []
    (metadata,) = installed.glob("*.dist-info")
    assert (metadata / "licenses" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_installed_package_finds_the_published_weights(installed, tmp_path):
    program = "import keras_liteseg as k; print(k.__file__, k.create_model('lps_net_s', weights='camvid').output_shape)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == str(installed / "keras_liteseg" / "__init__.py")
    assert done.stdout.endswith("(None, 512, 1024, 11)\n")
