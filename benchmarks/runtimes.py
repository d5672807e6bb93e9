"""LiteRT against ONNX Runtime and OpenVINO on this machine's CPU, float and int8, one network of each family.

  make bench-runtimes                                                     once, and measure
  .venv-runtimes/bin/python -m benchmarks.runtimes --output results/runtimes_512x1024.json

The networks have the weights published for CamVid (`benchmarks.runtimes_files.network_of`) and give scores of full size
for 19 classes, or with `--upsampling none` those before their last upsampling, in every runtime. 'Our file' is that of
liteseg export: OpenVINO reads the very .tflite file of LiteRT, ONNX Runtime its conversion. 'TFLite converter' is
LiteRT too, with the file that the converter makes of our Keras model when nothing is done to the graph before. All
files of a network and all numbers of threads are loaded into one process and take turns, so that a slow spell of the
machine meets all of them; a time is the median over all rounds of one run from input in memory to output in memory,
batch 1. LiteRT and our file have NHWC, the others' own files NCHW, their own layout. All int8 files take and give 8-bit
values but that of NNCF, OpenVINO's own, with floats, as its tools make it.

With 1 thread and `--processor_time`, a time is that of the processor in place of the clock's, which other programs on
the machine do not lengthen; fix the process to one core (taskset -c 0), as they still move it and empty its caches.

The files of a network are made first, which takes minutes; with `--files` they are kept in that folder, and made anew
only where they are missing. An output that is there keeps its rows of other networks and numbers of threads, so that
the comparison can be measured in pieces:

  for model in ndnet45 lps_net_s liteseg_mobilenetv2 pp_liteseg_t; do
      .venv-runtimes/bin/python -m benchmarks.runtimes --models $model --files runs/runtimes --output a.json
  done

Every row says how many processors others used just
before the runs (`busy_cores`): numbers by the clock from a busy machine are a trial run only. `error` is the difference
of the file's scores from Keras's in standard deviations, and `labels` the share of labels that are Keras's or tied with
it; a file that is off fails before it is timed.
"""

import contextlib
import gc
import importlib.metadata
import os
import pathlib
import sys
import tempfile
import time

import click
import numpy as np

from benchmarks import json_result
from benchmarks.runtimes_sessions import RUNTIMES
from edge.correctness import tied_labels
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError
from keras_liteseg.inference.predictor import prepare
from keras_liteseg.tflite.file_metadata import read_metadata

PACKAGES = ("onnxruntime", "openvino", "nncf", "onnx", "tf2onnx", "onnxslim")
VARIANTS = (
    ("LiteRT", "float32"),
    ("LiteRT", "int8"),
    ("TFLite converter", "float32"),
    ("TFLite converter", "int8"),
    ("ONNX Runtime", "float32"),
    ("ONNX Runtime", "int8"),
    ("ONNX Runtime, our file", "int8"),
    ("OpenVINO", "float32"),
    ("OpenVINO", "bfloat16"),
    ("OpenVINO", "int8"),
    ("OpenVINO, our file", "float32"),
    ("OpenVINO, our file", "bfloat16"),
    ("OpenVINO, our file", "int8"),
)
OWN = ("LiteRT", "ONNX Runtime, our file", "OpenVINO, our file")
ROUNDS = 10
# Smallest share of labels equal to Keras's, or tied. Networks with random weights have no labels to speak of.
EQUAL_LABELS = {"float32": 0.995, "bfloat16": 0.98, "int8": 0.95}
# Largest difference of a float32 file from Keras, in standard deviations of the scores.
FLOAT_TOLERANCE = 0.01


