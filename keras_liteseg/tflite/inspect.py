"""What is inside a TFLite file: ops, number types, multiply-accumulates, and what XNNPACK takes of it.

    python -m keras_liteseg.tflite.inspect model.tflite

An accuracy check does not notice a float island in an int8 graph or a convolution between SPACE_TO_BATCH and
BATCH_TO_SPACE; both cost time on the device. `TFLiteReport.problems` names them, and the export stops on them.
"""

import argparse
import collections
import dataclasses
import hashlib
import math
import pathlib
import sys

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.errors import UserError
from keras_liteseg.tflite.partitions import partitions

_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_TYPE_NAMES = {code: name.lower() for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
_FLOATS = {"float16", "float32", "float64", "bfloat16"}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output. `shape` has -1 where it is dynamic; `scale` and `zero_point` are None without quantization.

    A quantized value q stands for scale * (q - zero_point).
    """

    name: str
    dtype: str
    shape: tuple
    scale: float | None
    zero_point: int | None

    def __str__(self):
        quantization = "" if self.scale is None else f", scale {self.scale:.6g}, zero point {self.zero_point}"
        return f"{self.name}: {self.dtype} {self.shape}{quantization}"


@dataclasses.dataclass(frozen=True)
class TFLiteReport:
    """The contents of one TFLite file.

    Attributes:
        path: the file.
        size: bytes.
        sha256: hex digest of the file.
        inputs, outputs: `Tensor`s of the main graph.
        kinds: {kind: {op name: count}} over all graphs. The kind comes from the activations that the op reads and
            writes, not from its weights: 'float' when any of them is float, else 'int8', 'int16' or 'other';
            'boundary' for a QUANTIZE or DEQUANTIZE between float and integer at an input or output of the graph.
            What only unpacks stored weights, such as DEQUANTIZE in a float16 file, is 'other'.
        custom_ops: {name: count} of ops outside the TFLite builtin set.
        dynamic_tensors: names of tensors with a dimension that is not known in the file.
        macs: multiply-accumulates of one inference in convolutions and fully connected layers.
        delegation: what `keras_liteseg.tflite.partitions` found with XNNPACK; None when LiteRT refuses the model.
        refusal: LiteRT's reason for that, else None.
    """

    path: pathlib.Path
    size: int
    sha256: str
    inputs: tuple
    outputs: tuple
    kinds: dict
    custom_ops: dict
    dynamic_tensors: tuple
    macs: int
    delegation: dict | None
    refusal: str | None

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
    def boundary_ops(self):
        """{op name: count} of QUANTIZE and DEQUANTIZE at the inputs and outputs."""
        return self.kinds.get("boundary", {})

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

    def problems(self, expect_int8, max_partitions=None):
        """Return a sentence for each thing that a file meant for a device should not contain.

        Args:
            expect_int8: whether the file is meant to compute in int8 throughout.
            max_partitions: the most XNNPACK partitions that are acceptable, or None for any number.
        """
        found = []
        custom = {name: count for name, count in self.custom_ops.items() if name not in self.flex_ops}
        if expect_int8:
            found += _sentence(self.float_ops, "float op", "inside an int8 file")
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
            found.append(
                f"{self.delegation['partitions']} XNNPACK partitions, at most {max_partitions} wanted; outside: "
                f"{_outside(self.delegation)}"
            )
        return found

    def __str__(self):
        lines = [
            ("file", str(self.path)),
            ("size", f"{self.size:,} bytes, sha256 {self.sha256}"),
            *(("input", str(tensor)) for tensor in self.inputs),
            *(("output", str(tensor)) for tensor in self.outputs),
            ("ops", f"{sum(self.ops.values())}"),
            *((f"  {kind}", _listed(counts)) for kind, counts in sorted(self.kinds.items())),
            ("MACs", f"{self.macs / 1e6:,.2f} M"),
        ]
        if self.delegation:
            number = _count(self.delegation["partitions"], "partition")
            lines.append(("XNNPACK", f"{number}, outside: {_outside(self.delegation)}"))
        lines += [("problem", problem) for problem in self.problems(expect_int8="int8" in self.kinds)]
        return "\n".join(f"{label:<11}{text}" for label, text in lines)


def read_model(path):
    """Return the flatbuffer of a TFLite file as a `ModelT` of LiteRT's schema.

    Raises:
        UserError: no such file, or it is not a TFLite file or only a part of one.
    """
    return _parse(path, _read(path))


def inspect(path):
    """Return the `TFLiteReport` of a file; loads it with LiteRT to see what XNNPACK takes.

    Raises:
        UserError: no such file, or it is not a TFLite file or only a part of one.
    """
    data = _read(path)
    model = _parse(path, data)
    kinds = collections.defaultdict(collections.Counter)
    custom = collections.Counter()
    dynamic = []
    macs = 0
    for graph in model.subgraphs:
        dynamic += [tensor.name.decode() for tensor in graph.tensors if -1 in _shape(tensor)]
        for op in graph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            name = _op_name(code)
            kinds[_kind(name, op, graph, model.buffers)][name] += 1
            if code.customCode:
                custom[name] += 1
            macs += _macs(name, op, graph)

    delegation, refusal = _delegation(path)
    main = model.subgraphs[0]
    return TFLiteReport(
        path=pathlib.Path(path),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=tuple(_tensor(main.tensors[index]) for index in main.inputs),
        outputs=tuple(_tensor(main.tensors[index]) for index in main.outputs),
        kinds={kind: dict(counts.most_common()) for kind, counts in kinds.items()},
        custom_ops=dict(custom),
        dynamic_tensors=tuple(dynamic),
        macs=macs,
        delegation=delegation,
        refusal=refusal,
    )


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}. Give the path of a .tflite file.") from error


def _parse(path, data):
    if data[4:8] != b"TFL3":
        raise UserError(f"{path} is not a TFLite file: the mark 'TFL3' in its first bytes is missing.")
    try:
        return schema.ModelT.InitFromPackedBuf(data)
    # The generated reader checks nothing, so a wrong offset surfaces as whatever it happens to hit.
    except Exception as error:
        raise UserError(f"{path} is a damaged or truncated TFLite file; convert or copy it again.") from error


def _op_name(code):
    if code.customCode:
        return code.customCode.decode()
    # Codes above 127 do not fit the older byte field, which then holds a placeholder.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _OP_NAMES.get(number, f"BUILTIN_{number}")


def _kind(name, op, graph, buffers):
    def is_constant(index):
        buffer = buffers[graph.tensors[index].buffer]
        return buffer.data is not None and len(buffer.data) > 0

    inputs = {index for index in op.inputs if index >= 0 and not is_constant(index)}
    outputs = set(op.outputs)
    dtypes = {_TYPE_NAMES[graph.tensors[index].type] for index in inputs | outputs}
    if not inputs:
        return "other"
    if dtypes & _FLOATS:
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


def _delegation(path):
    try:
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        return None, str(error)
    return partitions(interpreter), None


def _tensor(tensor):
    quantization = tensor.quantization
    quantized = quantization is not None and quantization.scale is not None and len(quantization.scale) == 1
    return Tensor(
        name=tensor.name.decode(),
        dtype=_TYPE_NAMES[tensor.type],
        shape=_shape(tensor),
        scale=float(quantization.scale[0]) if quantized else None,
        zero_point=int(quantization.zeroPoint[0]) if quantized else None,
    )


def _shape(tensor):
    # The signature is only stored where it differs from the shape, which then has 1 for an unknown size.
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return () if shape is None else tuple(int(size) for size in shape)


def _sentence(counts, noun, where):
    return [f"{_count(sum(counts.values()), noun)} {where}: {_listed(counts)}"] if counts else []


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(counts):
    return ", ".join(f"{count}x {name}" for name, count in counts.items())


def _outside(delegation):
    return _listed({entry["op"]: entry["count"] for entry in delegation["other_ops"]}) or "nothing"


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m keras_liteseg.tflite.inspect", description="Describe TFLite files.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    try:
        for file in parser.parse_args(arguments).files:
            print(inspect(file), end="\n\n")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
