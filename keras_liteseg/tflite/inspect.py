"""What is inside a TFLite file: ops, tensors, multiply-accumulates, and what XNNPACK and the GPU take of it.

An accuracy check does not notice a float island in an int8 graph or a convolution between SPACE_TO_BATCH and
BATCH_TO_SPACE; both cost time on the device. `TFLiteReport.problems` names them, and the export stops on them.
"""

import collections
import dataclasses
import hashlib
import math
import pathlib
import re

from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.files import plain_path
from keras_liteseg.tflite.delegation import xnnpack_left_out
from keras_liteseg.tflite.drift import TOLERANCE, largest_drift
from keras_liteseg.tflite.flatbuffer import (
    FLOATS,
    Tensor,
    describe,
    dtype_of,
    is_constant,
    op_name,
    parse,
    read_bytes,
    shape_of,
)
from keras_liteseg.tflite.metadata_buffers import metadata_of
from keras_liteseg.tflite.oldest_runtimes import oldest_runtimes
from keras_liteseg.tflite.partitions import op_details, partitions

_SIZED = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RESHAPE")


@dataclasses.dataclass(frozen=True)
class TFLiteReport:
    """The contents of one TFLite file.

    Attributes:
        path: the file.
        size: bytes.
        sha256: hex digest of the file.
        inputs, outputs: `Tensor`s of the main graph.
        tensors: all `Tensor`s of the main graph, in the order of the file.
        weights: {number type: bytes} of the values stored in the file, the most bytes first.
        kinds: {kind: {op name: count}} over all graphs. The kind comes from the activations that the op reads and
            writes, not from its weights: 'float' when any of them is float, else 'int8', 'int16' or 'other';
            'boundary' for a QUANTIZE or DEQUANTIZE between float and integer at an input or output of the graph.
            What only unpacks stored weights, such as DEQUANTIZE in a float16 file, is 'other'.
        float_outputs: (op name, name of its first output) of each op of kind 'float'.
        custom_ops: {name: count} of ops outside the TFLite builtin set.
        dynamic_tensors: names of tensors with a dimension that is not known in the file.
        macs: multiply-accumulates of one inference in convolutions and fully connected layers.
        delegation: what `keras_liteseg.tflite.partitions` found with XNNPACK; None when LiteRT refuses the model.
        refusal: LiteRT's reason for that, else None.
        left_out: a `keras_liteseg.tflite.delegation.LeftOut` for each op of the main graph that XNNPACK does not take.
        runtimes: {package: its oldest version that loads the file}, see `keras_liteseg.tflite.oldest_runtimes`.
        sized_ops: {op name: count} of the ops in which the size of the pictures is a constant of the file.
        drift: output pixels by which resizes are off where XNNPACK does not run them, see `keras_liteseg.tflite.drift`.
    """

    path: pathlib.Path
    size: int
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    kinds: dict
    custom_ops: dict
    dynamic_tensors: tuple
    macs: int
    delegation: dict | None
    refusal: str | None
    tensors: tuple[Tensor, ...] = ()
    weights: dict = dataclasses.field(default_factory=dict)
    left_out: tuple = ()
    float_outputs: tuple = ()
    drift: float = 0.0
    runtimes: dict = dataclasses.field(default_factory=dict)
    sized_ops: dict = dataclasses.field(default_factory=dict)

    @property
    def ops(self):
        """{op name: count} over all graphs, the most frequent first."""
        total = collections.Counter()
        for counts in self.kinds.values():
            total.update(counts)
        return dict(total.most_common())

    @property
    def float_ops(self):
        """{op name: count} of ops that compute on float, border QUANTIZE and DEQUANTIZE apart."""
        return self.kinds.get("float", {})

    @property
    def flex_ops(self):
        """{op name: count} of ops that need TensorFlow itself in the runtime."""
        return {name: count for name, count in self.custom_ops.items() if name.startswith("Flex")}

    @property
    def space_to_batch(self):
        """Number of SPACE_TO_BATCH_ND ops: dilated convolutions that the converter did not fuse."""
        return self.ops.get("SPACE_TO_BATCH_ND", 0)

    @property
    def is_fully_int8(self):
        """Whether every op that computes does so on int8; inputs and outputs may be float."""
        return "int8" in self.kinds and not (self.float_ops or self.kinds.get("int16") or self.custom_ops)

    def problems(self, expect_int8, max_partitions=None, float_layers=()):
        """Return a sentence for each thing that a file meant for a device should not contain.

        Args:
            expect_int8: whether the file is meant to compute in int8 throughout.
            max_partitions: the most XNNPACK partitions that are acceptable, or None for any number.
            float_layers: names of Keras layers whose ops may be float all the same, with what converts to them and
                back.
        """
        found = []
        custom = {name: count for name, count in self.custom_ops.items() if name not in self.flex_ops}
        if expect_int8:
            found += _sentence(self._float_ops_besides(float_layers), "float op", "inside an int8 file")
            found += _sentence(self.kinds.get("int16", {}), "int16 op", "inside an int8 file")
            if "int8" not in self.kinds:
                found.append("no int8 op in a file that was to be int8")
        found += _sentence(self.flex_ops, "op", "that only TensorFlow can run")
        found += _sentence(custom, "op", "outside the TFLite builtin set")
        if self.dynamic_tensors:
            found.append(
                f"{_count(len(self.dynamic_tensors), 'tensor')} of dynamic shape, '{self.dynamic_tensors[0]}' first: "
                "convert with a static input, batch included"
            )
        if self.space_to_batch:
            found.append(f"{self.space_to_batch}x SPACE_TO_BATCH_ND: dilated convolutions that were not fused")
        if self.refusal and not self.custom_ops:
            found.append(f"LiteRT refuses the model: {self.refusal}")
        if max_partitions is not None and self.delegation and self.delegation["partitions"] > max_partitions:
            number = _count(self.delegation["partitions"], "XNNPACK partition")
            found.append(f"{number}, at most {max_partitions} wanted; outside: {'; '.join(_reasons(self.left_out))}")
        return found

    def _float_ops_besides(self, layers):
        if not layers:
            return self.float_ops
        # The converter joins the names of what it fused with ';'; Keras numbers the calls of a layer.
        allowed = re.compile(rf"(?:^|[/;])(?:{'|'.join(map(re.escape, layers))})(?:_\d+)?(?:$|[/;])")
        # The output of the graph has a name of its own.
        exempt = {tensor.name for tensor in self.outputs}
        return collections.Counter(
            op
            for op, output in self.float_outputs
            if op not in ("QUANTIZE", "DEQUANTIZE") and output not in exempt and not allowed.search(output)
        )

    def __str__(self):
        lines = [
            ("file", str(self.path)),
            ("size", f"{self.size:,} bytes, sha256 {self.sha256}"),
            ("weights", ", ".join(f"{count:,} bytes {dtype}" for dtype, count in self.weights.items())),
            *(("input", str(tensor)) for tensor in self.inputs),
            *(("output", str(tensor)) for tensor in self.outputs),
            ("ops", f"{sum(self.ops.values())}"),
            *((f"  {kind}", _listed(counts)) for kind, counts in sorted(self.kinds.items())),
            ("MACs", f"{self.macs / 1e6:,.2f} M"),
        ]
        if self.delegation:
            number = _count(self.delegation["partitions"], "partition")
            lines.append(("XNNPACK", f"{number}, outside: {_outside(self.delegation)}"))
            lines += [("  outside", text) for text in _reasons(self.left_out)]
        lines += [("runtimes", text) for text in (_oldest(self.runtimes),) if text]
        if self.sized_ops:
            lines.append(
                ("input size", f"fixed, by {_listed(self.sized_ops)}; resized by the caller it fails or is wrong")
            )
        if self.drift > TOLERANCE:
            lines.append(("drift", f"resizes are off by up to {self.drift:.1f} pixels where XNNPACK does not run them"))
        lines += [("problem", problem) for problem in self.problems(expect_int8="int8" in self.kinds)]
        return _table(lines)


