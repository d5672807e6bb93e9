"""The folder of a training: the names of its files, its beginning, its log."""

import contextlib
import csv
import pathlib

from keras_liteseg.classes import difference, listed
from keras_liteseg.errors import UserError
from keras_liteseg.files import alone_in, atomic_path, require_folder, write_text
from keras_liteseg.models.archive import read_metadata
from keras_liteseg.training.config import config_to_yaml
from keras_liteseg.training.config_files import CONFIG_FILE
from keras_liteseg.training.distribute import is_chief

BEST_FILE = "best.keras"
LAST_FILE = "last.weights.h5"
BACKUP_FOLDER = "backup"  # what LAST_FILE is to a training in float, of a quantization-aware one
LOG_FILE = "log.csv"
JOURNAL_FILE = "journal.json"
TENSORBOARD_FOLDER = "tensorboard"


def require_state(folder, resume, state):
    """Raise a UserError when a training cannot begin, or with `resume` go on, in a folder, or not write there.

    Args:
        folder: a `pathlib.Path`.
        resume: whether a training goes on there, or one begins.
        state: path of what it would go on from, which must be there with `resume` and must not without.
    """
    if resume and not state.exists():
        raise UserError(f"There is no {state.name} in {folder} to resume from; leave out --resume to start.")
    if not resume and state.exists():
        raise UserError(f"{folder} already holds a training; give --resume to go on or another --output_dir.")
    if not resume and any((folder / name).exists() for name in (LAST_FILE, BACKUP_FOLDER)):
        raise UserError(f"{folder} already holds a training of the other kind; give another --output_dir.")
    if is_chief():
        require_folder(folder)


@contextlib.contextmanager
def begun(folder, config):
    """Write the complete config into the folder of a training, and keep that for it while the block runs; on several
    hosts only the chief does.

    To be used when nothing is left that a training could be refused for, so that a refused one leaves nothing behind.

    Args:
        folder: a `pathlib.Path`, made where it is not there.
        config: a `TrainingConfig` or a `QuantizationConfig`.

    Raises:
        UserError: the folder cannot be written, or another training runs in it.
    """
    if not is_chief():
        yield
        return
    with alone_in(folder):
        for unfinished in folder.glob(".partial-*"):
            unfinished.unlink()  # of a training that was killed while it wrote a file
        write_text(folder / CONFIG_FILE, config_to_yaml(config))
        yield


def require_epochs(path, finished, config):
    """Raise a UserError when a training that goes on would end without its network, or with one of another schedule.

    Args:
        path: the network's `.keras` file, which is written when an epoch is the best one.
        finished: number of epochs that it has had.
        config: a `TrainingConfig` or a `QuantizationConfig`.
    """
    if finished > config.epochs:
        raise UserError(
            f"The training in {path.parent} has had {finished} epochs already, and epochs is {config.epochs}; resume "
            "it with as many as it began with, or begin another in a folder of its own."
        )
    if finished == config.epochs and not path.exists():
        raise UserError(
            f"The training in {path.parent} has had all of its {finished} epochs, and its {path.name} is gone; put "
            "that back, or begin another in a folder of its own."
        )


def require_same_network(path, config, dataset):
    """Raise a UserError when the network that a training has written is another than it would go on with, has other
    classes, or takes other images.

    Args:
        path: the network's `.keras` file; one that is not there says nothing.
        config: a `TrainingConfig` or a `QuantizationConfig`.
        dataset: the `SegmentationDataset` that it learns from.
    """
    if not path.exists():
        return
    metadata = read_metadata(path)
    if metadata.model != config.model:
        raise UserError(
            f"The training in {path.parent} is of {metadata.model}, and the config is for {config.model}; resume it "
            f"with the model of {CONFIG_FILE} there, or begin another in a folder of its own."
        )
    unlike = difference(metadata.classes, dataset.classes)
    if unlike:
        raise UserError(
            f"The training in {path.parent} had {listed(metadata.classes)} and would go on with "
            f"{listed(dataset.classes)}; {unlike}. Resume it with the data and the label_map that it began with, which "
            f"{CONFIG_FILE} there has, or begin another in a folder of its own."
        )
    metadata.image_format.require(dataset.image_format, f"The network in {path.parent}", dataset.name)


def read_log(folder):
    """Return the rows of a training's `log.csv` as a list of dicts of floats."""
    with open(pathlib.Path(folder) / LOG_FILE, newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def trim_log(folder, epochs):
    """Drop the rows of epochs that were logged but whose state was not saved any more; they are trained again."""
    path = folder / LOG_FILE
    # As bytes, which keep the ends of the lines as Keras writes them.
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"".join(lines[: epochs + 1]))