@command("runtimes", __doc__)
@click.option(
    "--models",
    type=options.CommaList(),
    default="ndnet45,lps_net_s,liteseg_mobilenetv2,pp_liteseg_t",
    help="Networks, separated by commas.",
)
@options.size(help="Size of the networks' input.", default="512x1024")
@click.option(
    "--upsampling",
    type=click.Choice(["full", "none"]),
    default="full",
    help="Scores of the input's size, or of the network's own.",
)
@click.option(
    "--threads",
    type=options.CommaList(click.IntRange(1), "1,2"),
    default="1,2",
    help="Numbers of threads, separated by commas.",
)
@options.whole("--runs", 50, "Timed runs of each file with each number of threads.", least=ROUNDS)
@options.switch("--processor_time", "Count the processor's time in place of the clock's; 1 thread only.")
@options.whole("--calibration_images", 8, "Street scenes that set the int8 scales.", least=2)
@options.folder("--files", "Folder that keeps the files; without, they are made anew each time.")
@options.file("--output", "JSON file for the result; one that is there is added to.", required=True)
def main(models, input_size, upsampling, threads, runs, processor_time, calibration_images, files, output):
    from edge.device.machine import instructions
    from keras_liteseg.files import require_writable
    from keras_liteseg.networks.registry import check_input_shape
    from keras_liteseg.provenance import cpu_name, provenance

    # Otherwise OpenVINO and NNCF report their use to their makers.
    os.environ |= {"CI": "true", "NNCF_CI": "1"}
    require_writable(output)
    if processor_time and threads != [1]:
        raise UserError("The processor's time of several threads is no latency; give --threads 1 with it.")
    versions = package_versions()
    start_keras()
    for name in models:
        check_input_shape(name, (*input_size, 3))
    header = {
        "kind": "runtimes",
        "input_size": list(input_size),
        "upsampling": upsampling,
        "runs": runs,
        "clock": "processor" if processor_time else "wall",
    }
    wanted = header | {"cpu": cpu_name()}
    rows_so_far(output, json_result.read(output), wanted)
    new = []
    for name in models:
        clock = time.process_time if processor_time else time.perf_counter
        new += measure(name, input_size, threads, runs, calibration_images, upsampling, clock, files)
        gc.collect()
    source = provenance()
    source["versions"] |= versions
    source["device"]["instructions"] = instructions()

    def document(before):
        rows = merged(rows_so_far(output, before, wanted), new)
        return {**header, "results": rows, "ratios": ratios(rows), "restructured": restructured(rows), **source}

    result = json_result.update(output, document)
    rows = result["results"]
    print(table(result))
    print(f"Wrote {output}")
    failed = sum(row["status"] == "failed" for row in rows)
    if failed:
        raise UserError(f"{failed} of {len(rows)} measurements failed; the table gives the reasons.")


def package_versions():
    """Return {package: version} of what the other runtimes need.

    Raises:
        UserError: one is missing.
    """
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise UserError(
                f"{package} is not installed; run `make bench-runtimes`, which makes .venv-runtimes and uses it."
            ) from None
    return versions


def rows_so_far(output, before, wanted):
    """Return the rows of what the file `output` holds already, [] where that is nothing.

    Raises:
        UserError: it was measured in another way than `wanted`, {name: value} of its header and the "cpu", says.
    """
    if not before:
        return []
    found = {name: before["device"]["cpu"] if name == "cpu" else before.get(name) for name in wanted}
    for name, value in wanted.items():
        if found[name] != value:
            raise UserError(
                f"{output} is there, and its {name} is {found[name]!r}, not {value!r}; remove it or give another "
                "--output."
            )
    return before["results"]


def merged(rows, new):
    """Return rows in which `new` ones replace all of the same networks and numbers of threads."""
    replaced = {(row["model"], row["threads"]) for row in new}
    return [row for row in rows if (row["model"], row["threads"]) not in replaced] + new


