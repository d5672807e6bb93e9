r"""What a single change of a training brings: each beside the same training without it, from the same seed.

  python -m benchmarks.paired --data_dir CAMVID --init_from ndnet45_cityscapes.pth --work_dir runs/paired \
      --output results/paired.json

The trainings, of minutes, see all drives of CamVid's splits train and val but one, and are measured on every frame of
that one, at its own size. All changes take their turn with one seed, then with the next; after each such round the
result is written. What finished is kept in the work folder: interrupted, the same command goes on.
"""

import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import pathlib
import shutil
import statistics
import sys

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError

STEPS = 400
FINE_TUNED, SCRATCH = "ndnet45_camvid_finetuned", "pp_liteseg_t_camvid_scratch"
SHORT = {
    "crop_size": [192, 256],
    "eval_size": [360, 480],
    "batch_size": 8,
    "epochs": 1,
    "steps_per_epoch": STEPS,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 2e-2,
    "clip_norm": 5.0,
    "warmup_epochs": 0.05,
    "ema_momentum": 0.0,
    "class_weights": "",
    "keep_epoch": "last",
}
"""Keys in which all trainings differ from their configs."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A training, or a network of one at another size.

    Attributes:
        what: what the pages call it.
        changes: further keys of the config that differ.
        base: name of the variant that it is compared with, which stands before it; "" for one that is compared with
            none.
        config: `FINE_TUNED` for NDNet45, which starts from a checkpoint, or `SCRATCH` for PP-LiteSeg-T.
        branched: whether it trains with branches, see `benchmarks.branches`.
        size: (height, width) at which the network of `base` is measured; empty to train one.
    """

    what: str
    changes: dict = dataclasses.field(default_factory=dict)
    base: str = "ndnet45"
    config: str = FINE_TUNED
    branched: bool = False
    size: tuple = ()


_WIDE = {"fusion_channels": [64, 96, 128], "head_channels": [64, 64, 64]}
_PP, _FEW = "pp_liteseg_t", {"steps_per_epoch": 240}
VARIANTS = {
    "ndnet45": Variant("NDNet45 from Cityscapes", base=""),
    "boundary_loss": Variant("auxiliary boundary loss, `boundary_weight: 1`", {"boundary_weight": 1.0}),
    "dice_loss": Variant("Dice loss besides, `dice_weight: 1`", {"dice_weight": 1.0}),
    "oversampling": Variant(
        "pictures with rare classes more often, `oversample_threshold: 1`", {"oversample_threshold": 1.0}
    ),
    "small_crops": Variant(
        "crops of half the area, twice the steps", {"crop_size": [128, 192], "steps_per_epoch": 2 * STEPS}
    ),
    "averaged_weights": Variant("averaged weights, `ema_momentum: 0.98`", {"ema_momentum": 0.98}),
    "class_weights": Variant("`class_weights: inverse_log`", {"class_weights": "inverse_log"}),
    "cutmix": Variant("`cutmix: 0.5`", {"cutmix": 0.5}),
    "ohem": Variant("`loss: ohem`, a sixteenth of the pixels at least", {"loss": "ohem", "ohem_min_kept": 24576}),
    "class_crops": Variant("class-balanced crops, `class_crops: 0.5`", {"class_crops": 0.5}),
    "copy_paste": Variant("`copy_paste: 0.5`", {"copy_paste": 0.5}),
    "input_480x640": Variant("measured at 480x640", size=(480, 640)),
    "input_576x768": Variant("measured at 576x768", size=(576, 768)),
    _PP: Variant("PP-LiteSeg-T from scratch", _FEW, base="", config=SCRATCH),
    "branches": Variant("3x3 convolutions with branches, folded afterwards", _FEW, _PP, SCRATCH, branched=True),
    "wide_decoder": Variant(
        "the decoder of PP-LiteSeg-B, up to twice as wide", {**_FEW, "model_options": _WIDE}, _PP, SCRATCH
    ),
}


