"""What the rows of one run of the benchmark say of what to deploy: which precision of a network, and in which runtime.

Only rows whose outputs were found right count, see `edge.correctness`, and none of what stands in for a device.
"""

import numpy as np

LITERT = "ai-edge-litert"
EQUAL = 0.03
"""Files that take turns count as equally fast when their times differ by no more than this share."""
AHEAD = 1.1
"""Targets are measured one after the other, so a runtime counts as faster than LiteRT only from this ratio on."""


def advice(rows):
    """Return sentences, those on precisions first; none where there is nothing to choose between.

    Args:
        rows: those of one run, as `edge.benchmark.benchmark` returns them.
    """
    measured = [row for row in rows if row["status"] == "ok" and row["round_p50_ms"] and not row["stand_in"]]
    return [*_precisions(measured), *_runtimes(measured)]


def _precisions(rows):
    groups = _grouped(
        [row for row in rows if row["network"] and row["precision"]],
        lambda row: (row["network"], _size(row), row["target"], row["threads"]),
    )
    for (network, size, target, threads), found in groups.items():
        ours = [row for row in found if row["precision"] == "int8"]
        others = [row for row in found if row["precision"] in ("float32", "float16")]
        if not ours or not others:
            continue
        int8, other = min(ours, key=_time), min(others, key=_time)
        ratio = float(np.median(np.divide(other["round_p50_ms"], int8["round_p50_ms"])))
        name = other["precision"]
        if abs(ratio - 1) <= EQUAL:
            says = f"int8 and {name} are equally fast here; deploy int8, the smaller file"
        elif ratio > 1:
            says = f"int8 is {ratio:.2f}x as fast as {name} here; deploy int8"
        else:
            says = f"{name} is faster here, {1 / ratio:.2f}x as fast as int8; deploy {name}"
        yield f"{network}{size} on {target}, {_threads(threads)}: {says}."


def _runtimes(rows):
    on_host = [
        row for row in rows if row["target"].startswith("host:") and row["target"] not in ("host:gpu", "host:npu")
    ]
    for (_, threads), found in _grouped(on_host, lambda row: (row["sha256"], row["threads"])).items():
        litert = next((row for row in found if row["runtime"].get("name") == LITERT), None)
        others = [row for row in found if row["runtime"].get("name") != LITERT]
        if litert is None or not others:
            continue
        best = min(others, key=_time)
        ratio = _time(litert) / _time(best)
        name = best["runtime"].get("name", best["target"])
        if ratio >= AHEAD:
            says = f"{name} is {ratio:.2f}x as fast as LiteRT here; deploy it with {name} ({best['target']})"
        elif ratio <= 1:
            says = f"LiteRT is {1 / ratio:.2f}x as fast as {name}, the best other here; deploy it with LiteRT"
        else:
            says = f"{name} is ahead of LiteRT by less than {AHEAD - 1:.0%} here; deploy it with LiteRT"
        yield f"{best['model']}, {_threads(threads)}: {says}."


def _grouped(rows, key):
    groups = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _time(row):
    return float(np.median(row["round_p50_ms"]))


def _size(row):
    shape = row["inputs"][0]["shape"] if row["inputs"] else []
    return f" {shape[1]}x{shape[2]}" if len(shape) == 4 else ""


def _threads(count):
    return f"{count} thread{'' if count == 1 else 's'}"
