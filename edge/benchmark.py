"""Latency, memory, delegation and correctness of .tflite files on devices.

edge/README.md says how the numbers are taken, docs/devices_reference.md what each of them means.
"""

import contextlib
import functools
import pathlib
import sys

from tqdm import tqdm

from edge import model_files, targets
from edge.correctness import Reference
from edge.latency import Latency
from keras_liteseg.choices import MOST_THREADS, is_whole, require_positive, require_whole
from keras_liteseg.datasets.pictures import find_pictures
from keras_liteseg.errors import UserError

ROUNDS = 10
PROFILE_RUNS = 20


def benchmark(
    models,
    target="host:cpu",
    *,
    threads=(1, 2),
    runs=50,
    warmup=5,
    timeout_s=300,
    images=None,
    profile=False,
    options=None,
):
    """Measure each model with each number of threads and return one row (a dict) for each pair, in that order.

    All pairs are loaded first, each in a process of its own, and then take turns, `ROUNDS` times over, so that a slow
    spell of the machine meets all of them. Only one computes at a time. A row counts only if the device's outputs are
    those of this machine's CPU, see `edge.correctness`.

    Args:
        models: paths of .tflite files.
        target: see `edge.targets`.
        threads: numbers of threads.
        runs: timed runs of each pair, shared out over the rounds.
        warmup: untimed runs before the first round. Every later round starts with one untimed run if this is not 0,
            as the other pairs have emptied the caches.
        timeout_s: seconds after which a step (loading, or the runs of one round) counts as failed.
        images: folder of pictures to compare the outputs on; scenes that the program draws by default.
        profile: whether to time each op too, in a second pass after the measuring.
        options: how to reach devices, as `edge.targets.Options()` by default.

    Returns:
        A list of dicts as described in docs/devices_reference.md. A model that fails, crashes, hangs or gives a wrong
        result gives a row with "status" "failed" and a "reason", and the others go on; so do all rows of a device that
        cannot be reached.

    Raises:
        UserError: a bad argument or file, found before anything is measured.
    """
    if not isinstance(models, list | tuple):
        kind = "the path " if isinstance(models, str | pathlib.PurePath) else ""
        raise UserError(f"models is {kind}{models}; give a list of paths.")
    if not models:
        raise UserError("No model to measure; give at least one .tflite file.")
    _require_threads(threads)
    require_whole("runs", runs, 1)
    require_whole("warmup", warmup, 0)
    require_positive("timeout_s", timeout_s)
    targets.check(target, options)
    if images is not None:
        find_pictures(images)
    for model in models:
        model_files.check(model)
    if not targets.uses_threads(target):
        threads = threads[:1]
    pairs = [_Pair(pathlib.Path(model), count) for model in models for count in threads]
    # The last one only, as those of many models would fill the memory; pairs of one model follow one another.
    reference = functools.lru_cache(maxsize=1)(lambda model: Reference(model, images, timeout_s))
    with contextlib.ExitStack() as stack:
        try:
            device = targets.connect(target, options)
        except targets.MeasurementFailed as failure:
            for pair in pairs:
                pair.reason = str(failure)
            return [pair.row(pairs[0], target, warmup, runs) for pair in pairs]
        stack.callback(device.close)
        for pair in _shown(pairs, f"{target}: loading"):
            pair.start(device, timeout_s)
            stack.callback(pair.close)
            pair.loaded = pair.ask("load")
        for number, count in enumerate(_shown(_shares(runs, ROUNDS), f"{target}: timing")):
            for pair in pairs:
                pair.ask(f"warmup {warmup if number == 0 else min(warmup, 1)}")
                pair.measure(count)
        for pair in _shown(pairs, f"{target}: comparing"):
            # Last, because the tensors that are sent would count as memory of the model.
            pair.report = pair.ask("report")
            if pair.report:
                pair.report["stand_in"] = pair.report["stand_in"] or device.stand_in
                pair.explain()
            pair.check(reference)
            pair.close()
            if profile:
                pair.measure_ops(device, timeout_s)
    return [pair.row(pairs[0], target, warmup, runs) for pair in pairs]


