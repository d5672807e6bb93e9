"""Two runs of the benchmark side by side: the ratio of the medians, the noise in it, and what else was not the same."""

import dataclasses

import numpy as np

from edge.latency import typical
from edge.report.rows import Row, device_text
from keras_liteseg.errors import UserError

FEWEST_ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class Change:
    """What became of one row.

    Attributes:
        new, old: the `Row`s.
        new_ms, old_ms: medians, end to end if both rows know it, else of the run alone; None if either failed.
        ratio: new / old, or None.
        spread: (lowest, highest) ratio between the middle halves of both rows' rounds, or None where too few rounds are
            known.
        same_file: False where the content of the file has changed.
    """

    new: Row
    old: Row
    new_ms: float | None
    old_ms: float | None
    ratio: float | None
    spread: tuple | None
    same_file: bool

    @property
    def verdict(self):
        """'slower', 'faster', 'same' within the noise, 'unclear' where that is unknown, or 'failed'."""
        if not (self.new.ok and self.old.ok):
            return "failed"
        if self.spread is None:
            return "unclear"
        low, high = self.spread
        return "slower" if low > 1 else "faster" if high < 1 else "same"

    @property
    def sentence(self):
        """The outcome as text, such as '1.24x slower'."""
        if self.ratio is None:
            now, before = self.new.reason, self.old.reason
            if self.new.ok and self.old.ok:
                return "no times to compare"
            if self.new.ok:
                return f"failed before: {before}"
            return f"failed both times: {now}" if before else f"failed now: {now}"
        text = "equal"
        if f"{self.ratio:.2f}" != "1.00":
            text = f"{self.ratio:.2f}x slower" if self.ratio > 1 else f"{1 / self.ratio:.2f}x faster"
        if self.verdict == "same":
            text += ", within the noise"
        if self.verdict == "unclear":
            text += ", noise unknown"
        return text if self.same_file else f"{text}; the file has changed"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All rows that two runs have in common.

    Attributes:
        changes: `Change`s.
        only_new, only_old: `Row`s without a counterpart.
        warnings: what was not the same, as sentences; the ratios then say little.
    """

    changes: list
    only_new: list
    only_old: list
    warnings: list


def compare(new_runs, old_runs):
    """Match the rows of two lists of `edge.report.rows.Run`.

    Two rows belong together if target and threads are the same, and the content of the file or its name is; of files of
    the same name with other contents, network and precision have to be the same too, as far as both are known.

    Raises:
        UserError: they have no row in common.
    """
    new, old = ([row for run in runs for row in run.rows] for runs in (new_runs, old_runs))
    pairs = [(row, _counterpart(row, old)) for row in new]
    changes = [_change(row, other) for row, other in pairs if other]
    if not changes:
        raise UserError(
            f"The baseline {old_runs[0].path} has no row in common with the results: no file of the same name was "
            "measured on the same target with the same number of threads. Give a baseline that holds them."
        )
    return Comparison(
        changes,
        [row for row, other in pairs if other is None],
        [row for row in old if not any(row is other for _, other in pairs)],
        _warnings(changes),
    )


def _counterpart(row, old):
    found = [other for other in old if _fits(row, other)]

    # The same content goes before the same name, the same device before another, and the latest run before the rest.
    def rank(other):
        return (_same_file(row, other), row.model == other.model, row.group == other.group, other.run.date)

    return max(reversed(found), key=rank, default=None)


def _fits(row, other):
    if (row.target, row.threads) != (other.target, other.threads):
        return False
    if _same_file(row, other):
        return True
    known = [(row.network, other.network), (row.precision, other.precision)]
    return row.model == other.model and all(None in pair or pair[0] == pair[1] for pair in known)


def _same_file(row, other):
    return row.sha256 is not None and row.sha256 == other.sha256


def _change(new, old):
    same_file = _same_file(new, old)
    if not (new.is_timed and old.is_timed):
        return Change(new, old, None, None, None, None, same_file)
    end_to_end = new.is_end_to_end and old.is_end_to_end
    new_ms, old_ms = (typical(row.latency_ms["end_to_end" if end_to_end else "run"]) for row in (new, old))
    # The rounds are end to end in the one and of the run alone in the other: no measure of the noise.
    spread = _spread(new, old) if new.is_end_to_end == old.is_end_to_end else None
    return Change(new, old, new_ms, old_ms, new_ms / old_ms, spread, same_file)


def _spread(new, old):
    if min(len(new.round_p50_ms), len(old.round_p50_ms)) < FEWEST_ROUNDS:
        return None
    new_low, new_high = np.percentile(new.round_p50_ms, (25, 75))
    old_low, old_high = np.percentile(old.round_p50_ms, (25, 75))
    return float(new_low / old_high), float(new_high / old_low)


def _warnings(changes):
    found = {}
    for change in changes:
        if change.ratio is None:
            continue
        for what, before, now in _differences(change.new, change.old):
            found.setdefault(f"{what}: {before} before, {now} now", []).append(change)
        for row, when in ((change.old, "before"), (change.new, "now")):
            if row.busy:
                found.setdefault(f"the machine was busy {when}", []).append(change)
    return [
        f"{text} ({'all' if len(those) == len(changes) else len(those)} of {len(changes)} rows)"
        if len(changes) > 1
        else text
        for text, those in found.items()
    ]


def _differences(new, old):
    """Yield (what, before, now) of everything that was not the same in the measuring of two rows."""
    was, now = device_text(old.device), device_text(new.device)
    # Older results name the system without its distribution.
    if not (was.startswith(now) or now.startswith(was)):
        yield "device", was, now
    yield from _unequal("GPU", (old.adapter or {}).get("name"), (new.adapter or {}).get("name"))
    yield from _unequal("accelerator", old.accelerator, new.accelerator)
    yield from _unequal("conversion", old.converted or "none", new.converted or "none")
    yield from _unequal("stand-in", old.stand_in or "none", new.stand_in or "none")
    yield from _unequal("kind", old.kind, new.kind)
    yield from _unequal("what is counted", old.partial or "all ops", new.partial or "all ops")
    yield from _unequal("runtime", old.runtime_text or None, new.runtime_text or None)
    for name in ("power_mode", "governor"):
        yield from _unequal(name.replace("_", " "), _state(old, name), _state(new, name))
    if new.target.startswith("host:"):  # elsewhere, the versions are those of the machine that gave the commands
        for name in ("python", "numpy"):
            yield from _unequal(name, old.run.versions.get(name), new.run.versions.get(name))
    if new.is_end_to_end != old.is_end_to_end:
        yield "clock", *("end to end" if row.is_end_to_end else "the run alone" for row in (old, new))


def _unequal(what, before, now):
    if before != now and None not in (before, now):
        yield what, before, now


def _state(row, name):
    return row.state.get("before", {}).get(name)
