"""Which ops of a TFLite file LiteRT's GPU accelerator takes, and why it leaves out the others.

The accelerator of the LiteRT package runs on WebGPU, over Vulkan on Linux. It needs no GPU for this question: where no
Vulkan driver is found, SwiftShader is used, a Vulkan on the CPU that Debian's package `chromium` holds.
"""

import copy
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import flatbuffers

from keras_liteseg.files import plain_path
from keras_liteseg.tflite.delegation import LeftOut
from keras_liteseg.tflite.flatbuffer import op_name, shape_of
from keras_liteseg.tflite.gpu_log import refused_ops

SWIFTSHADER = pathlib.Path("/usr/lib/chromium/vk_swiftshader_icd.json")
_FULLY = "fully accelerated: True"
# A process of its own: a driver may crash, and LiteRT logs to the process's stderr.
_CHILD = """
import sys
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
both = HardwareAccelerator.GPU | HardwareAccelerator.CPU
model = CompiledModel.from_file(sys.argv[1], hardware_accel=both)
print("fully accelerated:", model.is_fully_accelerated(), flush=True)
"""
_CRASH = "LiteRT crashed in the GPU accelerator"
# max_delegated_partitions of the TFLite GPU delegate's options is 1 by default; the numbers in the log agree.
_NO_PARTITION = "supported, but outside of the largest group of connected ops, and the accelerator takes one group"


@dataclasses.dataclass(frozen=True)
class GpuReport:
    """What the GPU accelerator did with a file.

    Attributes:
        device: what it ran on, such as 'SwiftShader Device (Subzero)'; None if it found nothing.
        delegated_ops: number of ops of the main graph that it took.
        left_out: a `LeftOut` for each op that it did not take.
        unexplained: how many ops LiteRT counts as left out beyond (negative: short of) those in `left_out`.
        failure: a sentence where it could not start or not load the file; the other numbers are then 0.
    """

    device: str | None
    delegated_ops: int = 0
    left_out: tuple = ()
    unexplained: int = 0
    failure: str | None = None


def gpu(path, model, timeout_s=600):
    """Compile a file for the GPU accelerator, with the CPU for the rest, and return the `GpuReport`.

    Args:
        path: the file.
        model: its `ModelT`.
        timeout_s: seconds after which the compilation counts as failed.
    """
    variables = {}
    log, failure = _compile(path, variables, timeout_s)
    if "No adapters found" in log and SWIFTSHADER.exists():
        variables = swiftshader_variables()
        log, failure = _compile(path, variables, timeout_s)
    if failure and failure.startswith(_CRASH):
        failure += _crashing_op(model, variables, timeout_s)
    return read_log(log, failure, model)


def read_log(log, failure, model):
    """Return the `GpuReport` of what LiteRT wrote while it compiled a file.

    Args:
        log: stdout and stderr.
        failure: a sentence if the process did not end well, else None.
        model: the file's `ModelT`.
    """
    adapter = re.search(r"Selected adapter: (.*?)(?:, arch=|$)", log, re.MULTILINE)
    device = adapter[1] if adapter else None
    if "No adapters found" in log:
        failure = (
            "The GPU accelerator cannot start, because no Vulkan driver was found; install one of your GPU, or on "
            f"Debian the package chromium, whose SwiftShader ({SWIFTSHADER}) does without a GPU."
        )
    elif failure is None and device is None:
        failure = "LiteRT did not start its GPU accelerator; this build of ai-edge-litert may come without it."
    if failure:
        return GpuReport(device, failure=failure)

    graph = model.subgraphs[0]
    names = [op_name(model.operatorCodes[op.opcodeIndex]) for op in graph.operators]
    count = re.search(r"all (\d+) operations will run on the CPU|remaining (\d+) operations will run on the CPU", log)
    if not count:
        return GpuReport(device, len(names)) if _FULLY in log else GpuReport(device, 0, (), len(names))

    reasons = _reasons(log, names, graph)
    inside = set(max(_groups(graph, set(range(len(names))) - set(reasons)), key=len, default=()))
    found = tuple(
        LeftOut(index, name, reasons.get(index, _NO_PARTITION))
        for index, name in enumerate(names)
        if index not in inside
    )
    on_cpu = int(count[1] or count[2])
    return GpuReport(device, len(names) - on_cpu, found, on_cpu - len(found))