def _require_threads(threads):
    counts = list(threads) if isinstance(threads, list | tuple) else []
    if not counts or not all(is_whole(count) and 1 <= count <= MOST_THREADS for count in counts):
        given = (",".join(map(str, counts)) or "empty") if isinstance(threads, list | tuple) else repr(threads)
        raise UserError(f"threads is {given}; give whole numbers from 1 to {MOST_THREADS}, such as 1,2.")


def _shown(items, what):
    """Return `items`, with a progress bar on a terminal."""
    return tqdm(items, what, disable=None, file=sys.stderr, leave=False)


class _Pair:
    """One model with one number of threads, and what has been measured of it. Its first failure ends it."""

    def __init__(self, model, threads):
        self.model = model
        self.threads = threads
        self.session = None
        self.reason = None
        self.loaded = None
        self.latency = Latency()
        self.report = None
        self.correctness = None
        self.profile = None

    def start(self, device, timeout_s):
        self.session = self._try(lambda: device.start(self.model, self.threads, timeout_s))

    def close(self):
        if self.session is not None:
            self.session.close()

    def ask(self, line):
        return self._try(lambda: self.session.ask(line))

    def check(self, reference):
        def compare():
            try:
                return reference(self.model).compare(self.session, self.report.get("known_difference"))
            except targets.Unsupported as reason:
                return {"unsupported": str(reason)}

        self.correctness = self._try(compare)

    def explain(self):
        """Add to the ops that were left out why, where the device does not tell."""
        left_out = self.report["delegation"]["other_ops"]
        if self.report["accelerator"] == "xnnpack" and not all("reason" in entry for entry in left_out):
            reasons = model_files.xnnpack_reasons(self.model)
            for entry in left_out:
                entry.setdefault("reason", reasons.get(entry["op"], "not told"))

    def measure_ops(self, device, timeout_s):
        if self.reason is not None:
            return
        # In a process of its own: whatever becomes of the profile, the latencies stand.
        try:
            session = device.start(self.model, self.threads, timeout_s)
            try:
                self.profile = session.ask(f"profile {PROFILE_RUNS}")
            finally:
                session.close()
        except (targets.Unsupported, targets.MeasurementFailed) as reason:
            self.profile = {"unsupported": " ".join(str(reason).split())}

    def measure(self, count):
        try:
            answer = self.ask(f"run {count}")
        except targets.Unsupported:  # what it takes here says nothing of the device; the row has no latency
            return
        if answer is not None:
            self.latency.add(answer)

    def _try(self, step):
        if self.reason is None:
            try:
                return step()
            except targets.MeasurementFailed as failure:
                self.reason = " ".join(str(failure).split())
        return None

    def is_whole(self):
        """Return whether there is a latency, and of the whole network."""
        return self.reason is None and bool(self.latency.medians()) and not self.report.get("partial")

    def row(self, first, target, warmup, runs):
        row = {
            **model_files.describe(self.model),
            "target": target,
            "threads": self.threads,
            "warmup": warmup,
            "runs": runs,
        }
        if self.reason is not None:
            return {**row, "status": "failed", "reason": self.reason}
        return {
            **row,
            "status": "ok",
            "kind": "measured",
            **self.report,
            "correctness": self.correctness,
            **({} if self.profile is None else {"profile": self.profile}),
            "load_average": self.loaded["load_average"],
            **{name: _rounded(self.loaded[name]) for name in ("init_ms", "compile_ms", "first_run_ms")},
            "latency_ms": self.latency.summary(),
            "round_p50_ms": [round(median, 4) for median in self.latency.medians()],
            "ratio_to_first": self.latency.ratio_to(first.latency) if self.is_whole() and first.is_whole() else None,
        }


def _rounded(milliseconds):
    return None if milliseconds is None else round(milliseconds, 3)


def _shares(runs, rounds):
    """Split `runs` into at most `rounds` numbers that differ by 1 at most."""
    rounds = min(runs, rounds)
    return [runs // rounds + (number < runs % rounds) for number in range(rounds)]


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg benchmark` now.")
