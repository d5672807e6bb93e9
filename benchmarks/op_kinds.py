"""What runtimes call their operations, in words that they have in common."""

import re

# The first that is found in the name counts. ONNX Runtime does not tell depthwise convolutions from others.
_KINDS = {
    "layout and number types": "Convert|Copy|Reorder|Transpose|Reshape|Slice|Concat|Split|Pad|[Qq]uantize|Cast|Gather",
    "depthwise convolution": "DWConv|GroupConvolution",
    "convolution": "GEMM|Conv|FullyConnected|MatMul",
    "resizing": "Resize|Interpolate|Upsample",
    "pooling": "Pool|Mean|Reduce",
    "sums and activations": "Add|Clamp|Eltwise|Subgraph|Mul|Sigmoid|Relu|Clip",
}
OTHER = "other"
KINDS = (*_KINDS, OTHER)


def kind_of(op):
    """Return the one of `KINDS` that an operation belongs to, by its name in a profile."""
    return next((kind for kind, names in _KINDS.items() if re.search(names, op)), OTHER)


def dearest(profile, count=10):
    """Return [{"op": name, "count": number, "ms": of all of them}] of a profile, the dearest first.

    Args:
        profile: as `edge.device.op_profile.profile` returns it.
        count: number of names.

    Raises:
        RuntimeError: there is no profile.
    """
    if "ops" not in profile:
        raise RuntimeError(f"there is no profile: {profile['unsupported']}")
    found = {}
    for op in profile["ops"]:
        row = found.setdefault(op["op"], {"op": op["op"], "count": 0, "ms": 0.0})
        row["count"] += 1
        row["ms"] += op["ms"]
    rows = sorted(found.values(), key=lambda row: -row["ms"])[:count]
    return [row | {"ms": round(row["ms"], 3)} for row in rows]


def by_kind(rows, total_ms):
    """Return {kind: ms} of what `dearest` returned; what they lack to `total_ms` is `OTHER` too."""
    sums = dict.fromkeys(KINDS, 0.0)
    for row in rows:
        sums[kind_of(row["op"])] += row["ms"]
    sums[OTHER] += max(total_ms - sum(sums.values()), 0.0)
    return sums