def swiftshader_variables():
    """Return the environment variables with which Vulkan runs on SwiftShader."""
    # Its folder holds a Vulkan loader too, so that the system needs none.
    libraries = [str(SWIFTSHADER.parent), os.environ.get("LD_LIBRARY_PATH", "")]
    return {
        "VK_ICD_FILENAMES": str(SWIFTSHADER),
        "VK_DRIVER_FILES": str(SWIFTSHADER),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
    }


def _compile(path, variables, timeout_s):
    """Return (log, failure)."""
    environment = {**os.environ, **variables}
    try:
        with plain_path(path) as plain:
            process = subprocess.run(
                [sys.executable, "-c", _CHILD, plain],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
            )
    except subprocess.TimeoutExpired as error:
        log = (error.stdout or b"").decode(errors="replace")
        return log, f"The GPU accelerator was not ready after {timeout_s:g} s."
    log = process.stdout.decode(errors="replace")
    if process.returncode < 0:
        return log, f"{_CRASH} ({signal.Signals(-process.returncode).name})"
    if process.returncode:
        last = next((line for line in reversed(log.splitlines()) if "└" in line or "Error" in line), "no reason given")
        return log, f"LiteRT refuses the file on the GPU accelerator: {last.strip(' └')}"
    return log, None


def _crashing_op(model, variables, timeout_s):
    """Return the end of the sentence about a crash: the first op without which there is none."""
    graph = model.subgraphs[0]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "first_ops.tflite")

        def crashes(count):
            path.write_bytes(_first_ops(model, count))
            return (_compile(path, variables, timeout_s)[1] or "").startswith(_CRASH)

        # Numbers of first ops that do not and that do crash.
        low, high = 0, len(graph.operators)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if crashes(middle) else (middle, high)
        if not crashes(high):
            return "."
    op = graph.operators[high - 1]
    shapes = [shape_of(graph.tensors[tensor]) for tensor in op.inputs if tensor >= 0]
    return f" at op {high - 1}, {op_name(model.operatorCodes[op.opcodeIndex])} of shapes {shapes}."


def _first_ops(model, count):
    """Return the bytes of a file with the first ops of a model's main graph alone."""
    model, graph = copy.copy(model), copy.copy(model.subgraphs[0])
    graph.operators = graph.operators[:count]
    made = {tensor for op in graph.operators for tensor in op.outputs}
    used = {tensor for op in graph.operators for tensor in op.inputs}
    graph.outputs = sorted(made - used) or sorted(made)
    model.subgraphs, model.signatureDefs, model.metadata = [graph], [], []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _reasons(log, names, graph):
    """Return {op number: reason} of the ops that LiteRT says it does not support."""
    # One line per kind of op and reason; some reasons end in the name of the tensor that they are about.
    tensors = {tensor.name.decode() for tensor in graph.tensors}
    found = {}
    for line in refused_ops(log):
        name, _, reason = line.partition(":")
        reason, _, last = reason.strip().rpartition(" ")
        about = last if last in tensors else None
        reason = reason if about else f"{reason} {last}".strip()
        for index, op in enumerate(graph.operators):
            touched = [graph.tensors[tensor].name.decode() for tensor in [*op.inputs, *op.outputs] if tensor >= 0]
            if names[index] == name and (about is None or about in touched):
                found.setdefault(index, f"LiteRT: {reason.rstrip('.')}")
    return found


def _groups(graph, supported):
    """Return the groups of supported ops, as lists of op numbers, that can each run as one node of the graph.

    As TFLite does it: in turns, take all ops of one kind (supported or not) whose inputs are ready.
    """
    made_by = {tensor: index for index, op in enumerate(graph.operators) for tensor in op.outputs}
    needs = [{made_by[tensor] for tensor in op.inputs if tensor in made_by} for op in graph.operators]
    done, groups = set(), []
    while len(done) < len(needs):
        kind, group = None, []
        # Ops are stored in an order in which each follows those that it needs, so one pass takes all that are ready.
        for index, needed in enumerate(needs):
            if index in done or not needed <= done:
                continue
            kind = index in supported if kind is None else kind
            if (index in supported) == kind:
                group.append(index)
                done.add(index)
        if kind:
            groups.append(group)
    return groups
