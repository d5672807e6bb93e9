"""What `import keras_liteseg` gives, and what it leaves alone."""

import ast
import doctest
import importlib
import inspect
import os
import pathlib
import subprocess
import sys

import keras
import pytest

import keras_liteseg

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("path", [*keras_liteseg.__all__, "models.list_pretrained", "inference.tiles.TiledPredictor"])
def test_example_in_the_docstring_runs(path, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    module, _, name = f"keras_liteseg.{path}".rpartition(".")
    value = getattr(importlib.import_module(module), name)
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(value), {}, name, None, 0)
    assert example.examples, f"the docstring of keras_liteseg.{path} has no example"
    assert any(f"import {name}" in each.source or f" {name}" in each.source for each in example.examples)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=report.append).failed == 0, "".join(report)


def test_names_are_there_for_python_and_for_type_checkers():
    tree = ast.parse(pathlib.Path(keras_liteseg.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.name: node.module for node in block.body for alias in node.names}
    assert sorted(imported) == keras_liteseg.__all__ == sorted(keras_liteseg.__all__)
    assert imported == keras_liteseg._HOME_OF
    assert set(keras_liteseg.__all__) <= set(dir(keras_liteseg))
    for name, home in imported.items():
        assert getattr(keras_liteseg, name) is getattr(importlib.import_module(home), name)


PROBE = """
import logging, os, signal, sys, threading, warnings

def state():
    return {
        "environment": dict(os.environ), "handlers": list(logging.root.handlers), "level": logging.root.level,
        "filters": list(warnings.filters), "signals": [signal.getsignal(each) for each in (2, 15)],
        "hooks": (sys.excepthook, sys.unraisablehook), "threads": threading.active_count(), "path": list(sys.path),
    }

before = state()
import keras_liteseg
after = state()
changed = {key for key in before if before[key] != after[key]}
print(sorted(changed), sorted(set(after["environment"].items()) - set(before["environment"].items())))
print(sorted({"numpy", "cv2", "keras", "tensorflow", "absl"} & set(sys.modules)))
"""


def probe(**environment):
    variables = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, cwd=ROOT, env=variables | environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_import_sets_one_documented_variable_and_loads_nothing_heavy():
    assert probe() == ["['environment'] [('TF_ENABLE_ONEDNN_OPTS', '1')]", "[]"]
    assert "TF_ENABLE_ONEDNN_OPTS" in keras_liteseg.__doc__


def test_import_leaves_the_variable_alone_where_it_is_set():
    assert probe(TF_ENABLE_ONEDNN_OPTS="0") == ["[] []", "[]"]


def test_library_does_not_print():
    rooms = (
        "conversion",
        "quantization",
        "inference",
        "graph",
        "networks",
        "models",
        "checkpoints",
        "tools",
        "datasets",
    )
    files = [path for room in rooms for path in (ROOT / "keras_liteseg" / room).rglob("*.py")]
    files += [ROOT / "keras_liteseg" / f"{name}.py" for name in ("evaluation", "metrics", "metadata", "files")]
    found = []
    for path in files:
        tree = ast.parse(path.read_text())
        scripts = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in ("main", "_main")]
        allowed = {id(node) for script in scripts for node in ast.walk(script)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and id(node) not in allowed:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
