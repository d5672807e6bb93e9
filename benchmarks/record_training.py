"""What the folder of a finished training tells: its config, its curve and what it took."""

import json
import pathlib

import yaml

from keras_liteseg.errors import UserError
from keras_liteseg.training.run_folder import CONFIG_FILE, JOURNAL_FILE, LOG_FILE, read_log


def record(run, stopped=False):
    """Return what a training folder tells, a dict.

    Args:
        run: the folder.
        stopped: whether the training may have ended before its last epoch, for good.

    `minutes` is the sum over the epochs, so that pauses do not count; `command`, `device` and `versions` are those of
    the training.

    Raises:
        UserError: the folder holds no training, or one that has not finished though it is not `stopped`.
    """
    run = pathlib.Path(run)
    try:
        config = yaml.safe_load((run / CONFIG_FILE).read_text())
        log = read_log(run)
        journal = json.loads((run / JOURNAL_FILE).read_text())
    except OSError as error:
        raise UserError(f"{run} holds no training ({error}); name the --output_dir of liteseg train.") from error
    done = 1 + int(log[-1]["epoch"]) if log else 0
    if done < config["epochs"] and not stopped or not done:
        raise UserError(
            f"{run / LOG_FILE} has {done} of {config['epochs']} epochs; finish it with liteseg train --resume first, "
            "or record it as it is with --stopped."
        )
    journal.pop("init_from", None)  # the command has it
    best = max(log, key=lambda row: row["val_miou"])
    return {
        "kind": "training",
        "config": config,
        "epochs": done,
        "best_epoch": int(best["epoch"]),
        "best_val_miou": best["val_miou"],
        "minutes": sum(journal.pop("epoch_seconds")) / 60,
        "curve": {key: [round(row[key], 5) for row in log] for key in ("epoch", "loss", "val_loss", "val_miou")},
        **journal,
    }
