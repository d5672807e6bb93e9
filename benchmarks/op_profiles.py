"""Where the time goes in LiteRT, OpenVINO and ONNX Runtime, with the same int8 files: the ten dearest kinds of op.

  .venv-runtimes/bin/python -m benchmarks.op_profiles --model a_int8.tflite,b_int8.tflite \\
      --output results/op_profiles.json

The profiles are those of `liteseg benchmark --profile`, by each runtime's own profiler, with 1 thread. They are times
of the clock: measure on a machine that does nothing else. A profiler takes time itself, so the sums are a little more
than the latency. As `liteseg benchmark` does, it refuses a file whose labels are others in another runtime.
"""

import sys

from benchmarks.op_kinds import KINDS, by_kind, dearest
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run
from keras_liteseg.errors import UserError

TARGETS = ("host:cpu", "host:openvino", "host:onnxruntime")
RUNS = 20


@command("op_profiles", __doc__)
@options.models("int8 .tflite files.")
@options.folder("--images", "Folder of pictures to compare the labels on; drawn street scenes by default.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, images, output):
    from edge.benchmark import benchmark
    from edge.device.machine import instructions
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    rows = []
    for target in TARGETS:
        for row in benchmark(models, target, threads=(1,), runs=RUNS, images=images, profile=True):
            if row["status"] != "ok":
                raise UserError(f"{row['model']} on {target} failed: {row['reason']}")
            rows.append(
                {
                    "model": row["model"],
                    "network": row["network"],
                    "runtime": row["runtime"]["name"],
                    "total_ms": round(row["profile"]["total_ms"], 3),
                    "ops": dearest(row["profile"]),
                }
            )
            kinds = by_kind(rows[-1]["ops"], rows[-1]["total_ms"])
            print(f"{row['network']} in {rows[-1]['runtime']}: {rows[-1]['total_ms']:.2f} ms")
            for kind in KINDS:
                print(f"  {kinds[kind]:8.2f} ms  {kind}")
    result = {"kind": "op_profiles", "results": rows, **provenance()}
    result["device"]["instructions"] = instructions()
    write_json(output, result)
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.op_profiles"))
