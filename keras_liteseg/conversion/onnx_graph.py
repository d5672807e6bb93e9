"""What tf2onnx makes of a TFLite graph, brought to the form in which every ONNX runtime computes it alike, and fast."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

_MODE = "coordinate_transformation_mode"
_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")


def rename_ends(graph, names):
    """Give the inputs and outputs of an ONNX graph, in their order, the `names`."""
    tensors = [*graph.input, *graph.output]
    new = {tensor.name: name for tensor, name in zip(tensors, names, strict=True)}
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for tensor in tensors:
        tensor.name = new[tensor.name]


def exact_sizes(model):
    """Let every resize of an ONNX model name its output's size, in place.

    tf2onnx names the factor instead, as a float32, of which runtimes round the product down: 23 rows become 44 where
    they should become 45.
    """
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Resize"]:
        if len(node.input) > 3 and node.input[3]:
            continue
        # Anew for each, because behind one whose size is wrong all shapes are.
        shape = shapes(model, strict=False)[node.input[0]]
        factors = numpy_helper.to_array(next(each for each in graph.initializer if each.name == node.input[2]))
        sizes = np.array([round(length * float(factor)) for length, factor in zip(shape, factors, strict=True)])
        name = f"{node.output[0]}_size"
        graph.initializer.append(numpy_helper.from_array(sizes.astype(np.int64), name))
        node.input[:] = [node.input[0], "", "", name]
    drop_unused(graph)


def shapes(model, strict=True):
    """Return {tensor name: its shape as a list} of an ONNX model of static size.

    Args:
        strict: whether shapes that contradict one another are an error, in place of being left out.
    """
    graph = shape_inference.infer_shapes(model, strict_mode=strict, data_prop=strict).graph
    tensors = [*graph.input, *graph.value_info, *graph.output]
    found = {each.name: [length.dim_value for length in each.type.tensor_type.shape.dim] for each in tensors}
    return found | {constant.name: list(constant.dims) for constant in graph.initializer}


def unsigned_activations(graph):
    """Move the activations of a quantized ONNX graph from int8 to uint8, in place: every number and every zero point is
    128 higher, so that they stand for the same values.

    The kernels of ONNX Runtime for x86 take uint8 activations with int8 weights, and it turns int8 activations into
    uint8 itself, but not where several operations read one: those then compute in float.
    """
    constants = {constant.name: constant for constant in graph.initializer}
    moved = {}
    for node in graph.node:
        if node.op_type not in _QUANTIZING or node.input[0] in constants:
            continue
        name = node.input[2]
        if name not in moved:
            zero_point = numpy_helper.to_array(constants[name]).astype(np.int16) + 128
            moved[name] = f"{name}_uint8"
            graph.initializer.append(numpy_helper.from_array(zero_point.astype(np.uint8), moved[name]))
        node.input[2] = moved[name]
    for tensor in (*graph.input, *graph.output):
        if tensor.type.tensor_type.elem_type == TensorProto.INT8:
            tensor.type.tensor_type.elem_type = TensorProto.UINT8
    drop_unused(graph)


def float_input(graph, scale, zero_point):
    """Let a quantized ONNX graph take floats, in place, and quantize them itself.

    Args:
        scale, zero_point: of its uint8 input.
    """
    (image,) = graph.input
    inner = f"{image.name}_quantized"
    for node in graph.node:
        node.input[:] = [inner if name == image.name else name for name in node.input]
    graph.node.insert(0, _quantizing(graph, "QuantizeLinear", image.name, inner, scale, zero_point))
    image.type.tensor_type.elem_type = TensorProto.FLOAT


def float_output(graph, scale, zero_point):
    """Let a quantized ONNX graph give floats, in place; arguments as of `float_input`, of its uint8 output."""
    (result,) = graph.output
    inner = f"{result.name}_quantized"
    for node in graph.node:
        node.output[:] = [inner if name == result.name else name for name in node.output]
        node.input[:] = [inner if name == result.name else name for name in node.input]
    graph.node.append(_quantizing(graph, "DequantizeLinear", inner, result.name, scale, zero_point))
    result.type.tensor_type.elem_type = TensorProto.FLOAT


def _quantizing(graph, kind, source, target, scale, zero_point):
    constants = [f"{target}_scale", f"{target}_zero_point"]
    for name, value in zip(constants, (np.float32(scale), np.uint8(zero_point)), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return helper.make_node(kind, [source, *constants], [target], name=f"{target}_{kind}")


def drop_unused(graph):
    """Remove the constants that no node of an ONNX graph reads, in place."""
    read = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def resize_modes(graph):
    """Return the sorted `coordinate_transformation_mode`s of the resizes of an ONNX graph."""
    nodes = [node for node in graph.node if node.op_type == "Resize"]
    values = [attribute.s for node in nodes for attribute in node.attribute if attribute.name == _MODE]
    return sorted({value.decode() for value in values})


def save(model, path):
    """Check an ONNX model, shapes and types included, and write it."""
    onnx.checker.check_model(model)
    # With the values of constants, without which a resize to a given size has no shape that could be wrong.
    shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    onnx.save(model, path)
