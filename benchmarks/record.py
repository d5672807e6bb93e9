"""Put a measurement into the tables of results/, in the place of an older one of the same thing.

  python -m benchmarks.record --accuracy runs/a.json --training ndnet45_camvid_scratch --variant int8
  python -m benchmarks.record --training_run runs/ndnet45_camvid_scratch [--stopped]
  python -m benchmarks.record --latency runs/latency.json --run camvid

The first takes what `liteseg evaluate --output` wrote, the second the --output_dir of `liteseg train`, the
third what `liteseg benchmark --output` wrote. results/README.md says what the tables hold.
"""

import json
import pathlib
import sys

import click

from benchmarks import rows
from benchmarks.tables import ROOT
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError


@command("record", __doc__)
@options.file("--accuracy", "Result of liteseg evaluate, a JSON file; with --training and --variant.")
@click.option("--training", help="Name of the config that trained the network.")
@click.option("--variant", help="What was measured of it: float, int8, int8_qat, int16x8, ...")
@options.folder("--training_run", "Folder of a training, which bears its name.")
@options.switch("--stopped", "Record a training that was stopped for good before its last epoch.")
@options.file("--latency", "Result of liteseg benchmark, a JSON file; with --run.")
@click.option("--run", "latency_run", help="Name of the run of the benchmark.")
@options.folder("--results", "Folder of the tables.", default=str(ROOT / "results"))
def main(accuracy, training, variant, training_run, stopped, latency, latency_run, results):
    folder = pathlib.Path(results)
    if [accuracy, training_run, latency].count(None) != 2:
        raise UserError("Give one of --accuracy, --training_run and --latency; the first lines of --help show how.")
    if accuracy:
        _require("accuracy", training=training, variant=variant)
        record_accuracy(folder, accuracy, training, variant)
    elif training_run:
        start_keras()
        record_training(folder, training_run, stopped)
    else:
        _require("latency", run=latency_run)
        record_latency(folder, latency, latency_run)


def record_accuracy(folder, path, training, variant):
    """Put a result of liteseg evaluate into accuracy.csv and class_iou_DATA.csv.

    Args:
        folder: pathlib.Path of the tables.
        path: what `liteseg evaluate --output` wrote.
        training: name of the config that trained the network.
        variant: what was measured of it, such as "float" or "int8".
    """
    result = _load(path, "accuracy", "liteseg evaluate")
    row = rows.accuracy_row(result, training, variant)
    rows.replace(folder / "accuracy.csv", [row], rows.MEASURED)
    classes = rows.class_iou_row(result, training, variant)
    rows.replace(folder / f"class_iou_{result['data']}.csv", [classes], rows.MEASURED)
    print(f"Recorded {training}, {variant}, {row['split']}, {row['input_size']}: mIoU {100 * row['miou']:.2f}")


def record_training(folder, run, stopped=False):
    """Put a training into trainings.csv and training_curves.csv, under the name of its folder.

    Args:
        folder: pathlib.Path of the tables.
        run: folder of the training.
        stopped: whether it may have ended before its last epoch, for good.
    """
    from benchmarks.record_training import record  # imports Keras, which the others do not need

    training = pathlib.Path(run).resolve().name
    found = record(run, stopped)
    rows.replace(folder / "trainings.csv", [rows.training_row(found, training)], ["training"])
    rows.replace(folder / "training_curves.csv", rows.curve_rows(found, training), ["training"])
    print(
        f"Recorded {training}: best val mIoU {found['best_val_miou']:.4f} after epoch {found['best_epoch'] + 1} of "
        f"{found['epochs']}, {found['minutes']:.0f} minutes"
    )


def record_latency(folder, path, run):
    """Put a run of the benchmark into latency.csv and latency_runs.csv, in the place of a run of that name.

    Args:
        folder: pathlib.Path of the tables.
        path: what `liteseg benchmark --output` wrote, a `.json` file.
        run: name of the run.
    """
    document = _load(path, "results", "liteseg benchmark")
    found = rows.latency_rows(document, run)
    rows.replace(folder / "latency.csv", found, ["run"])
    rows.replace(folder / "latency_runs.csv", [rows.latency_run_row(document, run)], ["run"])
    print(f"Recorded {len(found)} rows of the run {run}")


def _load(path, what, source):
    """Return the JSON of a file, which is of the kind `what`, or has a key of that name."""
    try:
        document = json.loads(pathlib.Path(path).read_text())
        if document.get("kind") == what or what in document:
            return document
    except OSError as error:
        raise UserError(
            f"Cannot read {path}: {error.strerror}. Give a file that {source} --output has written."
        ) from None
    except (ValueError, AttributeError):
        pass
    raise UserError(f"{path} is no result of {source}; give a .json file that {source} --output has written.")


def _require(flag, **others):
    missing = [f"--{name}" for name, value in others.items() if not value]
    if missing:
        raise UserError(f"--{flag} needs {' and '.join(missing)} too; the first lines of --help show how.")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.record"))
