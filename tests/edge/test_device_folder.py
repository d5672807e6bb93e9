"""What travels to a device: a folder that stands alone, and the facts that come back from it."""

import ast
import shutil
import subprocess
import sys

import pytest

import edge
from edge.targets.runner_session import DEVICE_FOLDER, MODULE, explained, refusal

FILES = sorted(DEVICE_FOLDER.rglob("*.py"))
INSTALLED = {"numpy", "ai_edge_litert", "openvino", "onnxruntime", "rknn"}

# As LiteRT 2.3.0 lists a convolution that XNNPACK took, and an ARG_MAX that it left out.
OPS = [
    {"index": 0, "op_name": "CONV_2D", "inputs": [0, 1, 2], "outputs": [3]},
    {"index": 1, "op_name": "ARG_MAX", "inputs": [3, 4], "outputs": [5]},
    {"index": 2, "op_name": "DELEGATE", "inputs": [0, 1, 2], "outputs": [3]},
]


def imported(path):
    """Yield (dots, name) of everything that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def test_there_are_files():
    assert {"__init__.py", "runner.py", "cpu_runner.py", "gpu_runner.py", "tensorrt_runner.py"} <= {
        path.name for path in FILES
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_nothing_from_outside_itself(path):
    for dots, name in imported(path):
        if dots:
            assert dots == 1 and path.parent == DEVICE_FOLDER
            assert not name or (DEVICE_FOLDER / f"{name}.py").exists(), name
        else:
            assert name.partition(".")[0] in INSTALLED | sys.stdlib_module_names, name


def test_the_library_knows_nothing_of_it():
    package = DEVICE_FOLDER.parents[1] / "keras_liteseg" / "tflite"
    names = {name for path in package.rglob("*.py") for dots, name in imported(path) if not dots}
    assert "ai_edge_litert.interpreter" in names
    assert not [name for name in names if name.partition(".")[0] == edge.__name__]


def test_it_starts_where_nothing_else_of_the_project_is(tmp_path):
    shutil.copytree(DEVICE_FOLDER, tmp_path / "device")
    command = [sys.executable, "-m", MODULE, "none.tflite", "1", "tpu"]
    done = subprocess.run(command, cwd=tmp_path, input="load\n", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (
        1,
        '{"error": "ValueError: unknown accelerator \'tpu\'; '
        'choose from cpu, gpu, npu, tensorrt, openvino, onnxruntime"}\n',
    )


def test_ops_become_a_delegation():
    said = {"accelerator": "xnnpack", "ops": OPS}
    assert explained(said) == {
        "accelerator": "xnnpack",
        "delegation": {"partitions": 1, "delegated_ops": 1, "other_ops": [{"op": "ARG_MAX", "count": 1}]},
    }
    assert said["ops"] is OPS  # not changed


def test_without_a_partition_there_was_no_accelerator():
    found = explained({"accelerator": "xnnpack", "ops": OPS[:2]})
    assert found["accelerator"] == "none"
    assert (found["delegation"]["partitions"], found["delegation"]["delegated_ops"]) == (0, 0)


@pytest.mark.parametrize("accelerator", ["gpu", "tensorrt fp16"])
def test_accelerators_that_take_all_of_a_model(accelerator):
    found = explained({"accelerator": accelerator, "ops": OPS[:2]})
    assert found["accelerator"] == accelerator
    assert found["delegation"] == {"partitions": 1, "delegated_ops": 2, "other_ops": []}


def test_log_of_a_gpu_that_refuses_ops():
    lines = [f"OP_{letter}: not supported." for letter in "GFEDCBA"]
    log = "\n".join(
        ["INFO: hello", "Following operations are not supported by GPU delegate:", *lines, "3 operations will run on"]
    )
    assert refusal(log) == (
        "not all of it runs on the GPU: OP_A: not supported; OP_B: not supported; OP_C: not supported; "
        "OP_D: not supported; OP_E: not supported; and 2 more"
    )


def test_log_without_a_driver_and_one_that_says_nothing():
    assert refusal("E0000 No adapters found").startswith("Vulkan finds no GPU here; install its driver")
    assert refusal("INFO: hello") is None and refusal("") is None
