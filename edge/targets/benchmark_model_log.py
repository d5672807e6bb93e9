"""Reading what LiteRT's own measuring program prints: `benchmark_model` in its forms since 2020, from a terminal or
from Android's log.

The classic program (TensorFlow Lite's interpreter) prints microseconds and one line of `key=value` for the warm-up and
one for the measured runs; that of LiteRT 2 (CompiledModel) prints a block of `name: value ms`.
"""

import re

from edge.targets.protocol import MeasurementFailed

_LOGCAT = re.compile(r"^\d\d-\d\d \d\d:\d\d:\d\d\.\d+ +\d+ +\d+ [VDIWEF] [^:]*: ?")
_LEVEL = re.compile(r"^(?:INFO|VERBOSE|WARNING|ERROR|FATAL): ?")
_SOURCE = re.compile(r"^\[[\w./]+:\d+\] ?")
_NUMBER = r"([-+\d.eE]+)"
_PAIR = re.compile(r"(\w+)=" + _NUMBER)

# What the classic program calls the statistics, and what we do.
_STATISTICS = {"median": "p50", "p5": "p5", "p95": "p95", "avg": "mean", "std": "std", "min": "min", "max": "max"}
_RESULTS = {
    "Model initialization": "init",
    "Warmup (first)": "first",
    "Warmup (avg)": "warmup",
    "Inference (avg)": "mean",
    "Inference (min)": "min",
    "Inference (max)": "max",
    "Inference (std)": "std",
}
_RUNS = re.compile(r"\((\d+) runs\)")
# Type, three times of which the last is the mean, two shares, memory, number of calls, name.
_ROW = re.compile(r"\s*(\S.*?)\s+[\d.]+\s+[\d.]+\s+([\d.]+)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+\s+\d+\s+(\S.*)")