def write_drives(data_dir, folder, held_out):
    """Write a CamVid folder of lists alone, as splits train and val: all frames of both but those of a drive, and those
    of the drive. Return {split: number of frames}.

    Raises:
        UserError: there is no such drive, or nothing else.
    """
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.files import write_text

    frames = load_dataset("camvid", data_dir, "trainval")
    lines = {"train": [], "val": []}
    for index in range(len(frames)):
        split = "val" if _drive(frames, index) == held_out else "train"
        lines[split].append(" ".join(str(pathlib.Path(path).resolve()) for path in frames.files(index)))
    if not all(lines.values()):
        drives = sorted({_drive(frames, index) for index in range(len(frames))})
        raise UserError(f"--held_out is {held_out}; choose one of several drives, here {', '.join(drives)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for split, pairs in lines.items():
        write_text(folder / f"{split}.txt", "\n".join(pairs) + "\n")
    return {split: len(pairs) for split, pairs in lines.items()}


def _drive(frames, index):
    return frames.sample_id(index).partition("_")[0]


def config_of(name, seed):
    """Return the `TrainingConfig` of a variant; that of one which is not trained is its base's."""
    from keras_liteseg.training.config import load_config

    return dataclasses.replace(load_config(VARIANTS[name].config), **{**SHORT, **VARIANTS[name].changes, "seed": seed})


def measure(checkpoint, drives, folder, name, seed):
    """Train a variant, unless it has the network of its base, and measure it: a dict with `minutes`, None where nothing
    was trained, and of the classes that the drive has `miou` and `iou`, {class: IoU}.

    Args:
        checkpoint: what NDNet45 starts from.
        drives: folder of `write_drives`.
        folder: of all of this seed; the variant's is the one of its name there.
    """
    start_keras()
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.evaluation import evaluate
    from keras_liteseg.inference.load import load_predictor

    variant, config, minutes = VARIANTS[name], config_of(name, seed), None
    learned, held_out = (load_dataset("camvid", drives, split) for split in ("train", "val"))
    if variant.size:
        path, size = folder / variant.base / "best.keras", variant.size
    else:
        start = checkpoint if variant.config == FINE_TUNED else None
        path, minutes = trained(config, variant.branched, (learned, held_out, folder / name, start))
        size = config.eval_size
    found = evaluate(load_predictor(path, input_size=size), held_out)
    iou = {label: value for label, value in found.iou.items() if label not in found.absent}
    return {"minutes": minutes, "miou": found.miou_present, "iou": iou}


def trained(config, branched, arguments):
    """Return (file of the network that is to be measured, minutes of its training); `arguments` are more of `train`."""
    from benchmarks.branches import folded, register_branched
    from keras_liteseg.training.run_folder import JOURNAL_FILE, LAST_FILE
    from keras_liteseg.training.trainer import train

    model = register_branched(config.model) if branched else config.model
    path = train(dataclasses.replace(config, model=model), *arguments)
    path.with_name(LAST_FILE).unlink()  # three times as large as the network, and never needed
    minutes = sum(json.loads(path.with_name(JOURNAL_FILE).read_text())["epoch_seconds"]) / 60
    return folded(path, config.model) if branched else path, minutes


def in_process(*arguments):
    """Return what `measure` does in a process of its own, whose memory ends with it."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, *arguments).result()


def rounds(seeds, drives, work_dir, run):
    """Yield, after each seed, {variant: list of what `run(drives, folder, name, seed)` found with the seeds so far}.

    What the work folder has, of the same config and drives, is not measured again.
    """
    found = {name: [] for name in VARIANTS}
    for seed in range(seeds):
        for name in VARIANTS:
            found[name].append(kept_or_new(drives, pathlib.Path(work_dir) / f"seed_{seed}", name, seed, run))
        yield found


def kept_or_new(drives, folder, name, seed, run):
    """Return what was found before, or what `run` finds now, which is kept."""
    from keras_liteseg.files import write_json
    from keras_liteseg.training.config import config_to_yaml

    kept = folder / name / "measured.json"
    key = [config_to_yaml(config_of(name, seed)), list(VARIANTS[name].size), drives.name]
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if known.get("key") == key:
        return known["found"]
    shutil.rmtree(folder / name, ignore_errors=True)  # of another config, or interrupted
    found = run(drives, folder, name, seed)
    (folder / name).mkdir(parents=True, exist_ok=True)
    write_json(kept, {"key": key, "found": found})
    print(f"seed {seed} {name}: mIoU {found['miou']:.4f}", flush=True)
    return found


def summarize(found):
    """Return a row for each variant, a dict, of what `rounds` yields.

    `miou` and `iou` are means over the seeds, `minutes` the least, `differences` those of the mIoU to the base with
    each seed, `std` their standard deviation, None of a single one.
    """
    rows = []
    for name, variant in VARIANTS.items():
        runs = found[name]
        row = {"name": name, "what": variant.what, "config": variant.config, "changes": variant.changes}
        row["base"] = variant.base
        row["miou"] = round(statistics.mean(each["miou"] for each in runs), 4)
        row["minutes"] = None if variant.size else round(min(each["minutes"] for each in runs), 2)
        row["iou"] = {label: round(statistics.mean(each["iou"][label] for each in runs), 4) for label in runs[0]["iou"]}
        if variant.base:
            differences = [new["miou"] - old["miou"] for new, old in zip(runs, found[variant.base], strict=True)]
            row["differences"] = [round(each, 4) for each in differences]
            row["difference"] = round(statistics.mean(differences), 4)
            row["std"] = round(statistics.stdev(differences), 4) if len(runs) > 1 else None
        rows.append(row)
    return rows


@command("paired", __doc__)
@options.folder("--data_dir", "Folder of CamVid, with the lists of SegNet's tutorial.", required=True)
@click.option("--held_out", default="0006R0", help="Drive that is measured on: what the names of frames begin with.")
@options.file("--init_from", "Official checkpoint ndnet45_cityscapes.pth.", required=True)
@options.whole("--seeds", 5, "Number of seeds.")
@options.folder("--work_dir", "Folder for the trainings.", required=True)
@options.file("--output", "JSON file for the result.", required=True)
def main(data_dir, held_out, init_from, seeds, work_dir, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    drives = pathlib.Path(work_dir) / f"without_{held_out}"
    frames = write_drives(data_dir, drives, held_out)
    what = {"kind": "paired", "held_out": held_out, "frames": frames, "changes": SHORT}
    source = provenance()
    for found in rounds(seeds, drives, work_dir, functools.partial(in_process, init_from)):
        rows = summarize(found)
        count = len(next(iter(found.values())))
        write_json(output, {**what, "seeds": count, "rows": rows, **source})
        print(f"{count} of {seeds} seeds; wrote {output}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.paired"))
