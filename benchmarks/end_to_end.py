"""What a frame costs from the picture to the overlay, and an image of an evaluation, beside an older commit.

  python -m benchmarks.end_to_end --model a.tflite,b.tflite --output results/end_to_end.json
  python -m benchmarks.end_to_end --model a.tflite --data camvid --data_dir DIR --output results/end_to_end.json

Both run in this Python on the same file and the same drawn street scenes, 1280x720. Each measurement is a process of
its own; they take turns, so that a slow spell of the machine meets both, and each pair gives ratios, whose medians
count. Measured are, for each file: the network alone; from a picture in memory to its label map; drawing the overlay;
`liteseg predict` of a video, from decoding to encoding, without its start; and with --data `evaluate`, without its
start, whose accuracies must be the same.
"""

import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import click

from benchmarks.startup import BEFORE, ROOT, check_out
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

SIZE = (720, 1280)
WORKER = pathlib.Path(__file__).with_name("end_to_end_worker.py")
NOW = "now"


def draw(folder, count):
    """Write `count` scenes as frames.npy and as frames.mp4 of three times as many frames into `folder`."""
    import numpy as np

    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.inference.video import video_writer

    scenes = load_dataset("street_scenes", split="val", length=count, size=SIZE)
    pictures = [scenes.image(index) for index in range(count)]
    np.save(folder / "frames.npy", pictures)
    with video_writer(folder / "frames.mp4", 25, SIZE) as write:
        for picture in pictures * 3:
            write(picture)


def work(source, *arguments):
    """Return what the worker says of a source.

    Raises:
        RuntimeError: it failed; the message holds what it wrote.
    """
    return json.loads(_output([WORKER, source, *arguments], source).splitlines()[-1])


def predict(source, model, video, folder, threads):
    """Return {"network", "end_to_end"}: ms of a frame as `predict` of a source says."""
    if (source / "keras_liteseg" / "commands").is_dir():
        program = ["-m", "keras_liteseg", "predict", "--threads", threads, "--output_dir", folder]
    else:
        program = ["predict.py", "--output", folder]  # always of two threads
    said = _output([*program, "--model", model, "--input", video], source)
    network, total = re.search(r"\(([\d.]+) ms\) the network alone, .*\(([\d.]+) ms\) end to end", said).groups()
    return {"network": float(network), "end_to_end": float(total)}


def _output(arguments, source):
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=source, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments} failed in {source}: {done.stdout}{done.stderr}")
    return done.stdout


def measure(measurements, sources, rounds):
    """Return {name: {source's name: list of results, one for each round}}.

    Args:
        measurements: {name: function from a folder of a source to a dict}.
        sources: {name: folder}, which take turns.
        rounds: how often; the first time, which fills caches, does not count and is not in it.
    """
    found = {name: {source: [] for source in sources} for name in measurements}
    for number in range(rounds + 1):
        for name, function in measurements.items():
            for source, folder in sources.items():
                result = function(folder)
                if number:
                    found[name][source].append(result)
    return found


def summarize(found):
    """Return the medians of what `measure` found: {name: {number: {source: median, ..., "ratio": median over the rounds
    of the older one's number by the newer one's}}}."""
    summary = {}
    for name, by_source in found.items():
        (now, new), (before, old) = by_source.items()
        numbers = [key for key, value in new[0].items() if isinstance(value, float)]
        summary[name] = {
            key: {
                now: round(statistics.median(each[key] for each in new), 2),
                before: round(statistics.median(each[key] for each in old), 2),
                "ratio": round(statistics.median(b[key] / a[key] for a, b in zip(new, old, strict=True)), 2),
            }
            for key in numbers
        }
    return summary


def require_equal(found):
    """Raise a RuntimeError where the sources gave other labels or accuracies."""
    for name, by_source in found.items():
        new, old = (results[0] for results in by_source.values())
        for key in {"sha256", "result"} & set(new):
            differ = new[key] != old[key] if key == "sha256" else any(new[key][k] != v for k, v in old[key].items())
            if differ:
                raise RuntimeError(f"{name}: the two sources differ in what they compute ({key}).")


@command("end_to_end", __doc__)
@click.option("--model", "models", type=options.CommaList(), required=True, help=".tflite files.")
@click.option("--data", metavar="NAME", help="Data set for `evaluate`, of the files' classes.")
@options.folder("--data_dir", "Folder of the data set.")
@click.option("--split", default="val", help="Split of the data set.")
@options.threads("CPU threads of the network.", default=2)
@options.whole("--frames", 24, "Number of scenes.")
@options.whole("--rounds", 5, "Number of pairs.")
@click.option("--before", default=BEFORE, help="The older commit.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, data, data_dir, split, threads, frames, rounds, before, output):
    from keras_liteseg.errors import UserError
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    paths = [pathlib.Path(model).resolve() for model in models]
    for path in paths:
        if not path.is_file():
            raise UserError(f"There is no model file {path}. Check the path.")
    if data and not data_dir:
        raise UserError("--data is given without --data_dir; name the folder of the data set.")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_out(before, folder / "before")
        draw(folder, frames)
        measurements = {}
        for path in paths:
            measurements[f"{path.stem} frames"] = lambda source, path=path: work(
                source, "frames", path, threads, folder / "frames.npy"
            )
            measurements[f"{path.stem} predict"] = lambda source, path=path: predict(
                source, path, folder / "frames.mp4", folder / "predicted", threads
            )
            if data:
                measurements[f"{path.stem} evaluate"] = lambda source, path=path: work(
                    source, "evaluate", path, data, pathlib.Path(data_dir).resolve(), split
                )
        found = measure(measurements, {NOW: ROOT, before: folder / "before"}, rounds)
    require_equal(found)
    summary = summarize(found)
    what = {"kind": "end to end", "frame": list(SIZE), "threads": threads, "rounds": rounds, "before": before}
    write_json(output, {**what, "medians": summary, "rounds_of_each": found, **provenance()})
    for name, numbers in summary.items():
        for key, each in numbers.items():
            print(f"{name:>36} {key:>14}  now {each[NOW]:8.2f}  before {each[before]:8.2f}  ratio {each['ratio']:6.2f}")
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.end_to_end"))
