"""How long `liteseg predict` takes for one picture, from start to exit, beside the `predict.py` of an older commit.

  python -m benchmarks.startup --model a_int8.tflite,b_int8.tflite --output results/startup.json

For each file, both run in this Python with the same drawn picture. They take turns, so that a slow spell of the machine
meets both, and each pair gives a ratio; its median is what counts. The first pair, which compiles Python files and
fills the file cache, is left out. The older commit loaded TensorFlow for every file.
"""

import io
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

from benchmarks.tables import ROOT
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

BEFORE = "18bd9f3"
NOW = "liteseg predict"
SIZE = (360, 480)  # of the picture, as in CamVid


def measure(model, picture, folder, rounds, before=BEFORE):
    """Return {name of the program: list of (seconds, peak memory in bytes), one for each round}.

    Args:
        model: path of a .tflite file.
        picture: path of a picture.
        folder: an empty folder for the older source and for what the programs write.
        rounds: number of pairs.
        before: the older commit.

    Raises:
        RuntimeError: a program failed, or the two give different labels.
    """
    model, picture, folder = (pathlib.Path(path).resolve() for path in (model, picture, folder))
    old = folder / "before"
    check_out(before, old)
    arguments = ["--model", str(model), "--input", str(picture)]
    programs = {
        NOW: (
            [sys.executable, "-m", "keras_liteseg", "predict", *arguments, "--output_dir", str(folder / "new")],
            ROOT,
        ),
        f"predict.py of {before}": (
            [sys.executable, "predict.py", *arguments, "--output", str(folder / "old")],
            old,
        ),
    }
    found = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, (program, source) in programs.items():
            measured = timed(program, source, folder / "log.txt")
            if number:
                found[name].append(measured)
    if not same_picture(*(folder / name / f"{picture.stem}_labels.png" for name in ("new", "old"))):
        raise RuntimeError("The two programs give different labels for the same file and picture.")
    return found


def same_picture(path, other):
    """Return whether two files hold the same pixels."""
    from PIL import Image  # late, see `timed`

    return Image.open(path).tobytes() == Image.open(other).tobytes()


def check_out(commit, folder):
    """Write the source of a commit of this repository to `folder`."""
    packed = subprocess.run(["git", "-C", ROOT, "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def timed(command, folder, log):
    """Run a program in `folder` and return (seconds from start to exit, its peak memory in bytes).

    The system counts as its memory too what this process has when it starts the program, so this one should be small.

    Raises:
        RuntimeError: it failed; the message holds what it wrote.
    """
    with open(log, "w") as file:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # for Popen, which did not wait itself
    if process.returncode:
        raise RuntimeError(f"{command} failed: {pathlib.Path(log).read_text()}")
    return seconds, usage.ru_maxrss * 1024


def summarize(found):
    """Return a dict of what `measure` found: seconds, medians, peak memory in MB of 2^20 bytes, and the ratios."""
    now, before = found
    ratios = [old[0] / new[0] for new, old in zip(found[now], found[before], strict=True)]
    return {
        "programs": {
            name: {
                "median_seconds": round(statistics.median(seconds for seconds, _ in runs), 3),
                "peak_memory_mb": round(statistics.median(memory for _, memory in runs) / 2**20, 1),
                "seconds": [round(seconds, 3) for seconds, _ in runs],
            }
            for name, runs in found.items()
        },
        "times_faster": round(statistics.median(ratios), 2),
        "times_faster_of_each_pair": [round(ratio, 2) for ratio in ratios],
    }


@command("startup", __doc__)
@options.models("The .tflite files.")
@options.whole("--rounds", 10, "Number of pairs for each file.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, rounds, output):
    from keras_liteseg.errors import UserError
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    for model in models:
        if not pathlib.Path(model).is_file():
            raise UserError(f"There is no model file {model}. Check the path.")
    files = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # In a process of its own, see `timed`.
        drawing = (
            "import sys; from PIL import Image; from keras_liteseg import load_dataset; "
            f"scenes = load_dataset('street_scenes', split='val', length=1, size={SIZE}); "
            "Image.fromarray(scenes.image(0)).save(sys.argv[1])"
        )
        subprocess.run([sys.executable, "-c", drawing, folder / "street.png"], cwd=ROOT, check=True)
        for number, model in enumerate(models):
            own = folder / str(number)
            own.mkdir()
            result = summarize(measure(model, folder / "street.png", own, rounds))
            files.append({"model": pathlib.Path(model).name, **result})
            print(f"{model}: {result['times_faster']} times faster, the median over {rounds} pairs", flush=True)
            for program, values in result["programs"].items():
                print(f"{program:>24}  {values['median_seconds']:7.3f} s  {values['peak_memory_mb']:7.1f} MB")
    write_json(output, {"kind": "startup", "picture": list(SIZE), "files": files, **provenance()})
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.startup"))
