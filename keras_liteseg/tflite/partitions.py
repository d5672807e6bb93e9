"""Which ops of a TFLite model the XNNPACK delegate took, from LiteRT's list of ops."""

import collections


def op_details(interpreter):
    """Return LiteRT's list of the nodes of the main graph, of an interpreter after `allocate_tensors()`.

    Returns:
        [{"index", "op_name", "inputs", "outputs": numbers of tensors, ...}, ...]: the ops of the file, and one more
        node, DELEGATE, for each partition that a delegate took.
    """
    # Private, but the only source.
    return interpreter._get_ops_details()


def partitions(ops):
    """Return how LiteRT has split the main graph of a model whose `op_details` are `ops`.

    The delegate replaces connected groups of ops; every change between such a group and the built-in kernels costs a
    copy and a thread barrier, and the built-in kernels are slower themselves.

    Returns:
        {"partitions": number of groups, "delegated_ops": number of ops inside them, "other_ops": ops left to the
        built-in kernels as [{"op": name, "count": number}, ...]}. No partition at all means that XNNPACK is not in use.
    """
    delegates, nodes = _nodes(ops)
    outside = collections.Counter(name for _, name in left_out(ops))
    return {
        "partitions": len(delegates),
        "delegated_ops": len(nodes) - outside.total(),
        "other_ops": [{"op": op, "count": count} for op, count in outside.most_common()],
    }


def left_out(ops):
    """Return [(number of the op in the main graph, its name), ...] of the ops that no delegate took, in order."""
    delegates, nodes = _nodes(ops)

    # A node belongs to a partition if it is reached backwards from the partition's outputs before its inputs.
    producer = {tensor: node for node in nodes for tensor in node["outputs"]}
    inside = set()
    for delegate in delegates:
        border = set(delegate["inputs"])
        pending = list(delegate["outputs"])
        while pending:
            tensor = pending.pop()
            node = producer.get(tensor)
            if node is None or tensor in border or node["index"] in inside:
                continue
            inside.add(node["index"])
            pending.extend(node["inputs"])
    return [(node["index"], node["op_name"]) for node in nodes if node["index"] not in inside]


def _nodes(ops):
    delegates = [node for node in ops if node["op_name"] == "DELEGATE"]
    return delegates, [node for node in ops if node["op_name"] != "DELEGATE"]
