"""How long a program waits for the first result of a `.tflite` file, and how long for the next one.

  taskset -c 0 .venv/bin/python -m benchmarks.first_result --model a_float32.tflite,a_float16.tflite,a_int8.tflite \\
      --output results/first_result.json

A program that imports `Segmenter`, loads the file and asks for the labels of one picture, twice, is started anew for
every round; the files take turns. Times are the processor's, with 1 thread, which other programs do not lengthen;
"import" has Python and NumPy in it. The first round, which compiles Python files and fills the file cache, is left out.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np

from benchmarks.tables import ROOT
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

STEPS = ("import_ms", "load_ms", "first_ms", "next_ms")

# Prints what the processor has worked for the program until each step is done, Python itself included.
PROGRAM = """
import json, sys, time
times = [0.0]
import numpy as np
from keras_liteseg import Segmenter
times.append(time.process_time())
segmenter = Segmenter(sys.argv[1], threads=1)
times.append(time.process_time())
picture = np.zeros((360, 480, 3), np.uint8)
for _ in range(2):
    segmenter(picture)
    times.append(time.process_time())
print(json.dumps(times))
"""


@command("first_result", __doc__)
@options.models("The .tflite files.")
@options.whole("--rounds", 10, "Starts of each.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, rounds, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance
    from keras_liteseg.tflite.file_metadata import read_metadata

    require_writable(output)
    for path in models:
        read_metadata(path)
    rows = measure([pathlib.Path(path) for path in models], rounds)
    write_json(output, {"kind": "first_result", "results": rows, **provenance()})
    for row in rows:
        print(f"{row['model']}: {row['all_ms']:.0f} ms, " + ", ".join(f"{step} {row[step]:.0f}" for step in STEPS))
    print(f"Wrote {output}")


def measure(paths, rounds):
    """Return a row for each file: ms of the processor for each of `STEPS`, and "all_ms" until the first result; medians
    over the rounds."""
    found = {path: [] for path in paths}
    for number in range(rounds + 1):
        for path in paths:
            command = [sys.executable, "-c", PROGRAM, str(path.resolve())]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            if number:
                found[path].append(json.loads(done.stdout))
    rows = []
    for path, times in found.items():
        steps = 1e3 * np.median(np.diff(times, axis=1), axis=0)
        rows.append(
            {
                "model": path.name,
                "bytes": path.stat().st_size,
                **{name: round(float(ms), 2) for name, ms in zip(STEPS, steps, strict=True)},
                "all_ms": round(1e3 * float(np.median(np.array(times)[:, 3])), 2),
            }
        )
    return rows


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.first_result"))