def parse(text):
    """Return what one run of the program measured.

    Returns:
        {"init_ms", "first_run_ms", "runs": number, "latency_ms": {"mean", "std", "min", "max" and, where the program
        tells them, "p5", "p50", "p95"}, "memory_mb": {...}, "delegation": see `delegation`, "ops": see `operations`};
        what the program did not tell is None or empty.

    Raises:
        MeasurementFailed: the program failed, or the text ends before the result.
    """
    # A line without an end was cut off, perhaps in the middle of a number.
    lines = [_bare(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    try:
        found = _compiled_model(lines) if any("BENCHMARK RESULTS" in line for line in lines) else _classic(lines)
    except (ValueError, KeyError) as error:
        raise MeasurementFailed(f"benchmark_model wrote a result that cannot be read ({error})") from None
    if found is None:
        raise MeasurementFailed(_why(text.splitlines(), lines))
    return found | {"memory_mb": _memory(lines), "delegation": delegation(lines), "ops": operations(lines)}


def _bare(line):
    """Return a line without what Android's log and the program put before it."""
    line = line.rstrip("\r\n")
    for prefix in (_LOGCAT, _LEVEL, _SOURCE):
        line = prefix.sub("", line, count=1)
    return line


def _counts(lines):
    """Return the pairs of each line that counts runs; that of a warm-up of no runs is left out."""
    counts = [dict(_PAIR.findall(line)) for line in lines if line.startswith("count=")]
    return [count for count in counts if int(float(count["count"]))]


def _statistics(count):
    values = {name: float(value) / 1e3 for name, value in count.items()}
    latency = {ours: round(values[theirs], 6) for theirs, ours in _STATISTICS.items() if theirs in values}
    if "mean" not in latency:  # a single run, or all alike
        latency |= dict.fromkeys(("mean", "min", "max"), values["curr"]) | {"std": 0.0}
    return latency


def _first_run(counts):
    return float(counts[0]["first"] if "first" in counts[0] else counts[0]["curr"]) / 1e3


def _classic(lines):
    counts = _counts(lines)
    # The last line of the result; without it, the runs counted last may be those of the warm-up.
    if not counts or not any(line.startswith("Inference timings in us:") for line in lines):
        return None
    return {
        "init_ms": _first(rf"Initialized session in {_NUMBER}ms", lines),
        "first_run_ms": _first_run(counts),
        "runs": int(float(counts[-1]["count"])),
        "latency_ms": _statistics(counts[-1]),
    }


def _compiled_model(lines):
    values, runs = {}, None
    for line in lines:
        name, _, rest = line.partition(":")
        if name in _RESULTS and (number := re.match(rf"\s*{_NUMBER}", rest)):
            values[_RESULTS[name]] = float(number[1])
            if name == "Inference (avg)" and (count := _RUNS.search(rest)):
                runs = int(count[1])
    if not {"mean", "min", "max", "std"} <= values.keys():
        return None
    latency = {name: values[name] for name in ("mean", "std", "min", "max")}
    counts = _counts(lines)
    if counts and int(float(counts[-1]["count"])) == runs:
        # The lines that both programs have tell the same more exactly, and the median.
        latency = _statistics(counts[-1])
    return {
        "init_ms": values.get("init"),
        "first_run_ms": values.get("first") or (_first_run(counts) if counts else None),  # 0 without a warm-up
        "runs": runs,
        "latency_ms": latency,
    }


def _memory(lines):
    """Return {name: MB} of what the program says of its memory."""
    delta = "(?:Memory footprint delta|Peak memory footprint).*"
    patterns = {
        "init": rf"{delta} init={_NUMBER}|Init footprint:\s+{_NUMBER} MB",
        "overall": rf"{delta} overall={_NUMBER}|Overall footprint:\s+{_NUMBER} MB",
        "peak": rf"Overall peak memory footprint \(MB\) via periodic monitoring: {_NUMBER}|Peak memory:\s+{_NUMBER} MB",
    }
    found = {name: _first(pattern, lines) for name, pattern in patterns.items()}
    return {name: value for name, value in found.items() if value is not None}


def delegation(lines):
    """Return which delegate took how much of the graph.

    Returns:
        {"delegate": name such as 'GPU' or 'TfLiteXNNPackDelegate', or None, "complete": True, False, or None where the
        program did not tell, "partitions": number or None, "delegated_ops", "all_ops": numbers or None, "refused":
        lines that name an op with the reason why the delegate did not take it}.
    """
    found = dict(delegate=None, complete=None, partitions=None, delegated_ops=None, all_ops=None, refused=[])
    replacing = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((\w+)\).*yielding (\d+) partition")
    refusing = explicit = False
    for line in lines:
        # What a delegate that was asked for leaves, XNNPACK takes unasked, and says so in the same words.
        if (match := replacing.search(line)) and not explicit:
            taken, nodes, partitions = int(match[1]), int(match[2]), int(match[4])
            found |= dict(delegate=match[3], delegated_ops=taken, all_ops=nodes, partitions=partitions)
            found["complete"] = taken == nodes and partitions == 1
        elif match := re.search(r"Explicitly applied (\w+) delegate, and the model graph will be (\w+) executed", line):
            explicit = True
            found |= dict(delegate=match[1], complete=match[2] == "completely")
            if match := re.search(r"w/ (\d+) delegate kernels", line):
                found["partitions"] = int(match[1])
        elif match := re.search(r"Though (\w+) delegate is explicitly applied, the model graph will not be", line):
            explicit = True
            found |= dict(delegate=match[1], complete=False, partitions=0)
        elif match := re.search(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations", line):
            taken, left = int(match[1]), int(match[2])
            found |= dict(delegated_ops=taken, all_ops=taken + left, complete=left == 0)
        refusing = "operations are not supported by" in line or refusing and re.match(r"^[A-Z][A-Z0-9_]+: ", line)
        if refusing and re.match(r"^[A-Z][A-Z0-9_]+: ", line):
            found["refused"].append(line)
    if found["refused"]:
        found["complete"] = False
    return found


def operations(lines):
    """Return the rows of the profile in the order of the graph.

    Only of the runs that were measured, not of the warm-up or the initialization, which have such tables too.

    Returns:
        [{"op": type, "ms": mean, "name": tensor or number, "delegate": None for a built-in kernel, 'xnnpack', or the
        name of another delegate}, ...]. In place of a delegate stand its own operators if the program times them.
    """
    orders = [index for index, line in enumerate(lines) if "= Run Order =" in line]
    begins = [index for index, line in enumerate(lines) if line.startswith("Operator-wise Profiling Info for Regular")]
    if not orders:
        return []
    graph, internal, rows, inside = [], [], None, False
    for line in lines[begins[-1] if begins else orders[0] :]:
        inside = inside or line.startswith("Delegate internal:")
        if "= Run Order =" in line:
            rows = internal if inside else [] if graph else graph
        elif line.startswith("===="):
            rows = None  # the same rows in another order
        elif rows is not None and (match := _ROW.match(line)):
            rows.append(_operation(match[1], float(match[2]), match[3], inside))
    delegates = [index for index, row in enumerate(graph) if row["delegate"]]
    if not internal or not delegates:
        return graph
    first = delegates[0]
    return graph[:first] + internal + [row for row in graph[first:] if not row["delegate"]]


def _operation(kind, ms, name, inside):
    delegate = None
    if inside or kind.startswith("Delegate/") or "XNNPack" in kind:
        delegate = "xnnpack"
    elif re.search("delegate|^LITERT_|dispatch", kind, re.IGNORECASE):
        delegate = kind
    return {"op": kind.removeprefix("Delegate/"), "ms": ms, "name": name, "delegate": delegate}


def _first(pattern, lines):
    for line in lines:
        if match := re.search(pattern, line):
            return float(next(group for group in match.groups() if group))
    return None


def _why(raw, lines):
    """Return why there is no result, in one sentence."""
    refused = list(dict.fromkeys(delegation(lines)["refused"]))
    if refused:
        return f"benchmark_model failed, the delegate does not take all of the model: {'; '.join(refused)}"
    errors = [_bare(line) for line in raw if re.search(r"ERROR: |FATAL: | [EF] \w+ *: ", line)]
    if errors:
        return f"benchmark_model failed: {'; '.join(errors[:3])}"
    last = next((line.strip() for line in reversed(lines) if line.strip()), None)
    return f"benchmark_model ended without a result; it last wrote: {last}" if last else "benchmark_model wrote nothing"


def last_line(text):
    """Return the last line of a text that is not empty, for a message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "nothing"
