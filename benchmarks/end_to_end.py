"""What a frame costs from the picture to the overlay, and an image of an evaluation, beside an older commit.

  python -m benchmarks.end_to_end --model a.tflite,b.tflite --output results/end_to_end.json
  python -m benchmarks.end_to_end --model a.tflite,b.tflite --data cityscapes --data_dir DIR \\
      --output results/evaluation_speed.json
  python -m benchmarks.end_to_end --model a.tflite,b.tflite --memory_frames 10000 --output results/predict_memory.json

Both run in this Python on the same files. Each measurement is a process of its own; they take turns, so that a slow
spell of the machine meets both, and each pair gives ratios, whose medians count.

Measured are, for each file, on the same drawn street scenes, 1280x720: the network alone; from a picture in memory to
its label map; drawing the overlay; and `liteseg predict` of a video in which the scenes pass by, from decoding to
encoding, without its start, and now with --output_labels too. Rates are given as shares of the network alone. With
--data it is `evaluate` instead, without its start, alone and as the gate of `liteseg export` runs it, with another file
whose labels are compared, here the same one; all accuracies must be the same. With --memory_frames it is the peak
memory of `liteseg predict` of that many frames, 640x360, and of a tenth of them, of this source alone.
"""

import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import click

from benchmarks.startup import BEFORE, ROOT, check_out, timed
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

SIZE = (720, 1280)
SHOWN, SPEED = 10, 4  # frames in which a scene passes by in a video, and pixels from one to the next
WORKER = pathlib.Path(__file__).with_name("end_to_end_worker.py")
NOW = "now"


def draw(folder, count):
    """Write `count` scenes as frames.npy, and frames.mp4, in which they pass by, into `folder`."""
    import numpy as np

    from keras_liteseg.datasets import load_dataset

    scenes = load_dataset("street_scenes", split="val", length=count, size=SIZE)
    np.save(folder / "frames.npy", [scenes.image(index) for index in range(count)])
    film(folder, "frames.mp4", SHOWN * count)


def film(folder, name, count, shrink=1):
    """Write a video of `count` frames: the scenes of `draw` pass by, over and over, each `shrink` times as small."""
    import numpy as np

    from keras_liteseg.inference.video import video_writer

    pictures = np.ascontiguousarray(np.load(folder / "frames.npy")[:, ::shrink, ::shrink])
    with video_writer(folder / name, 25, pictures.shape[1:3]) as write:
        for index in range(count):
            scene, seen = divmod(index, SHOWN)
            write(np.roll(pictures[scene % len(pictures)], SPEED * seen, axis=1))


def work(source, *arguments):
    """Return what the worker says of a source.

    Raises:
        RuntimeError: it failed; the message holds what it wrote.
    """
    return json.loads(_output([WORKER, source, *arguments], source).splitlines()[-1])


def predict(source, model, video, folder, threads):
    """Return {"network", "end_to_end"}: ms of a frame as `predict` of a source says, and of this source "labels_only",
    what a frame takes end to end with --output_labels. The network's time is that while the other stages work too."""
    given = ["--model", model, "--input", video]
    if not (source / "keras_liteseg" / "commands").is_dir():
        return dict(zip(("network", "end_to_end"), _speed(["predict.py", "--output", folder, *given], source)))
    network, end_to_end = _speed(_program(folder, threads, given), source)
    labels_only = _speed([*_program(folder, threads, given), "--output_labels"], source)[1]
    return {"network": network, "end_to_end": end_to_end, "labels_only": labels_only}


def _program(folder, threads, given):
    return ["-m", "keras_liteseg", "predict", "--threads", threads, "--output_dir", folder, *given]


def _speed(arguments, source):
    said = re.search(r"\(([\d.]+) ms\) the network alone, .*\(([\d.]+) ms\) end to end", _output(arguments, source))
    return tuple(map(float, said.groups()))


def memory(models, threads, folder, frames):
    """Return {model's name: {number of frames: peak memory of `predict` in MB of 2^20 bytes}}, of a tenth of `frames`
    and of all."""
    found = {path.stem: {} for path in models}
    for count in (max(1, frames // 10), frames):
        # Half as large, because it is the number of frames that counts.
        film(folder, "long.mp4", count, shrink=2)
        for path in models:
            program = _program(folder / "predicted", threads, ["--model", path, "--input", folder / "long.mp4"])
            _, size = timed([sys.executable, *map(str, program)], ROOT, folder / "log.txt")
            found[path.stem][str(count)] = round(size / 2**20, 1)
    return found


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
    of the older one's number by the newer one's}}}; of what the older one lacks, only the newer one's median."""
    summary = {}
    for name, by_source in found.items():
        (now, new), (before, old) = by_source.items()
        summary[name] = {}
        for key in (key for key, value in new[0].items() if isinstance(value, float)):
            summary[name][key] = {now: _median(each[key] for each in new)}
            if key in old[0]:
                ratio = _median(b[key] / a[key] for a, b in zip(new, old, strict=True))
                summary[name][key] |= {before: _median(each[key] for each in old), "ratio": ratio}
    return summary


