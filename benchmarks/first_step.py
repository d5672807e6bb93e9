"""How long a training takes from its start to the end of its first step, beside the `train.py` of an older commit.

  python -m benchmarks.first_step --output results/first_step.json

Both train the same networks on the built-in street scenes, in this Python. They take turns, and each pair gives a
ratio; its median is what counts. The first pair, which compiles Python files and fills the file cache, is left out.
Seconds of the processor are given beside those of the clock, which other programs on the machine distort.
"""

import pathlib
import statistics
import sys
import tempfile

import click

from benchmarks.startup import BEFORE, ROOT, check_out, timed
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

NOW = "liteseg train"
WORKER = pathlib.Path(__file__).with_name("first_step_worker.py")
OVERRIDES = ("crop_size=[352,480]", "eval_size=[360,480]", "batch_size=8", "optimizer=sgd", "warmup_epochs=0.1")


def measure(models, sources, rounds, folder):
    """Return {network: {name of the program: list of (seconds, seconds of the processor), one for each round}}.

    Args:
        models: names of networks.
        sources: {name of the program: folder of its source}.
        rounds: number of pairs.
        folder: an empty folder for what the programs write.

    Raises:
        RuntimeError: a program failed.
    """
    found = {model: {name: [] for name in sources} for model in models}
    for number in range(rounds + 1):
        for model in models:
            for name, source in sources.items():
                overrides = [f"--override={value}" for value in (f"model={model}", *OVERRIDES)]
                output = folder / f"{model}_{number}_{source.name}"
                program = [sys.executable, str(WORKER), "--config=configs/demo.yaml", f"--output_dir={output}"]
                log = folder / "log.txt"
                seconds, _ = timed([*program, *overrides], source, log)
                processor = float(log.read_text().splitlines()[-1])
                if number:
                    found[model][name].append((seconds, processor))
                    print(f"{model}, {name}: {seconds:.1f} s, {processor:.1f} s of the processor", flush=True)
    return found


def summarize(found):
    """Return rows of what `measure` found: the medians, and how many times as fast the first program is."""
    rows = []
    for model, programs in found.items():
        row = {"network": model}
        for index, clock in enumerate(("seconds", "processor_seconds")):
            times = {name: [each[index] for each in runs] for name, runs in programs.items()}
            row[clock] = {name: round(statistics.median(values), 2) for name, values in times.items()}
            now, before = times.values()
            pairs = zip(now, before, strict=True)
            row[f"times_faster_{clock}"] = round(statistics.median(old / new for new, old in pairs), 2)
        rows.append(row)
    return rows


@command("first_step", __doc__)
@click.option(
    "--models", type=options.CommaList(), default="ndnet45,lps_net_s,liteseg_mobilenetv2,pp_liteseg_t", help="Networks."
)
@options.whole("--rounds", 3, "Number of pairs.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, rounds, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        old = folder / "before"
        check_out(BEFORE, old)
        rows = summarize(measure(models, {NOW: ROOT, f"train.py of {BEFORE}": old}, rounds, folder))
    write_json(output, {"kind": "first step", "overrides": list(OVERRIDES), "results": rows, **provenance()})
    for row in rows:
        print(f"{row['network']}: {row['seconds']}, {row['times_faster_seconds']} times as fast")
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.first_step"))