def inspect(path):
    """Return the `TFLiteReport` of a file; loads it with LiteRT to see what XNNPACK takes.

    Raises:
        UserError: no such file, or it is not a TFLite file or only a part of one.
    """
    data = read_bytes(path)
    model = parse(path, data)
    kinds = collections.defaultdict(collections.Counter)
    custom = collections.Counter()
    weights = collections.Counter()
    dynamic, floats = [], []
    macs = 0
    for graph in model.subgraphs:
        dynamic += [tensor.name.decode() for tensor in graph.tensors if -1 in shape_of(tensor)]
        # Tensors may share a buffer, which is in the file once.
        stored = {tensor.buffer: dtype_of(tensor) for tensor in graph.tensors if is_constant(tensor, model.buffers)}
        for buffer, dtype in stored.items():
            weights[dtype] += len(model.buffers[buffer].data)
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            name = op_name(code)
            kind = _kind(name, op, graph, model.buffers)
            kinds[kind][name] += 1
            if kind == "float":
                floats.append((name, graph.tensors[op.outputs[0]].name.decode()))
            if code.customCode:
                custom[name] += 1
            macs += _macs(name, op, graph)

    delegation, left_out, refusal = _delegation(path, model)
    main = model.subgraphs[0]
    tensors = tuple(describe(tensor, model.buffers) for tensor in main.tensors)
    return TFLiteReport(
        path=pathlib.Path(path),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=tuple(tensors[index] for index in main.inputs),
        outputs=tuple(tensors[index] for index in main.outputs),
        kinds={kind: dict(counts.most_common()) for kind, counts in kinds.items()},
        custom_ops=dict(custom),
        dynamic_tensors=tuple(dynamic),
        macs=macs,
        delegation=delegation,
        refusal=refusal,
        tensors=tensors,
        weights=dict(weights.most_common()),
        left_out=left_out,
        float_outputs=tuple(floats),
        drift=largest_drift(model),
        runtimes=oldest_runtimes(model, metadata_of(model)),
        sized_ops=_sized_ops(model),
    )


