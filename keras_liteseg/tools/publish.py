"""Publish a trained network in `pretrained/`, with a card that holds the accuracy of what was published."""

import dataclasses
import json
import pathlib
import re

import keras
import numpy as np
from safetensors.numpy import save

from keras_liteseg.checkpoints.assign import assign_state_dict, wanted_entries
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import evaluate
from keras_liteseg.files import atomic_path, require_folder, write_json
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.models.archive import load_model
from keras_liteseg.models.download import sha256_of
from keras_liteseg.models.pretrained import FOLDER, find_card, splits_of, teacher_of
from keras_liteseg.provenance import provenance
from keras_liteseg.training.config_files import BASE_KEY, CONFIG_FILE, read_config
from keras_liteseg.training.run_folder import JOURNAL_FILE

DATA_LICENCES = {
    "camvid": (
        "Trained on CamVid. Its authors offer it for download and ask that their papers be cited; we know of no "
        "licence of theirs, and copies of it elsewhere name different ones. Research is what it was made for; for any "
        "other use, commercial use above all, ask the authors: http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData/"
    ),
    "street_scenes": "Trained on pictures that this project draws, which are under its own licence, Apache-2.0.",
}
"""What we know of the terms of data sets, for the cards; another data set needs a note of whoever publishes."""


def publish(path, config, datasets, folder=FOLDER, name=None, starts_from=None, data_licence=None):
    """Write a trained network to `folder` as weights, kernels in float16, with a card, and return the weight file.

    Args:
        path: `.keras` file of the training.
        config: the config file that the training wrote, which is complete.
        datasets: `SegmentationDataset`s that the published weights are measured on.
        name: what `create_model(weights=)` calls them, of letters, digits, '_' and '.'; the data set of the training by
            default.
        starts_from: weights that the training started from (`--init_from`), by name where they are published ones, so
            that their data count as learned from too, and their terms hold too; None for random weights.
        data_licence: what is known of the terms of the data; that of `DATA_LICENCES` by default.

    Raises:
        UserError: a file cannot be read or written, a data set has other classes, the config is that of another
            network or builds on a `base`, the training noted another start in its `journal.json`, the network has had
            quantization-aware training, `name` has other characters, or the terms of the data are not known.
    """
    require_folder(folder)
    model, metadata = load_model(path)
    if metadata.ranges:
        raise UserError(
            f"{path} has had quantization-aware training, whose ranges fit only the kernels in it; publish the float "
            "network that it was made from."
        )
    name = metadata.data if name is None else name
    if not re.fullmatch(r"[\w.]+", name):
        raise UserError(
            f"The name '{name}' becomes a part of file names, where '-' parts it from that of the network; make it of "
            "letters, digits, '_' and '.', such as --name camvid_720x960."
        )
    file, config = config, read_config(config)
    if not config:
        raise UserError(f"Cannot read the config {file}: it is empty. Give the {CONFIG_FILE} that the training wrote.")
    if BASE_KEY in config or config.get("model", metadata.model) != metadata.model:
        what = "builds on a base" if BASE_KEY in config else f"is for '{config['model']}'"
        raise UserError(
            f"The config {file} {what}, and {path} holds '{metadata.model}'; give the config.yaml that its training "
            "wrote beside it, which has every key."
        )
    data_licence = (data_licence or "").strip() or DATA_LICENCES.get(metadata.data)
    if not data_licence:
        raise UserError(f"The terms of the data set '{metadata.data}' are not known; say them with --data_licence.")
    _require_start(path, metadata.model, starts_from)
    start, teacher = (name and find_card(metadata.model, name) for name in (starts_from, config.get("teacher")))
    data_licence = _joined(data_licence, start.data_licence) if start else data_licence
    data_licence = _with_teacher(data_licence, teacher) if teacher else data_licence
    arrays = {}
    for entry, (variable, permutation) in wanted_entries(model).items():
        value = keras.ops.convert_to_numpy(variable).transpose(np.argsort(permutation))
        # Statistics and biases take little space, and a small variance would lose digits.
        arrays[entry] = np.ascontiguousarray(value.astype(np.float16 if value.ndim > 1 else np.float32))
    target = folder / f"{metadata.model}-{name}.safetensors"
    assign_state_dict(model, {entry: array.astype(np.float32) for entry, array in arrays.items()}, str(target))
    predictor = keras_predictor(model, metadata)
    accuracy = {dataset.split: dataclasses.asdict(evaluate(predictor, dataset)) for dataset in datasets}
    with atomic_path(target) as temporary:
        # Not by `save_file`, whose file only its owner can read.
        pathlib.Path(temporary).write_bytes(save(arrays))
    card = {
        "metadata": json.loads(metadata.to_json()),
        "input_size": list(model.input.shape[1:3]),
        "bytes": target.stat().st_size,
        "sha256": sha256_of(target),
        "data_licence": data_licence,
        "trained_on": _trained_on(metadata, config, start),
        "starts_from": starts_from,
        # Its training keeps its name when others take that of the weights.
        "taught_by": teacher and teacher.training or teacher_of(config),
        "accuracy": accuracy,
        "training": pathlib.Path(path).resolve().parent.name,
        "config": config,
        **provenance(),
    }
    write_json(target.with_suffix(".json"), card)
    return target


def _require_start(path, model, starts_from):
    """Raise a `UserError` unless `starts_from` can be what the training of a `.keras` file noted that it started from.

    A training that started from a file may be published as started from a name, which tells others more.
    """
    journal = pathlib.Path(path).parent / JOURNAL_FILE
    try:
        noted = json.loads(journal.read_text())["init_from"]
    except FileNotFoundError:
        return
    except KeyError:  # of an earlier version, which did not note it
        return
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"Cannot read {journal}, in which the training noted what it started from: {error}.") from error
    cards = [each and find_card(model, each) for each in (noted, starts_from)]
    if bool(noted) != bool(starts_from) or cards[0] and cards[0] != cards[1]:
        said = f"the weights '{starts_from}'" if starts_from else "random weights"
        raise UserError(
            f"The training of {path} started from {noted or 'random weights'}, as {journal} says, and not from {said}; "
            + (f"say it with --starts_from, such as --starts_from {noted}." if noted else "leave out --starts_from.")
        )


def _trained_on(metadata, config, start):
    """Return {data set: splits} of a training, and of the published weights whose `Card` it started from, or None."""
    found = {metadata.data: splits_of(config)}
    for data, splits in (start.trained_on if start else {}).items():
        found[data] = [*splits, *(split for split in found.get(data, []) if split not in splits)]
    return found


def _joined(terms, others):
    """Return two texts about terms as one, without what is in both."""
    if others in terms:
        return terms
    return others if others.startswith(terms) else f"{terms} {others}"


def _with_teacher(terms, teacher):
    """Return the terms of weights, with what the `Card` of their teacher says besides."""
    others = "" if teacher.data_licence in terms else teacher.data_licence.removeprefix(terms).strip()
    return f"{terms} It was taught by {teacher.model}{f', of which its card says: {others}' if others else '.'}"
