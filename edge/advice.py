"""What the rows of one run of the benchmark say of what to deploy: which file, which precision, and in which runtime.

Only rows whose outputs were found right count, see `edge.correctness`, and none of what stands in for a device.
"""

import typing

import numpy as np

LITERT = "ai-edge-litert"
EQUAL = 0.03
"""Files that take turns count as equally fast when their times differ by no more than this share."""
AHEAD = 1.1
"""Targets are measured one after the other, so a runtime counts as faster than LiteRT only from this ratio on."""
FEW_IMAGES = 30
"""Accuracies on fewer images than this tell no file from another."""
MOST_NAMES = 3


def advice(rows):
    """Return sentences, those on networks first, then on precisions and on runtimes; none where there is no choice.

    A file counts with the number of threads with which it is fastest.

    Args:
        rows: those of one run, as `edge.benchmark.benchmark` returns them.
    """
    measured = [
        row
        for row in rows
        if row["status"] == "ok" and row["round_p50_ms"] and not row["stand_in"] and not row.get("partial")
    ]
    return [*_files(measured), *precisions(measured), *_runtimes(measured)]


def _files(rows):
    """Yield for each target which file is the fastest and which the most accurate of those that can be compared."""
    known = [row for row in rows if row["accuracy"] and row["accuracy"]["images"] >= FEW_IMAGES]
    for (target, data, split, _), found in _grouped(known, _basis).items():
        files = [min(those, key=_time) for those in _grouped(found, lambda row: row["sha256"]).values()]
        if len(files) < 2:
            continue
        fastest = min(files, key=lambda row: (_time(row), -row["accuracy"]["miou"]))
        best = min(files, key=lambda row: (-row["accuracy"]["miou"], _time(row)))
        if fastest is best:
            says = f"{_facts(best)} is both the fastest and the most accurate"
        else:
            says = f"{_facts(fastest)} is the fastest, and {_facts(best)} the most accurate"
        yield f"{target}, of {len(files)} files with an mIoU on {data} {split}: {says}."


def precisions(rows):
    """Yield sentences on which precision to deploy, one for all networks of a target where it is the same.

    Args:
        rows: as `advice` takes them, of files that were found right.
    """
    said = {}
    groups = _grouped(
        [row for row in rows if row["network"] and row["precision"]],
        lambda row: (row["network"], _size(row), row["target"]),
    )
    for (network, size, target), found in groups.items():
        pair = _fastest_pair(
            [row for row in found if row["precision"] == "int8"],
            [row for row in found if row["precision"] in ("float32", "float16")],
        )
        if pair is None:
            continue
        int8, other = pair
        ratio = float(np.median(np.divide(other["round_p50_ms"], int8["round_p50_ms"])))
        deploy = "equal" if abs(ratio - 1) <= EQUAL else "int8" if ratio > 1 else other["precision"]
        choice = _Choice(f"{network}{size}", int8["threads"], ratio, other["precision"])
        said.setdefault((target, deploy), []).append(choice)
    for (target, deploy), choices in said.items():
        names = " or ".join(sorted({choice.other for choice in choices}))
        if deploy == "equal":
            says = f"int8 and {names} are equally fast here; deploy int8, the smaller file"
        elif deploy == "int8":
            says = f"int8 is {_times(choices)} as fast as {names} here; deploy int8"
        else:
            says = f"{names} is faster here, {_times(choices, inverse=True)} as fast as int8; deploy {names}"
        yield f"{_names(choices, 'networks')} on {target}, {_threads(choices)}: {says}."


def _runtimes(rows):
    """Yield which runtime of this computer to deploy with, one sentence for all files where it is the same."""
    said = {}
    on_host = [
        row for row in rows if row["target"].startswith("host:") and row["target"] not in ("host:gpu", "host:npu")
    ]
    for found in _grouped(on_host, lambda row: row["sha256"]).values():
        pair = _fastest_pair(
            [row for row in found if row["runtime"].get("name") == LITERT],
            [row for row in found if row["runtime"].get("name") != LITERT],
        )
        if pair is None:
            continue
        litert, best = pair
        ratio = _time(litert) / _time(best)
        name = best["runtime"].get("name", best["target"])
        deploy = name if ratio >= AHEAD else "LiteRT" if ratio <= 1 else None
        choice = _Choice(best["model"], best["threads"], ratio, name)
        said.setdefault((deploy, name, best["target"]), []).append(choice)
    for (deploy, name, target), choices in said.items():
        if deploy == name:
            says = f"{name} is {_times(choices)} as fast as LiteRT here; deploy with {name} ({target})"
        elif deploy == "LiteRT":
            says = (
                f"LiteRT is {_times(choices, inverse=True)} as fast as {name}, the best other here; deploy with LiteRT"
            )
        else:
            says = f"{name} is ahead of LiteRT by less than {AHEAD - 1:.0%} here; deploy with LiteRT"
        yield f"{_names(choices, 'files')}, {_threads(choices)}: {says}."


class _Choice(typing.NamedTuple):
    """What was found of one network or file: by `ratio` faster than `other`."""

    name: str
    threads: int
    ratio: float
    other: str


def _fastest_pair(ours, others):
    """Return the fastest of each with the same number of threads, the number that gives the shortest time; or None."""
    pairs = []
    for threads in {row["threads"] for row in ours} & {row["threads"] for row in others}:
        same = [[row for row in rows if row["threads"] == threads] for rows in (ours, others)]
        pairs.append([min(rows, key=_time) for rows in same])
    return min(pairs, key=lambda pair: min(map(_time, pair)), default=None)


def _basis(row):
    return (row["target"], *(row["accuracy"][name] for name in ("data", "split", "images")))


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


def _facts(row):
    name = row["model"].removesuffix(".tflite")
    count = row["threads"]
    return f"{name} ({_time(row):.2f} ms with {_plural(count, 'thread')}, {100 * row['accuracy']['miou']:.2f} %)"


def _names(choices, what):
    names = [choice.name for choice in choices]
    if len(names) > MOST_NAMES:
        return f"{len(names)} {what}"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _threads(choices):
    counts = {choice.threads for choice in choices}
    return _plural(counts.pop(), "thread") if len(counts) == 1 else "each with its best number of threads"


def _times(choices, inverse=False):
    """Return the range of the ratios as text."""
    ratios = sorted(1 / choice.ratio if inverse else choice.ratio for choice in choices)
    return " to ".join(dict.fromkeys(f"{ratio:.2f}" for ratio in (ratios[0], ratios[-1]))) + "x"


def _plural(count, word):
    return f"{count} {word}{'' if count == 1 else 's'}"
