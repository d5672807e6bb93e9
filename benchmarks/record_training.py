"""Record a finished training in results/: its recipe, its curve and what it took.

  python -m benchmarks.record_training --run runs/ndnet45_scratch --output results/training_camvid_ndnet45_scratch.json
"""

import pathlib
import statistics

import yaml
from absl import flags

from keras_liteseg import cli
from keras_liteseg.errors import UserError
from keras_liteseg.files import require_writable, write_json
from keras_liteseg.results import provenance
from keras_liteseg.training.trainer import LOG_FILE, RECIPE_FILE, read_log

FLAGS = flags.FLAGS


def main():
    require_writable(FLAGS.output)
    result = record(FLAGS.run)
    write_json(FLAGS.output, result | provenance())
    print(
        f"Best val mIoU {result['best_val_miou']:.4f} after epoch {result['best_epoch'] + 1} of {result['epochs']}, "
        f"{result['minutes']:.0f} minutes; wrote {FLAGS.output}"
    )


def record(run):
    """Return what a training folder tells, a dict.

    `minutes` is the median time from one epoch's end to the next times the number of epochs, so that pauses do not
    count.

    Raises:
        UserError: the folder holds no training, or one that has not finished.
    """
    run = pathlib.Path(run)
    try:
        recipe = yaml.safe_load((run / RECIPE_FILE).read_text())
        log = read_log(run)
    except OSError as error:
        raise UserError(f"{run} holds no training ({error}); name the --output_dir of train.py.") from error
    done = 1 + int(log[-1]["epoch"]) if log else 0
    if done != recipe["epochs"]:
        raise UserError(
            f"{run / LOG_FILE} has {done} of {recipe['epochs']} epochs; finish it with train.py --resume first."
        )
    best = max(log, key=lambda row: row["val_miou"])
    return {
        "kind": "training",
        "recipe": recipe,
        "epochs": done,
        "best_epoch": int(best["epoch"]),
        "best_val_miou": best["val_miou"],
        "minutes": done * statistics.median(epoch_seconds(run / "tensorboard" / "validation")) / 60,
        "curve": {key: [round(row[key], 5) for row in log] for key in ("epoch", "loss", "val_loss", "val_miou")},
    }


def epoch_seconds(folder):
    """Return the seconds between the ends of neighbouring epochs, from TensorBoard's files in a folder."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    seconds = []
    for path in sorted(folder.glob("events.*")):
        ends = {event.step: event.wall_time for event in EventFileLoader(str(path)).Load() if event.HasField("summary")}
        seconds += [ends[step] - ends[step - 1] for step in ends if step - 1 in ends]
    if not seconds:
        raise UserError(f"{folder} has no two epochs in a row, so the time they took is not known.")
    return seconds


if __name__ == "__main__":
    flags.DEFINE_string("run", None, "Folder of the training.")
    flags.DEFINE_string("output", None, "JSON file for the record.")
    cli.run(main, required=["run", "output"])
