"""An ONNX graph in the form that compilers of NPUs want: what an export for a CPU has changed is changed back, and what
those compilers stumble over is said otherwise. The graph computes the same as before; it rounds less often.

All functions change the graph in place. A quantized graph has its quantization as pairs of QuantizeLinear and
DequantizeLinear, as tf2onnx writes it; each function says what it looks for.
"""

import collections

import numpy as np
from onnx import helper, numpy_helper

from keras_liteseg.conversion.onnx_graph import drop_unused

_TO_CHANNELS_LAST, _TO_CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def for_npus(graph):
    """Apply all that is below to an ONNX graph of static size with input and output channels first."""
    merge_pads(graph)
    drop_requantization(graph)
    part_pixels(graph)
    concatenate_floats(graph)
    drop_requantization(graph)
    drop_unused(graph)


def merge_pads(graph):
    """Let convolutions pad what they read themselves, where nothing else reads the padding."""
    links = _Links(graph)
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        if _string(pad, "mode", "constant") != "constant" or any(map(links.values, pad.input[2:3])):
            continue
        pads = np.reshape(links.constants[pad.input[1]], (2, 4))
        readers = _convolutions_behind(links, pad.output[0], pads)
        if not readers:
            continue
        for convolution, of_each_side in readers:
            own = np.reshape(_integers(convolution, "pads", [0] * 4), (2, 2))
            _set(convolution, "pads", (own + of_each_side[:, 2:]).ravel().tolist())
        links.replace(pad.output[0], pad.input[0])


def _convolutions_behind(links, tensor, pads):
    """Return [(convolution, the pads in the order of its axes)] of all that reads `tensor`, also behind a change of the
    order of axes and of scale; None where something else reads it too."""
    found = []
    for node in links.readers[tensor]:
        if node.op_type == "Conv" and node.input[0] == tensor and not pads[:, :2].any():
            found.append((node, pads))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear", "Transpose"):
            turned = pads[:, _integers(node, "perm", None)] if node.op_type == "Transpose" else pads
            behind = _convolutions_behind(links, node.output[0], turned)
            if not behind:
                return None
            found += behind
        else:
            return None
    return found


def part_pixels(graph):
    """Let a convolution that reads two neighbouring pixels as one read them as two again, see
    `keras_liteseg.graph.paired_pixels`: only XNNPACK is faster with pairs."""
    links = _Links(graph)
    for first in [node for node in graph.node if node.op_type == "Transpose"]:
        nodes = [first, *links.chain(first, ("Reshape", "Transpose", "DequantizeLinear", "Conv"))]
        if len(nodes) < 5 or _integers(first, "perm", None) != _TO_CHANNELS_LAST:
            continue
        _, reshape, second, dequantize, convolution = nodes
        weights = links.producer[convolution.input[1]]
        kernel = links.constants[weights.input[0]]
        # Outputs, channels of two pixels, rows, columns of pairs.
        outputs, channels, rows, columns = kernel.shape
        if _integers(second, "perm", None) != _TO_CHANNELS_FIRST or channels % 2:
            continue
        pairs = kernel.reshape(outputs, 2, channels // 2, rows, columns)
        kernel = pairs.transpose(0, 2, 3, 4, 1).reshape(outputs, channels // 2, rows, 2 * columns)
        top, left, bottom, right = _integers(convolution, "pads", [0] * 4)
        left, right = 2 * left, 2 * right
        if not kernel[..., 0].any():  # the one that was added to make the columns even
            kernel, left = kernel[..., 1:], left - 1
        down, along = _integers(convolution, "strides", None)
        _set(convolution, "strides", [down, 2 * along])
        _set(convolution, "kernel_shape", list(kernel.shape[2:]))
        _set(convolution, "pads", [top, left, bottom, right])
        name = f"{weights.input[0]}_of_{convolution.output[0]}"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(kernel), name))
        weights.input[0] = name
        dequantize.input[0] = first.input[0]


def concatenate_floats(graph):
    """Let quantized concatenations be of values and not of integers, which must have one scale: what had another scale
    and was requantized for the concatenation needs that no more, see `drop_requantization`."""
    links = _Links(graph)
    for node in [node for node in graph.node if node.op_type == "Concat"]:
        sources = [links.producer.get(name) for name in node.input]
        if not any(source is not None and source.op_type == "QuantizeLinear" for source in sources):
            continue
        parameters = next(each for each in sources if each is not None and each.op_type == "QuantizeLinear").input[1:]
        inputs, place = [f"{name}_of_{node.output[0]}" for name in node.input], list(graph.node).index(node)
        for name, value in zip(node.input, inputs, strict=True):
            graph.node.insert(place, helper.make_node("DequantizeLinear", [name, *parameters], [value]))
        place += len(inputs)
        values, result = f"{node.output[0]}_values", node.output[0]
        node.input[:], node.output[:] = inputs, [values]
        graph.node.insert(place + 1, helper.make_node("QuantizeLinear", [values, *parameters], [result]))


def drop_requantization(graph):
    """Let what reads a tensor in another scale read it in its own."""
    links = _Links(graph)
    for node in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        before = links.producer.get(node.input[0])
        if before is None or before.op_type != "DequantizeLinear":
            continue
        if all(
            np.array_equal(links.constants[a], links.constants[b]) for a, b in zip(before.input[1:], node.input[1:])
        ):
            links.replace(node.output[0], before.input[0])
            continue
        for reader in links.readers[node.output[0]]:
            if reader.op_type == "DequantizeLinear":
                links.replace(reader.output[0], before.output[0])
    _drop_dead(graph)


class _Links:
    """Who makes and who reads the tensors of a graph.

    Attributes:
        producer: {tensor: node}.
        readers: {tensor: [nodes]}.
        constants: {name: array}.
    """

    def __init__(self, graph):
        self._outputs = {tensor.name for tensor in graph.output}
        self.constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self.producer = {name: node for node in graph.node for name in node.output}
        self.readers = collections.defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)

    def values(self, name):
        """Return whether a tensor may hold something but 0."""
        return bool(name) and bool(np.any(self.constants.get(name, 1)))

    def chain(self, node, types):
        """Return the nodes that follow `node`, each the only reader of that before, as far as they are of `types`."""
        found = []
        for kind in types:
            readers = self.readers[node.output[0]]
            if len(readers) != 1 or readers[0].op_type != kind or node.output[0] in self._outputs:
                break
            node = readers[0]
            found.append(node)
        return found

    def replace(self, old, new):
        """Let all readers of the tensor `old` read `new`; not of an output of the graph."""
        if old in self._outputs:
            return
        for node in self.readers.pop(old, []):
            node.input[:] = [new if name == old else name for name in node.input]
            self.readers[new].append(node)


def _integers(node, name, default):
    return next((list(each.ints) for each in node.attribute if each.name == name), default)


def _string(node, name, default):
    return next((each.s.decode() for each in node.attribute if each.name == name), default)


def _set(node, name, value):
    for attribute in [each for each in node.attribute if each.name in (name, "auto_pad" if name == "pads" else name)]:
        node.attribute.remove(attribute)
    node.attribute.append(helper.make_attribute(name, value))


def _drop_dead(graph):
    """Remove the nodes whose results nothing reads."""
    wanted = {tensor.name for tensor in graph.output}
    for node in reversed(list(graph.node)):
        if wanted.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            wanted.update(node.input)
