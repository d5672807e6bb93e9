"""Where the time of a run goes, from the op profiles of the rows."""

import dataclasses

MOST_KINDS, MOST_OPS = 6, 10


@dataclasses.dataclass(frozen=True)
class Kind:
    """All ops of one type in a profile; `where` is the delegate, or None for a built-in kernel."""

    op: str
    where: str | None
    count: int
    ms: float


@dataclasses.dataclass(frozen=True)
class Profile:
    """The op profile of a row.

    Attributes:
        row: the `Row`.
        total_ms: of a run with the profiler on.
        delegated_ms, builtin_ms, rest_ms: what of it the delegate, the built-in kernels, and neither took.
        kinds: `Kind`s, the slowest first, as many as are shown.
        others: (number of further ops, ms of all of them).
        slowest: the slowest single ops, as the benchmark wrote them.
    """

    row: object
    total_ms: float
    delegated_ms: float
    builtin_ms: float
    rest_ms: float
    kinds: list
    others: tuple
    slowest: list


def profiles(devices):
    """Return [(`Device`, [`Profile`, ...]), ...]."""
    found = []
    for device in devices:
        profiles = [_profile(row) for row in device.measured if row.profile and "ops" in row.profile]
        if profiles:
            found.append((device, profiles))
    return found


def _profile(row):
    ops, total_ms = [{"delegate": None, **op} for op in row.profile["ops"]], row.profile["total_ms"]
    sums = {}
    for op in ops:
        count, ms = sums.get((op["op"], op["delegate"]), (0, 0.0))
        sums[op["op"], op["delegate"]] = (count + 1, ms + op["ms"])
    kinds = sorted((Kind(*key, *value) for key, value in sums.items()), key=lambda kind: (-kind.ms, kind.op))
    rest = kinds[MOST_KINDS:]
    delegated_ms = sum(op["ms"] for op in ops if op["delegate"])
    builtin_ms = sum(op["ms"] for op in ops if not op["delegate"])
    return Profile(
        row=row,
        total_ms=total_ms,
        delegated_ms=delegated_ms,
        builtin_ms=builtin_ms,
        rest_ms=max(total_ms - delegated_ms - builtin_ms, 0.0),
        kinds=kinds[:MOST_KINDS],
        others=(sum(kind.count for kind in rest), sum(kind.ms for kind in rest)),
        slowest=sorted(ops, key=lambda op: -op["ms"])[:MOST_OPS],
    )


def no_profiles(devices):
    """Return {reason: [(`Device`, number of rows), ...]} of the profiles that were asked for and not given."""
    found = {}
    for device in devices:
        reasons = [row.profile["unsupported"] for row in device.measured if row.profile and "ops" not in row.profile]
        for reason in dict.fromkeys(reasons):
            found.setdefault(reason, []).append((device, reasons.count(reason)))
    return found
