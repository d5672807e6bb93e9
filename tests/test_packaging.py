"""Ranges of dependencies in pyproject.toml against the versions in requirements*.txt."""

import importlib.metadata
import pathlib
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from keras_liteseg.parts import PARTS

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Files that are installed together, as in the Makefile, and the groups of pyproject.toml that they are for.
ENVIRONMENTS = [
    # What TensorFlow's CUDA libraries are is up to TensorFlow, which pins each of them.
    (["requirements.txt"], ["", "train", "cuda", "test"]),
    (["requirements.txt", "requirements-lint.txt", "requirements-onnx.txt"], ["", "train", "test", "lint", "onnx"]),
    (["requirements.txt", "requirements-backends.txt"], ["", "jax", "pytorch", "test"]),
    (
        ["requirements.txt", "requirements-onnx.txt", "requirements-openvino.txt"],
        ["", "train", "test", "onnx", "openvino"],
    ),
    (["requirements.txt", "requirements-parquet.txt"], ["", "parquet"]),
    (["requirements.txt", "requirements-tiff.txt"], ["", "tiff"]),
    (["requirements.txt", "requirements-runtimes.txt"], ["", "train", "test", "runtimes"]),
    (["requirements.txt", "requirements-npu.txt"], ["", "ethos-u", "micro"]),
    (["requirements-mediapipe.txt"], ["mediapipe"]),
    (["requirements-rknn.txt"], ["rknn"]),
    (["requirements.txt", "requirements-intel-npu.txt"], ["", "intel-npu"]),
    (["requirements.txt", "requirements-lint.txt", "requirements-notebook.txt"], ["notebook"]),
    (["requirements-docs.txt"], ["", "docs"]),
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
    left, seen = [*wanted(""), *wanted("train"), *wanted("test")], set()
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


def test_hints_name_the_extra_that_brings_what_is_missing():
    brought = importlib.metadata.packages_distributions()
    for part, modules in PARTS.items():
        names = {canonicalize_name(requirement.name) for requirement in wanted(part)}
        for module in modules:
            distributions = brought.get(module, [module])
            assert names & {canonicalize_name(each) for each in distributions}, f"{module} is not in [{part}]"
