"""What the fields of a row hold that the report reads, so that a damaged row is told in a sentence."""

import math

NUMBER, POSITIVE, COUNT = "a number", "a number above 0", "a whole number"
_TIMES = {"mean": POSITIVE, "p50": POSITIVE, "p90": POSITIVE, "p99": POSITIVE, "min": NUMBER, "max": NUMBER}
_OP = {"op": str, "count": COUNT, "reason": str}
_TEXTS = (
    "model target status reason kind sha256 network precision stand_in partial accelerator converted cpu_mask".split()
)
_NUMBERS = "bytes warmup runs load_average init_ms compile_ms first_run_ms ratio_to_first".split()

HEADER = {"command": str, "date": str, "host": dict, "versions": dict}
"""What the rows of one run have in common, see `edge.result_files.read`."""

FIELDS = {
    **HEADER,
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_NUMBERS, NUMBER),
    "threads": COUNT,
    "accuracy": {"miou": NUMBER, "data": str, "split": str, "images": COUNT},
    "device": {"cpu": str, "cores": COUNT, "os": str},
    "runtime": {"name": str, "version": str, "browser": str},
    "adapter": {"name": str},
    "delegate": {"library": str},
    "inputs": [{"shape": [COUNT]}],
    "outputs": [{"shape": [COUNT]}],
    "peak_memory_mb": {"model": NUMBER},
    "memory_kib": {"sram": NUMBER, "sram_limit": NUMBER},
    "delegation": {"other_ops": [_OP]},
    "state": {"before": dict, "after": dict},
    "correctness": {"equal_labels": NUMBER, "known_difference": str, "unsupported": str},
    "latency_ms": {"run": _TIMES, "end_to_end": _TIMES},
    "round_p50_ms": [POSITIVE],
    "profile": {"total_ms": POSITIVE, "ops": [{"op": str, "ms": NUMBER, "delegate": str}], "unsupported": str},
}
"""{field: kind}: a type, one of the words above, [kind of the entries] or {field: kind}. Any may be null or missing,
where the benchmark knew nothing or was an older one, but for those in `NEEDED`; a time is never null."""

NEEDED = {
    "": (*HEADER, "model", "target", "threads", "status"),
    "accuracy": ("miou", "data", "split", "images"),
    "adapter": ("name",),
    "delegate": ("library",),
    "run": ("mean",),
    "end_to_end": ("mean",),
    "delegation": ("other_ops",),
    "inputs": ("shape",),
    "other_ops": ("op", "count"),
    "ops": ("op", "ms"),
}
"""{field: those that it holds where it is there itself}; '' is the row."""


def require_fields(row):
    """Check a row of the benchmark.

    Raises:
        ValueError: a field holds something else than `FIELDS` says; the message names it.
    """
    _require(row, FIELDS, "", "")
    if row["status"] not in ("ok", "failed"):
        raise ValueError(f"status is {row['status']!r}, not 'ok' or 'failed'")
    if row["status"] == "ok":
        missing = [name for name in ("device", "runtime", "latency_ms", "round_p50_ms") if row.get(name) is None]
        missing += [f"latency_ms.{name}" for name in ("run", "end_to_end") if name not in (row["latency_ms"] or ())]
        if missing:
            raise ValueError(f"{missing[0]} is missing")


def _require(value, kind, name, place):
    """Check a value; `name` is that of its field, `place` all of it, such as 'latency_ms.run.p50'."""
    if isinstance(kind, dict):
        _require_type(value, dict, place)
        for key in NEEDED.get(name, ()):
            if value.get(key) is None:
                raise ValueError(f"{_below(place, key)} is missing")
        for key in kind.keys() & value.keys():
            if value[key] is not None or kind[key] is POSITIVE:
                _require(value[key], kind[key], key, _below(place, key))
    elif isinstance(kind, list):
        _require_type(value, list, place)
        for entry in value:
            _require(entry, kind[0], name, place)
    elif isinstance(kind, type):
        _require_type(value, kind, place)
    else:
        number = type(value) is int or (type(value) is float and math.isfinite(value) and kind is not COUNT)
        if not number or (kind is POSITIVE and value <= 0):
            raise ValueError(f"{place} is {value!r}, not {kind}")


def _require_type(value, kind, place):
    if not isinstance(value, kind):
        words = {str: "a text", dict: "a table", list: "a list"}
        raise ValueError(f"{place or 'it'} is {value!r}, not {words[kind]}")


def _below(place, key):
    return f"{place}.{key}" if place else key