def _kind(name, op, graph, buffers):
    inputs = {index for index in op.inputs if index >= 0 and not is_constant(graph.tensors[index], buffers)}
    outputs = set(op.outputs)
    dtypes = {dtype_of(graph.tensors[index]) for index in inputs | outputs}
    if not inputs:
        return "other"
    if dtypes & FLOATS:
        at_border = inputs & set(graph.inputs) or outputs & set(graph.outputs)
        return "boundary" if name in ("QUANTIZE", "DEQUANTIZE") and at_border else "float"
    return next((dtype for dtype in ("int16", "int8") if dtype in dtypes), "other")


def _macs(name, op, graph):
    def shape(index):
        return [int(size) for size in graph.tensors[index].shape]

    if name == "CONV_2D":  # weights (out, kernel height, kernel width, in per group)
        return math.prod(shape(op.outputs[0])) * math.prod(shape(op.inputs[1])[1:])
    if name == "DEPTHWISE_CONV_2D":  # weights (1, kernel height, kernel width, out)
        return math.prod(shape(op.outputs[0])) * math.prod(shape(op.inputs[1])[1:3])
    if name == "FULLY_CONNECTED":  # weights (out, in)
        return math.prod(shape(op.outputs[0])) * shape(op.inputs[1])[-1]
    if name == "TRANSPOSE_CONV":  # inputs (output shape, weights (out, kernel height, kernel width, in), image)
        return math.prod(shape(op.inputs[2])) * math.prod(shape(op.inputs[1])[:3])
    return 0


def _sized_ops(model):
    """Return {op name: count} of resizes and reshapes to a constant size. With `resize_tensor_input` they keep it, so
    that LiteRT fails, or gives an output of the old size without a word."""
    graph, found = model.subgraphs[0], collections.Counter()
    for op in graph.operators:
        name = op_name(model.operatorCodes[op.opcodeIndex])
        if name in _SIZED and len(op.inputs) > 1 and is_constant(graph.tensors[op.inputs[1]], model.buffers):
            found[name] += 1
    return dict(found)


def _oldest(runtimes):
    known = ", ".join(f"{name} {version}" for name, version in runtimes.items() if version)
    return f"{known}, or newer" if known else ""


def _delegation(path, model):
    """Return (delegation, left_out, refusal) as in `TFLiteReport`."""
    try:
        with plain_path(path) as plain:
            interpreter = Interpreter(plain, num_threads=1)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        return None, (), str(error)
    return partitions(op_details(interpreter)), xnnpack_left_out(interpreter, model), None


def _sentence(counts, noun, where):
    return [f"{_count(sum(counts.values()), noun)} {where}: {_listed(counts)}"] if counts else []


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(counts):
    return ", ".join(f"{count}x {name}" for name, count in counts.items())


def _outside(delegation):
    return _listed({entry["op"]: entry["count"] for entry in delegation["other_ops"]}) or "nothing"


def _reasons(left_out):
    """Return a line for each kind of op and reason."""
    counts = collections.Counter((op.op, op.reason) for op in left_out)
    return [f"{count}x {op}: {reason}" for (op, reason), count in counts.items()]


def _table(lines):
    return "\n".join(f"{label:<11}{text}" for label, text in lines)


def gpu_text(report):
    """Return a `keras_liteseg.tflite.gpu.GpuReport` as text."""
    if report.failure:
        return _table([("GPU", report.failure)])
    left_out = len(report.left_out) + report.unexplained
    inside = f"1 partition of {_count(report.delegated_ops, 'op')}" if report.delegated_ops else "no op"
    lines = [("GPU", f"{inside} on {report.device}, {left_out or 'none'} left out")]
    lines += [("  outside", text) for text in _reasons(report.left_out)]
    if report.unexplained:
        lines.append(("  outside", f"LiteRT counts {left_out} ops, and its log does not tell which"))
    return _table(lines)


def tensors_text(report):
    """Return the list of all tensors of a `TFLiteReport`, with sizes in bytes."""
    lines = [("tensors", f"{len(report.tensors)} in the main graph")]
    for number, tensor in enumerate(report.tensors):
        size = "unknown size" if tensor.bytes is None else f"{tensor.bytes:,} bytes"
        lines.append((f"  {number}", f"{tensor}, {size}{', constant' if tensor.constant else ''}"))
    return _table(lines)


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg inspect` now.")
