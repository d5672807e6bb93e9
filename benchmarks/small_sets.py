"""What published weights bring a small data set of one's own: fine-tuned from them, and trained from scratch.

  python -m benchmarks.small_sets --data_dir CAMVID --work_dir runs/small_sets --output results/small_sets.json

Frames of CamVid's training split, evenly taken, become a data set `folder` with five classes, which the weights do not
know. `liteseg train --config folder` learns from it as it does from a user's pictures, and `liteseg evaluate` measures
the best network on all test frames. Interrupted, the same command goes on.
"""

import json
import pathlib
import statistics
import subprocess
import sys

import click

from benchmarks.record_training import record
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

CLASSES = {
    "other": ("sky", "building", "pole", "tree", "sign symbol", "fence"),
    "road": ("road",),
    "pavement": ("pavement",),
    "car": ("car",),
    "person": ("pedestrian", "bicyclist"),
}
VAL_STEP = 4  # Every fourth frame of val chooses the epoch: a small set has no more.
STARTS = {"published weights": ["--init_from", "camvid"], "scratch": []}


def write_set(camvid, folder, frames):
    """Write a data set `folder` of so many training frames."""
    import cv2
    import numpy as np
    import yaml

    from keras_liteseg.datasets import load_dataset

    chosen = {"train": frames, "val": None, "test": None}
    for split, count in chosen.items():
        dataset = load_dataset("camvid", camvid, split)
        indices = range(0, len(dataset), VAL_STEP if split == "val" else 1)
        if count is not None:
            indices = np.linspace(0, len(dataset) - 1, count).round().astype(int)
        numbers = np.full(256, 255, np.uint8)
        for number, merged in enumerate(CLASSES.values()):
            for name in merged:
                numbers[dataset.classes.names.index(name)] = number
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for index in indices:
            name = f"{int(index):03d}.png"
            cv2.imwrite(str(folder / "images" / split / name), dataset.image(index)[..., ::-1])
            cv2.imwrite(str(folder / "masks" / split / name), numbers[dataset.mask(index)])
    # Last, so that a set is whole when this file is there.
    (folder / "classes.yaml").write_text(yaml.safe_dump({"classes": list(CLASSES), "ignore_label": 255}))


def liteseg(*arguments):
    subprocess.run([sys.executable, "-m", "keras_liteseg", *map(str, arguments)], check=True)


def measure(data, folder, start):
    """Train and evaluate, or return what was measured before: (recorded training, evaluation on test)."""
    test = folder / "test.json"
    if not test.exists():
        resume = ["--resume"] if (folder / "journal.json").exists() else []
        liteseg("train", "--config", "folder", "--data_dir", data, "--output_dir", folder, *STARTS[start], *resume)
        common = ("--data", "folder", "--data_dir", data, "--split", "test")
        liteseg("evaluate", "--model", folder / "best.keras", *common, "--output", test)
    return record(folder), json.loads(test.read_text())


def epoch_minutes(folders):
    """Return the minutes of an epoch: the least of the medians of trainings that do the same, as what else the machine
    did meanwhile is none of theirs."""
    seconds = [json.loads((folder / "journal.json").read_text())["epoch_seconds"] for folder in folders]
    return min(map(statistics.median, seconds)) / 60


def epochs_until(training, miou):
    """Return after how many epochs a training first had that mIoU on val, or None."""
    reached = [epoch for epoch, value in enumerate(training["curve"]["val_miou"], 1) if value >= miou]
    return reached[0] if reached else None


@command("small_sets", __doc__)
@options.folder("--data_dir", "Folder of CamVid.", required=True)
@click.option("--frames", type=options.CommaList(click.INT, "50,100"), default="50,100,367", help="Training frames.")
@options.folder("--work_dir", "Folder for data sets and trainings.", required=True)
@options.file("--output", "JSON file for the result.", required=True)
def main(data_dir, frames, work_dir, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    rows = []
    for count in frames:
        data = pathlib.Path(work_dir) / f"{count}_frames"
        if not (data / "classes.yaml").exists():
            write_set(data_dir, data, count)
        found = {start: measure(data, data / start.replace(" ", "_"), start) for start in STARTS}
        level = found["scratch"][0]["best_val_miou"]
        minutes = epoch_minutes([data / start.replace(" ", "_") for start in STARTS])
        for start, (training, test) in found.items():
            epochs = epochs_until(training, level)
            row = {
                "frames": count,
                "start": start,
                "epochs": training["epochs"],
                "minutes": round(training["epochs"] * minutes, 1),
                "best_val_miou": round(training["best_val_miou"], 4),
                "minutes_to_scratch": epochs and round(epochs * minutes, 2),
                "test_miou": round(test["miou"], 4),
                "test_iou": {name: round(value, 4) for name, value in test["iou"].items()},
                "curve": training["curve"]["val_miou"],
            }
            rows.append(row)
            print({key: value for key, value in row.items() if key != "curve"}, flush=True)
    write_json(output, {"kind": "small_sets", "classes": CLASSES, "rows": rows, **provenance()})
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.small_sets"))
