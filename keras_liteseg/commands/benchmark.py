"""Measure latency, memory, delegation and correctness of .tflite files on devices.

  liteseg benchmark --model a.tflite,b.tflite --target host:cpu --threads 1,2 --runs 100 --output result.json
  liteseg benchmark --model a.tflite --target host:cpu,host:openvino,host:onnxruntime --output result.json
  liteseg benchmark --model a.tflite --target ssh://pi@raspberrypi.local --threads 4 --profile --output history.jsonl

edge/README.md says how the numbers are taken, docs/devices_reference.md what each of them means.
"""

import pathlib

import click

from keras_liteseg.choices import LONGEST, MOST_THREADS
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command
from keras_liteseg.errors import UserError


@command("benchmark", __doc__)
@options.models("The .tflite files, separated by commas.")
@options.target(many=True)
@click.option(
    "--threads",
    type=options.CommaList(click.IntRange(1, MOST_THREADS), "1,2"),
    default="1,2",
    help="Numbers of threads, separated by commas.",
)
@options.whole("--runs", 50, "Timed runs of each model with each number of threads.")
@options.whole("--warmup", 5, "Untimed runs before them.", least=0)
@options.real("--timeout", 300.0, "Seconds after which loading, or one round of runs, counts as failed.", most=LONGEST)
@options.folder("--images", "Folder of pictures to compare outputs on; drawn street scenes by default.")
@options.switch("--profile", "Time each op too, in a second pass.")
@options.file("--output", "The file to write: .json, or .jsonl to add a line for each row to a history.", required=True)
@options.devices()
def main(models, target, threads, runs, warmup, timeout, images, profile, output, **devices):
    from edge import result_files, targets
    from edge.advice import advice
    from edge.benchmark import benchmark
    from edge.table import table

    output = pathlib.Path(output)
    result_files.check(output)
    devices = options.device_options(**devices)
    for each in target:
        targets.check(each, devices)
    rows = []
    for each in dict.fromkeys(target):
        found = benchmark(
            models,
            each,
            threads=threads,
            runs=runs,
            warmup=warmup,
            timeout_s=timeout,
            images=images,
            profile=profile,
            options=devices,
        )
        # First of all, as the disk may be full.
        print(f"{each}\n{table(found)}\n", flush=True)
        # After each target, so that an interrupted benchmark keeps what it has.
        result_files.write(output, rows, found)
        rows += found
    for sentence in advice(rows):
        print(sentence)
    print(f"Wrote {output}")
    failed = sum(row["status"] == "failed" for row in rows)
    if failed:
        raise UserError(f"{failed} of {len(rows)} measurements failed; the table gives the reasons.")
