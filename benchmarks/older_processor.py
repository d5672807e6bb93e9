"""float32 against int8 in LiteRT on a processor with AVX2 alone, measured on one that has AVX-512, AVX-VNNI or AMX too.

  taskset -c 0 .venv/bin/python -m benchmarks.older_processor \\
      --model a_float32.tflite,a_int8.tflite,b_float32.tflite,b_int8.tflite --output results/older_processor.json

XNNPACK chooses its kernels by what the processor says of itself (CPUID), and no variable changes that. So this copies
LiteRT to a temporary folder, puts an undefined instruction in the place of every CPUID, and answers the signal that
follows without these instructions (`older_processor.c`). The kernels are then those of a Haswell or a Zen 2, and run at
the true speed of this processor. Files of one network take turns in one process, with 1 thread, and the time is that of
the processor, which other programs do not lengthen. "ops" are the ten dearest kinds of op of a file by LiteRT's own
profiler, whose times are those of the clock. It needs x86-64 with AVX2, Linux, gcc and objdump.
"""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

from benchmarks.op_kinds import dearest
from benchmarks.tables import ROOT
from edge.model_files import describe
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run
from keras_liteseg.errors import UserError

SOURCE = pathlib.Path(__file__).with_suffix(".c")
ROUNDS = 20
PROFILE_RUNS = 20
CPUID, UNDEFINED = b"\x0f\xa2", b"\x0f\x0b"

# In a process of its own: {path: [ms]} of files that take turns.
MEASURING = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter

rounds, paths = int(sys.argv[1]), sys.argv[2:]
runs, times = {}, {path: [] for path in paths}
for path in paths:
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    runs[path] = interpreter.invoke
for number in range(rounds):
    for path in paths[:: 1 if number % 2 else -1]:
        runs[path]()
        start = time.process_time()
        runs[path]()
        times[path].append(1e3 * (time.process_time() - start))
print(json.dumps(times))
"""


# In a process of its own: the profile of a file.
PROFILING = """
import json, sys
from edge.device.op_profile import profile

print(json.dumps(profile(sys.argv[2], 1, "cpu", int(sys.argv[1]))))
"""


@command("older_processor", __doc__)
@options.models("float32 and int8 .tflite files.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    networks = {}
    for path in map(pathlib.Path, models):
        networks.setdefault(describe(path)["network"], []).append(path.resolve())
    rows = []
    with tempfile.TemporaryDirectory() as name:
        older = masked(pathlib.Path(name))
        for network, paths in networks.items():
            for instructions, environment in (("all", {}), ("AVX2", older)):
                rows += measure(network, paths, instructions, environment)
    write_json(output, {"kind": "older_processor", "results": rows, **provenance()})
    for row in rows:
        name = f"{row['network']:<22}{row['instructions']:<6}{row['precision']:<9}"
        print(f"{name}{row['ms']:8.2f} ms  {row['ratio']:.2f} x")
    print(f"Wrote {output}")


def masked(folder):
    """Make a LiteRT that sees AVX2 alone, in `folder`, and return the environment variables that it needs."""
    for program in ("gcc", "objdump"):
        if shutil.which(program) is None:
            raise UserError(f"There is no {program} here; install it (on Debian: apt install gcc binutils).")
    library = folder / "older_processor.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    package = pathlib.Path(importlib.util.find_spec("ai_edge_litert").origin).parent
    shutil.copytree(package, folder / package.name)
    for path in (folder / package.name).glob("lib*.so"):
        without_cpuid(path)
    return {"LD_PRELOAD": str(library), "PYTHONPATH": str(folder)}


def without_cpuid(path):
    """Put an undefined instruction in the place of every CPUID of a library; both have two bytes."""
    headers = subprocess.run(["objdump", "-h", path], capture_output=True, text=True, check=True).stdout
    sections = [
        [int(number, 16) for number in found]
        for found in re.findall(r"^ *\d+ \S+ +([\da-f]+) +([\da-f]+) +[\da-f]+ +([\da-f]+)", headers, re.MULTILINE)
    ]
    data = bytearray(path.read_bytes())
    with subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True) as listing:
        for line in listing.stdout:
            if not line.rstrip().endswith("cpuid"):
                continue
            address = int(line.partition(":")[0], 16)
            start = next(
                address - begin + offset for size, begin, offset in sections if begin <= address < begin + size
            )
            if data[start : start + 2] != CPUID:
                raise RuntimeError(f"objdump lists a CPUID at {address:x} of {path.name}, where the file has none")
            data[start : start + 2] = UNDEFINED
    path.write_bytes(data)


def measure(network, paths, instructions, environment):
    """Return a row for each file of a network; "ratio" is how many times as fast it is as the first."""
    times = _answer(MEASURING, environment, ROUNDS, *paths)
    first = times[str(paths[0])]
    return [
        {
            "network": network,
            "precision": describe(path)["precision"],
            "instructions": instructions,
            "ms": round(float(np.median(times[str(path)])), 3),
            "ratio": round(float(np.median(np.divide(first, times[str(path)]))), 3),
            "ops": dearest(_answer(PROFILING, environment, PROFILE_RUNS, path)),
        }
        for path in paths
    ]


def _answer(code, environment, *arguments):
    """Return what a Python program prints as JSON."""
    path = os.pathsep.join(filter(None, [environment.get("PYTHONPATH"), str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.older_processor"))
