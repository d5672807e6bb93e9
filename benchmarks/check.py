"""How long the check of a data set of Cityscapes' size takes, beside that of an older commit.

  python -m benchmarks.check --output results/check.json

The pairs are drawn street scenes with the noise of a camera, as PNG of 1024x2048. A few are drawn, and each is there
many times under other names, as a file of its own. Both checks run in this Python, each in a process of its own, whose
start is not counted. They take turns, so that a slow spell of the machine meets both, and each pair of runs gives a
ratio; its median is what counts. The first pair of runs, which fills the file cache, is left out.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from benchmarks.startup import BEFORE, ROOT, check_out
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

SIZE = (1024, 2048)
_DRAWN = 6
_TIMED = """
import sys, time
from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.check import check_dataset
dataset = load_dataset("folder", sys.argv[1], "train")
start = time.perf_counter()
problems = check_dataset(dataset)
print(time.perf_counter() - start, len(dataset), len(problems))
"""


def write_pairs(folder, pairs, size=SIZE):
    """Write a data set of the kind 'folder' with so many pairs in its split 'train'."""
    from keras_liteseg.datasets import load_dataset

    folder, drawn = pathlib.Path(folder), min(_DRAWN, pairs)
    scenes = load_dataset("street_scenes", split="train", length=drawn, size=size)
    images, masks = folder / "images/train", folder / "masks/train"
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    names = ", ".join(scenes.classes.names)
    (folder / "classes.yaml").write_text(f"classes: [{names}]\nignore_label: 255\n")
    rng = np.random.default_rng(0)
    for number in range(pairs):
        image, mask = (where / f"{number:05}.png" for where in (images, masks))
        if number < drawn:
            noisy = scenes.image(number) + rng.normal(0, 2, (*size, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(image)
            Image.fromarray(scenes.mask(number)).save(mask)
        else:
            for path in (image, mask):
                shutil.copyfile(path.with_stem(f"{number % drawn:05}"), path)


def measure(folder, pairs, rounds, before=BEFORE, size=SIZE):
    """Return {name of the program: list of seconds, one for each round}.

    Raises:
        RuntimeError: a check failed, or found other than no problems in all pairs.
    """
    folder = pathlib.Path(folder)
    check_out(before, folder / "before")
    write_pairs(folder / "data", pairs, size)
    found = {"liteseg check": [], f"check of {before}": []}
    sources = (ROOT, folder / "before")
    for number in range(rounds + 1):
        for name, source in zip(found, sources, strict=True):
            seconds = timed(folder / "data", source, pairs)
            if number:
                found[name].append(seconds)
    return found


def timed(data, source, pairs):
    """Return the seconds of the check of a data set by the package in the folder `source`."""
    program = [sys.executable, "-c", _TIMED, str(data)]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(program, cwd=source, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The check of {source} failed: {done.stderr}")
    seconds, samples, problems = done.stdout.split()
    if (int(samples), int(problems)) != (pairs, 0):
        raise RuntimeError(f"The check of {source} read {samples} of {pairs} pairs and found {problems} problems.")
    return float(seconds)


def summarize(found):
    """Return a dict of what `measure` found: seconds, medians, and the ratios."""
    now, before = found.values()
    ratios = [old / new for new, old in zip(now, before, strict=True)]
    return {
        "programs": {
            name: {
                "median_seconds": round(statistics.median(seconds), 3),
                "seconds": [round(each, 3) for each in seconds],
            }
            for name, seconds in found.items()
        },
        "times_faster": round(statistics.median(ratios), 2),
        "times_faster_of_each_pair": [round(ratio, 2) for ratio in ratios],
    }


@command("check", __doc__)
@options.whole("--pairs", 60, "Number of pictures with their masks.")
@options.whole("--rounds", 7, "Number of pairs of runs.")
@options.file("--output", "JSON file for the result.", required=True)
def main(pairs, rounds, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    with tempfile.TemporaryDirectory() as folder:
        result = summarize(measure(folder, pairs, rounds))
    what = {"kind": "check", "pairs": pairs, "size": list(SIZE), "load_average": [round(x, 2) for x in os.getloadavg()]}
    write_json(output, {**what, **result, **provenance()})
    for program, values in result["programs"].items():
        seconds = values["median_seconds"]
        print(f"{program:>24}  {seconds:7.3f} s  {1000 * seconds / pairs:6.1f} ms a pair")
    print(f"{result['times_faster']} times faster, the median over {rounds} pairs of runs; wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.check"))