def measure(name, size, threads, runs, calibration_images, upsampling="none", clock=time.perf_counter, files=None):
    """Return the rows of a network, one for each file and number of threads.

    What cannot be made, loaded or run, or computes something else, gives a row with "status" "failed" and a "reason".

    Args:
        name: registered name.
        size: (height, width) of the input.
        threads: numbers of threads.
        runs: timed runs of each file with each number of threads, at least `ROUNDS`.
        calibration_images: number of street scenes that set the int8 scales.
        upsampling: 'full' for scores of the input's size, 'none' for those of the network's own.
        clock: function that returns seconds.
        files: folder that keeps the files.
    """
    from benchmarks.runtimes_files import make_files, network_of

    network, metadata, dataset, images = network_of(name, size, calibration_images, upsampling)
    kept = files and os.path.join(files, f"{name}_{size[0]}x{size[1]}_{upsampling}_{calibration_images}")
    with contextlib.nullcontext(kept) if kept else tempfile.TemporaryDirectory() as folder:
        paths = make_files(network, metadata, dataset, images, pathlib.Path(folder))
        expected = network.predict_on_batch(images[0])
        pairs = [_Pair(name, *variant, path, count, clock) for variant, path in paths.items() for count in threads]
        for pair in pairs:
            ours = paths["LiteRT", "int8" if pair.name["precision"] == "int8" else "float32"]
            image = images[0]
            if pair.name["runtime"] in OWN and not isinstance(ours, Exception):
                # The int8 input of ours has a normalization of its own, which makes its steps those of the bytes.
                image = prepare(dataset.image(0), size, read_metadata(ours))
            pair.attempt(pair.load, image, expected, metadata.data)
        busy = busy_cores()
        for number, count in enumerate(shares(runs, ROUNDS), start=1):
            # In alternating order, as each leaves the caches to the next.
            for pair in pairs if number % 2 else reversed(pairs):
                pair.attempt(pair.measure, count)
            print(f"{name}: round {number} of {ROUNDS} timed", flush=True)
        return [pair.row(busy) for pair in pairs]


class _Pair:
    """One file with one number of threads, and what has been measured of it. Its first failure ends it."""

    def __init__(self, model, runtime, precision, path, threads, clock):
        self.name = {"model": model, "runtime": runtime, "precision": precision, "threads": threads}
        self.path = path
        self.clock = clock
        self.reason = one_line(path) if isinstance(path, Exception) else None
        self.rounds = []

    def attempt(self, step, *arguments):
        if self.reason is None:
            try:
                step(*arguments)
            # Whatever another runtime raises: the others go on without it.
            except Exception as error:
                self.reason = one_line(error)

    def load(self, image, expected, trained):
        """Load the file and compare what it computes with `expected`, its labels where the network is `trained`."""
        runtime, precision, threads = (self.name[key] for key in ("runtime", "precision", "threads"))
        self.session = RUNTIMES[runtime](self.path, precision, threads)
        scores = self.session.scores(image)
        self.error = relative_error(scores, expected)
        self.labels = tied_labels(expected, scores.argmax(-1))
        if precision == "float32" and not self.error <= FLOAT_TOLERANCE:  # nor where they are no numbers
            raise ValueError(f"its scores are {self.error:.3g} standard deviations away from those of Keras")
        if trained and self.labels < EQUAL_LABELS[precision]:
            raise ValueError(f"only {self.labels:.2%} of its labels are those of Keras")

    def measure(self, count):
        self.session.run()  # the other sessions have emptied the caches
        times = []
        for _ in range(count):
            start = self.clock()
            self.session.run()
            times.append(1e3 * (self.clock() - start))
        self.rounds.append(times)

    def row(self, busy):
        if self.reason is not None:
            return {**self.name, "status": "failed", "reason": self.reason}
        times = [time for times in self.rounds for time in times]
        p50, p90 = np.percentile(times, [50, 90])
        return {
            **self.name,
            "status": "ok",
            "bytes": self.path.stat().st_size,
            "error": round(self.error, 5),
            "labels": round(self.labels, 5),
            "busy_cores": busy,
            "latency_ms": {"p50": round(p50, 3), "p90": round(p90, 3), "min": round(min(times), 3)},
            "round_p50_ms": [round(float(np.median(times)), 3) for times in self.rounds],
        }


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())


