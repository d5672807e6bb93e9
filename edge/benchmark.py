"""Latency, memory and delegation of .tflite files on a device.

    python -m edge.benchmark --model a.tflite,b.tflite --target host:cpu --threads 1,2 --runs 100 --output result.json

edge/README.md says how the numbers are taken and how to read them.
"""

import contextlib
import functools
import hashlib
import pathlib

import numpy as np
from absl import flags

from edge import targets
from edge.correctness import Reference
from keras_liteseg import cli
from keras_liteseg.datasets.pictures import find_pictures
from keras_liteseg.errors import UserError
from keras_liteseg.files import require_writable, write_json
from keras_liteseg.results import provenance
from keras_liteseg.tflite.inspect import read_model

ROUNDS = 10


def benchmark(
    models, target="host:cpu", threads=(1, 2), runs=50, warmup=5, timeout_s=300, images=None, options=targets.Options()
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
        options: `edge.targets.Options`.

    Returns:
        A list of dicts as described in edge/README.md. A model that fails, crashes, hangs or gives a wrong result gives
        a row with "status" "failed" and a "reason", and the others go on; so do all rows of a device that cannot be
        reached.

    Raises:
        UserError: a bad argument or file, found before anything is measured.
    """
    if not models:
        raise UserError("No model to measure; give at least one .tflite file.")
    if not threads or any(count < 1 for count in threads):
        raise UserError(f"threads is {_listed(threads)}; give whole numbers from 1 on, such as 1,2.")
    if runs < 1:
        raise UserError(f"runs is {runs}; give 1 or more.")
    if warmup < 0:
        raise UserError(f"warmup is {warmup}; give 0 or more.")
    targets.check(target)
    if images is not None:
        find_pictures(images)
    for model in models:
        _check_model(model)
    if not targets.uses_threads(target):
        threads = threads[:1]
    pairs = [_Pair(pathlib.Path(model), count) for model in models for count in threads]
    reference = functools.cache(lambda model: Reference(model, images, timeout_s))
    with contextlib.ExitStack() as stack:
        try:
            device = targets.connect(target, options)
        except targets.MeasurementFailed as failure:
            for pair in pairs:
                pair.reason = str(failure)
            return [pair.row(pairs[0], target, warmup, runs) for pair in pairs]
        stack.callback(device.close)
        for pair in pairs:
            pair.start(device, timeout_s)
            stack.callback(pair.close)
            pair.loaded = pair.ask("load")
        for number, count in enumerate(_shares(runs, ROUNDS)):
            for pair in pairs:
                pair.ask(f"warmup {warmup if number == 0 else min(warmup, 1)}")
                pair.measure(count)
        for pair in pairs:
            # Last, because the tensors that are sent would count as memory of the model.
            pair.report = pair.ask("report")
            pair.check(reference)
    return [pair.row(pairs[0], target, warmup, runs) for pair in pairs]


class _Pair:
    """One model with one number of threads, and what has been measured of it. Its first failure ends it."""

    def __init__(self, model, threads):
        self.model = model
        self.threads = threads
        self.session = None
        self.reason = None
        self.loaded = None
        self.rounds = []
        self.report = None
        self.correctness = None

    def start(self, device, timeout_s):
        self.session = self._try(lambda: device.start(self.model, self.threads, timeout_s))

    def close(self):
        if self.session is not None:
            self.session.close()

    def ask(self, line):
        return self._try(lambda: self.session.ask(line))

    def check(self, reference):
        self.correctness = self._try(lambda: reference(self.model).compare(self.session))

    def _try(self, step):
        if self.reason is None:
            try:
                return step()
            except targets.MeasurementFailed as failure:
                self.reason = " ".join(str(failure).split())
        return None

    def measure(self, count):
        times = self.ask(f"run {count}")
        if times is not None:
            self.rounds.append(times)

    def row(self, first, target, warmup, runs):
        data = self.model.read_bytes()
        row = {
            "model": self.model.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
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
            **self.report,
            "correctness": self.correctness,
            "load_average": self.loaded["load_average"],
            "init_ms": round(self.loaded["init_ms"], 3),
            "first_run_ms": round(self.loaded["first_run_ms"], 3),
            "latency_ms": {
                name: _statistics([time for times in self.rounds for time in times[name]])
                for name in ("run", "end_to_end")
            },
            "round_p50_ms": [round(median, 4) for median in self.medians()],
            "ratio_to_first": None if first.reason is not None else self.ratio_to(first),
        }

    def medians(self):
        return [float(np.median(times["end_to_end"])) for times in self.rounds]

    def ratio_to(self, other):
        # Round by round, because neighbours in time met the same machine.
        return round(float(np.median(np.divide(self.medians(), other.medians()))), 3)


def _statistics(times):
    p50, p90, p99 = np.percentile(times, [50, 90, 99])
    values = {
        "p50": p50,
        "p90": p90,
        "p99": p99,
        "mean": np.mean(times),
        "std": np.std(times),
        "min": np.min(times),
        "max": np.max(times),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def _shares(runs, rounds):
    """Split `runs` into at most `rounds` numbers that differ by 1 at most."""
    rounds = min(runs, rounds)
    return [runs // rounds + (number < runs % rounds) for number in range(rounds)]


def _check_model(path):
    graph = read_model(path).subgraphs[0]
    for index in graph.inputs:
        tensor = graph.tensors[index]
        # An unknown batch is measured as 1; an unknown height or width would be measured as 1 pixel.
        if tensor.shapeSignature is not None and -1 in list(tensor.shapeSignature)[1:]:
            raise UserError(
                f"{path} takes inputs of any size ({_listed(tensor.shapeSignature)}); convert it with a fixed height "
                "and width to measure it."
            )


def _listed(values):
    return ",".join(str(value) for value in values) or "empty"


def is_software(row):
    """Return whether a row was measured on a GPU that is a program on the CPU."""
    return "adapter" in row and "CPU" in row["adapter"]["type"]


_LINE = "{:<{width}}  {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>6}  {}"
_HEAD = ("threads", "invoke", "p50", "p90", "p99", "init", "first", "MB", "ratio", "where")


def table(rows):
    """Return rows of `benchmark` as a text table: ms from input to output except 'invoke', MB of the model alone."""
    width = max(len(row["model"]) for row in rows)
    lines = [_LINE.format("model", *_HEAD, width=width)]
    for row in rows:
        if row["status"] == "failed":
            lines.append(f"{row['model']:<{width}}  {row['threads']:>7} failed: {row['reason']}")
            continue
        latency = row["latency_ms"]["end_to_end"]
        times = [row["latency_ms"]["run"]["p50"], latency["p50"], latency["p90"], latency["p99"]]
        times += [row["init_ms"], row["first_run_ms"]]
        ratio = "-" if row["ratio_to_first"] is None else f"{row['ratio_to_first']:.2f}"
        outside = ", ".join(f"{entry['count']}x {entry['op']}" for entry in row["delegation"]["other_ops"])
        where = f"partitions: {row['delegation']['partitions']}, outside: {outside or 'nothing'}"
        if "adapter" in row:
            where = row["adapter"]["name"] + ", a software GPU: no device's speed" * is_software(row)
        lines.append(
            _LINE.format(
                row["model"],
                row["threads"],
                *(f"{time:.2f}" for time in times),
                f"{row['peak_memory_mb']['model']:.1f}",
                ratio,
                where,
                width=width,
            )
        )
    busy = [row for row in rows if row.get("load_average") and row["load_average"] > 0.5 * row["device"]["cores"]]
    if busy:
        lines.append(
            f"The machine was busy before the measuring (load average {busy[0]['load_average']:.1f} on "
            f"{busy[0]['device']['cores']} cores): repeat it when idle before you rely on the numbers."
        )
    return "\n".join(lines)


def main():
    values = flags.FLAGS
    output = pathlib.Path(values.output)
    require_writable(output)
    options = targets.Options(values.ssh_config, values.wheels, values.clean)
    for target in values.target:
        targets.check(target)
    cli.start_tensorflow()  # for the frames; quietly, and not before the arguments are right
    rows = []
    for target in values.target:
        rows += benchmark(
            values.model,
            target,
            _numbers(values.threads),
            values.runs,
            values.warmup,
            values.timeout,
            values.images,
            options,
        )
    write_json(output, {**provenance(), "results": rows})
    for target in dict.fromkeys(values.target):
        print(f"{target}\n{table([row for row in rows if row['target'] == target])}\n")
    print(f"Wrote {output}")
    failed = sum(row["status"] == "failed" for row in rows)
    if failed:
        raise UserError(f"{failed} of {len(rows)} measurements failed; the table gives the reasons.")


def _numbers(texts):
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise UserError(f"threads is '{','.join(texts)}'; give whole numbers from 1 on, such as 1,2.") from None


if __name__ == "__main__":
    flags.DEFINE_list("model", None, "the .tflite files, separated by commas")
    flags.DEFINE_list("target", ["host:cpu"], "where to measure, separated by commas; see edge/README.md")
    flags.DEFINE_list("threads", ["1", "2"], "numbers of threads, separated by commas")
    flags.DEFINE_integer("runs", 50, "timed runs of each model with each number of threads")
    flags.DEFINE_integer("warmup", 5, "untimed runs before them")
    flags.DEFINE_float("timeout", 300, "seconds after which loading, or one round of runs, counts as failed")
    flags.DEFINE_string("images", None, "folder of pictures to compare outputs on; drawn street scenes by default")
    flags.DEFINE_string("ssh_config", None, "file in place of ~/.ssh/config")
    flags.DEFINE_string("wheels", None, "folder of wheels of LiteRT for devices without internet")
    flags.DEFINE_bool("clean", False, "remove LiteRT from the devices afterwards")
    flags.DEFINE_string("output", None, "the JSON file to write")
    cli.run(main, required=("model", "output"), tensorflow=False)