def _median(values):
    return round(statistics.median(values), 2)


def shares_of_network(found, stem):
    """Return {what: its rate now, as a share of the rate of the network alone}: medians over the rounds."""
    frames, predicted = (found[f"{stem} {what}"][NOW] for what in ("frames", "predict"))
    numbers = {"labels": frames, "labels_only": predicted, "end_to_end": predicted}
    return {
        what: _median(alone["network"] / each[what] for alone, each in zip(frames, results, strict=True))
        for what, results in numbers.items()
    }


def require_equal(found):
    """Raise a RuntimeError where the sources gave other labels or accuracies."""
    for name, by_source in found.items():
        new, old = (results[0] for results in by_source.values())
        for key in {"sha256", "result"} & set(new):
            differ = new[key] != old[key] if key == "sha256" else any(new[key][k] != v for k, v in old[key].items())
            if differ:
                raise RuntimeError(f"{name}: the two sources differ in what they compute ({key}).")


@command("end_to_end", __doc__)
@options.models("The .tflite files.")
@click.option("--data", metavar="NAME", help="Data set for `evaluate`, of the files' classes.")
@options.folder("--data_dir", "Folder of the data set.")
@click.option("--split", default="val", help="Split of the data set.")
@options.threads("CPU threads of the network.", default=2)
@options.whole("--frames", 24, "Number of scenes.")
@options.whole("--rounds", 5, "Number of pairs.")
@options.whole("--memory_frames", None, "Frames of a long video whose peak memory is measured.", least=10)
@click.option("--before", default=BEFORE, help="The older commit.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, data, data_dir, split, threads, frames, rounds, memory_frames, before, output):
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
    if data and memory_frames:
        raise UserError("--data measures evaluate and --memory_frames predict; give one of them.")
    what = {"kind": "end to end", "threads": threads}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        if not data:
            draw(folder, frames)
        if memory_frames:
            results = {"peak_memory_mb": memory(paths, threads, folder, memory_frames)}
        else:
            check_out(before, folder / "before")
            measurements = {}
            for path in paths:
                measurements |= (
                    _of_evaluation(path, data, pathlib.Path(data_dir).resolve(), split)
                    if data
                    else _of_frames(path, folder, threads)
                )
            found = measure(measurements, {NOW: ROOT, before: folder / "before"}, rounds)
            require_equal(found)
            what |= {"rounds": rounds, "before": before} | ({"data": data} if data else {"frame": list(SIZE)})
            results = {"medians": summarize(found)}
            if not data:
                results["shares_of_network"] = {path.stem: shares_of_network(found, path.stem) for path in paths}
            results["rounds_of_each"] = found
    write_json(output, {**what, **results, **provenance()})
    for name, numbers in results.get("medians", {}).items():
        for key, each in numbers.items():
            print(f"{name:>36} {key:>14}  " + "  ".join(f"{source} {value:8.2f}" for source, value in each.items()))
    for stem, each in results.get("shares_of_network", {}).items():
        print(f"{stem}, share of the network alone: " + ", ".join(f"{key} {value:.2f}" for key, value in each.items()))
    for stem, each in results.get("peak_memory_mb", {}).items():
        print(f"{stem}, peak memory: " + ", ".join(f"{size} MB for {count} frames" for count, size in each.items()))
    print(f"Wrote {output}")


def _of_frames(path, folder, threads):
    """Return what is measured of a file on the frames in a folder, as `measure` takes it."""
    return {
        f"{path.stem} frames": lambda source: work(source, "frames", path, threads, folder / "frames.npy"),
        f"{path.stem} predict": lambda source: predict(
            source, path, folder / "frames.mp4", folder / "predicted", threads
        ),
    }


def _of_evaluation(path, *data):
    """Return what is measured of a file on a data set (name, folder, split), as `measure` takes it."""
    return {
        f"{path.stem} evaluate": lambda source: work(source, "evaluate", path, *data),
        f"{path.stem} gate": lambda source: work(source, "evaluate", path, *data, path),
    }


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.end_to_end"))