def relative_error(scores, expected):
    """Return the root mean square of the difference in standard deviations of `expected`."""
    if scores.shape != expected.shape:
        raise ValueError(f"its scores have shape {scores.shape}, those of Keras {expected.shape}")
    return float(np.sqrt(np.mean((scores - expected) ** 2)) / expected.std())


def shares(runs, rounds):
    """Split `runs` into `rounds` numbers that differ by 1 at most."""
    return [runs // rounds + (number < runs % rounds) for number in range(rounds)]


def busy_cores(seconds=5):
    """Return how many processors the others used while this process slept, or None where that cannot be known."""

    def used():
        with open("/proc/stat") as file:
            user, nice, system, _idle, _waiting, *others = map(int, file.readline().split()[1:9])
        return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")

    if not os.path.exists("/proc/stat"):
        return None
    before, start = used(), time.perf_counter()
    time.sleep(seconds)
    return round((used() - before) / (time.perf_counter() - start), 2)


def ratios(rows):
    """Return, for each network and number of threads, how many times as fast LiteRT's int8 file is as the fastest file
    of another runtime.

    The files of the TFLite converter alone do not count as others.
    """
    found = []
    ok = [row for row in rows if row["status"] == "ok"]
    for ours in ok:
        if (ours["runtime"], ours["precision"]) != ("LiteRT", "int8"):
            continue
        others = [
            row
            for row in ok
            if row["runtime"] not in ("LiteRT", "TFLite converter")
            and (row["model"], row["threads"]) == (ours["model"], ours["threads"])
        ]
        if not others:
            continue
        best = min(others, key=lambda row: row["latency_ms"]["p50"])
        found.append(
            {
                "model": ours["model"],
                "threads": ours["threads"],
                "best_other": f"{best['runtime']} {best['precision']}",
                "ratio": ratio(best, ours),
            }
        )
    return found


def restructured(rows):
    """Return, for each network, precision and number of threads, how many times as fast our file is as that of the
    converter alone."""
    key = ("model", "precision", "threads")
    before = {tuple(row[name] for name in key): row for row in rows if row["runtime"] == "TFLite converter"}
    found = []
    for ours in rows:
        plain = before.get(tuple(ours[name] for name in key))
        if ours["runtime"] == "LiteRT" and plain and ours["status"] == plain["status"] == "ok":
            found.append({name: ours[name] for name in key} | {"ratio": ratio(plain, ours)})
    return found


def ratio(slow, fast):
    """Return how many times as long one row took as the other: the median over the rounds of the ratio of the two
    medians, because neighbours in time met the same machine."""
    return round(float(np.median(np.divide(slow["round_p50_ms"], fast["round_p50_ms"]))), 3)


def table(result):
    """Return a result as text: ms per run, and the ratios."""
    width = max(len(" ".join(variant)) for variant in VARIANTS) + 2
    lines = [f"{'model':<22}{'threads':>8}" + "".join(f"{' '.join(variant):>{width}}" for variant in VARIANTS)]
    rows = result["results"]
    for model, threads in dict.fromkeys((row["model"], row["threads"]) for row in rows):
        cells = {
            (row["runtime"], row["precision"]): f"{row['latency_ms']['p50']:.2f}" if row["status"] == "ok" else "failed"
            for row in rows
            if (row["model"], row["threads"]) == (model, threads)
        }
        lines.append(
            f"{model:<22}{threads:>8}" + "".join(f"{cells.get(variant, '-'):>{width}}" for variant in VARIANTS)
        )
    for each in result["ratios"]:
        lines.append(
            f"{each['model']}, threads {each['threads']}: LiteRT int8 is {each['ratio']:.2f} times as fast as "
            f"{each['best_other']}, the best of the others"
        )
    for each in result["restructured"]:
        lines.append(
            f"{each['model']}, threads {each['threads']}, {each['precision']}: {each['ratio']:.2f} times as fast as "
            "the converter's own file"
        )
    lines += [
        f"failed: {row['model']}, {row['runtime']} {row['precision']}, threads {row['threads']}: {row['reason']}"
        for row in rows
        if row["status"] == "failed"
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.runtimes"))
