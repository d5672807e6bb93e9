"""The short training of each candidate, kept on disk."""

import dataclasses
import logging
import pathlib
import time

import keras

from keras_liteseg.datasets.samples import normalization
from keras_liteseg.expansion.inherit import inherit
from keras_liteseg.files import read_json, write_json
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import load_model, save_model
from keras_liteseg.networks import model_spec
from keras_liteseg.training.callbacks import DivergedError
from keras_liteseg.training.run_folder import BEST_FILE, LAST_FILE, read_log
from keras_liteseg.training.trainer import train

_log = logging.getLogger(__name__)

RESULT_FILE = "result.json"
INHERITED_FILE = "inherited.keras"


class CandidateTraining:
    """Trains candidates one after the other, each in a folder of its own, and each only once.

    A training that was interrupted goes on where it was; one that has ended is read from its `result.json`. One that
    diverges counts with an mIoU of 0, so that it is never chosen, and would diverge again when trained again.

    Args:
        folder: where the candidates' folders lie.
        config: `TrainingConfig` of the training; its model is replaced.
        train_data, val_data: `SegmentationDataset`s with the same classes.
        inherits: whether a candidate begins with its base's weights, see `keras_liteseg.expansion.inherit`, or afresh.
        rounds: largest number of rounds, for the progress.
    """

    def __init__(self, folder, config, train_data, val_data, inherits=False, rounds=1):
        self._folder = pathlib.Path(folder)
        self._config = config
        self._data = train_data, val_data
        self._inherits = inherits
        self._rounds = rounds
        self._round = 0

    def __call__(self, architectures, base):
        """Return the best validation mIoU of each of `architectures`, which grew from `base` (None: from nothing).

        Raises:
            UserError: a training failed; of those that diverge, only that of the network to begin with does.
        """
        results = []
        for number, architecture in enumerate(architectures, 1):
            path = self._folder / architecture.name / RESULT_FILE
            if not path.exists():
                place = f"Round {self._round} of at most {self._rounds}, candidate {number} of {len(architectures)}"
                place = place if base else "The network to begin with"
                left = _time_left(results, len(architectures) - number + 1)
                _log.info("%s: %s%s", place, architecture.name, left)
                self._train(architecture, base, path)
            results.append(read_json(path, "remove its folder to train that network again", "miou"))
        self._round += 1
        return [result["miou"] for result in results]

    def _train(self, architecture, base, result):
        start = time.monotonic()
        folder = result.parent
        resume = (folder / LAST_FILE).exists()
        inherited = self._inherits and base is not None
        before = self._inherited(architecture, base, folder) if inherited and not resume else None
        config = dataclasses.replace(self._config, model=architecture.name)
        diverged = None
        try:
            train(config, *self._data, folder, before, resume)
        except DivergedError as error:
            if base is None:
                raise
            diverged = str(error)
            _log.warning("%s counts with an mIoU of 0 in this search. %s", architecture.name, diverged)
        miou = 0.0 if diverged else max(row["val_miou"] for row in read_log(folder))
        # Not before the training is complete, and all at once: whoever finds it need not look further.
        origin = base.name if inherited else None
        seconds = round(time.monotonic() - start, 1)
        content = {"miou": miou, "epochs": config.epochs, "inherited_from": origin, "seconds": seconds}
        write_json(result, content | ({"diverged": diverged} if diverged else {}))
        keras.backend.clear_session()

    def _inherited(self, architecture, base, folder):
        """Write a model file of the candidate with its base's weights, and return its path."""
        train_data, _ = self._data
        parent, _ = load_model(self._folder / base.name / BEST_FILE)
        keras.utils.set_random_seed(self._config.seed)
        shape = *self._config.eval_size, train_data.image_format.channels
        network = create_model(architecture.name, shape, len(train_data.classes))
        inherit(network, architecture, parent, base)
        said = train_data.name, train_data.classes, *normalization(train_data, model_spec(architecture.name))
        metadata = Metadata(architecture.name, *said, image_format=train_data.image_format)
        save_model(network, folder / INHERITED_FILE, metadata)
        return folder / INHERITED_FILE


def _time_left(results, trainings):
    """Return the words for the time that a number of trainings will take, as others of about the same latency did."""
    if not results:
        return ""
    minutes = trainings * sum(result["seconds"] for result in results) / len(results) / 60
    return f"; about {minutes:.0f} minutes left in this round"
