"""How far LiteRT's kernels for integers place the pixels of a resize from where they belong.

Those that are built in, which TFLite Micro, tflite-runtime up to 2.14 and LiteRT without XNNPACK run, count positions
in whole 1024ths of an input pixel (`RESIZE_BILINEAR` of int8 and int16, with align_corners). What a step is rounded by
adds up from the left to the right and from the top to the bottom. XNNPACK's positions are exact.
"""

from ai_edge_litert import schema_py_generated as schema

from keras_liteseg.tflite.flatbuffer import dtype_of, op_name

UNITS = 1024
TOLERANCE = 0.5
"""Output pixels of drift that change next to no label."""


def drift(length, wanted):
    """Return by how many output pixels the last of `wanted` pixels is misplaced, where `length` are resized to them
    with align_corners."""
    if min(length, wanted) < 2:
        return 0.0
    last, steps = length - 1, wanted - 1
    # As the kernels do it: rounded to nearest.
    step = (UNITS * last + steps // 2) // steps
    return abs(UNITS * last - step * steps) * steps / (UNITS * last)


def largest_drift(model):
    """Return the largest `drift` of the resizes of integers in the main graph of a `ModelT`, in output pixels; 0 where
    there are none."""
    graph = model.subgraphs[0]
    return max((_drift(op, graph) for op in graph.operators if _may_drift(op, graph, model)), default=0.0)


def _may_drift(op, graph, model):
    return (
        op_name(model.operatorCodes[op.opcodeIndex]) == "RESIZE_BILINEAR"
        and isinstance(op.builtinOptions, schema.ResizeBilinearOptionsT)
        and op.builtinOptions.alignCorners
        and dtype_of(graph.tensors[op.inputs[0]]).startswith("int")
    )


def _drift(op, graph):
    before, after = (graph.tensors[index].shape[1:3] for index in (op.inputs[0], op.outputs[0]))
    return max(drift(int(length), int(wanted)) for length, wanted in zip(before, after, strict=True))
