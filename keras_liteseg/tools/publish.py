"""Publish a trained network in `pretrained/`, with a card that holds the accuracy of what was published."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import yaml
from safetensors.numpy import save

from keras_liteseg.checkpoints.assign import assign_state_dict, wanted_entries
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import evaluate
from keras_liteseg.files import atomic_path, write_json
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.models.archive import load_model
from keras_liteseg.models.download import sha256_of
from keras_liteseg.models.pretrained import FOLDER, is_pretrained, read_card, splits_of
from keras_liteseg.provenance import provenance

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
        config: the config file that the training wrote.
        datasets: `SegmentationDataset`s that the published weights are measured on.
        name: what `create_model(weights=)` calls them, without '-'; the data set of the training by default.
        starts_from: weights that the training started from (`--init_from`), by name where they are published ones, so
            that their data count as learned from too; None for random weights.
        data_licence: what is known of the terms of the data; that of `DATA_LICENCES` by default.

    Raises:
        UserError: a file cannot be read or written, a data set has other classes, `name` has a '-', or the terms of the
            data are not known.
    """
    if "-" in (name or ""):
        raise UserError(f"The name '{name}' has a '-', which parts model and name in file names; take '_' instead.")
    model, metadata = load_model(path)
    file = config
    try:
        config = yaml.safe_load(pathlib.Path(file).read_text())
        if not isinstance(config, dict):
            raise ValueError("it holds no 'key: value' lines")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"Cannot read the config {file}: {error}. A training writes config.yaml.") from error
    data_licence = data_licence or DATA_LICENCES.get(metadata.data)
    if not data_licence:
        raise UserError(f"The terms of the data set '{metadata.data}' are not known; say them with --data_licence.")
    arrays = {}
    for entry, (variable, permutation) in wanted_entries(model).items():
        value = keras.ops.convert_to_numpy(variable).transpose(np.argsort(permutation))
        # Statistics and biases take little space, and a small variance would lose digits.
        arrays[entry] = np.ascontiguousarray(value.astype(np.float16 if value.ndim > 1 else np.float32))
    target = folder / f"{metadata.model}-{name or metadata.data}.safetensors"
    assign_state_dict(model, {name: array.astype(np.float32) for name, array in arrays.items()}, str(target))
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
        "trained_on": _trained_on(metadata, config, starts_from),
        "starts_from": starts_from,
        "accuracy": accuracy,
        "training": pathlib.Path(path).resolve().parent.name,
        "config": config,
        **provenance(),
    }
    write_json(target.with_suffix(".json"), card)
    return target


def _trained_on(metadata, config, starts_from):
    """Return {data set: splits} of a training, and of the published weights that it started from."""
    found = {metadata.data: splits_of(config)}
    if starts_from and is_pretrained(metadata.model, starts_from):
        for data, splits in read_card(metadata.model, starts_from).trained_on.items():
            found[data] = [*splits, *(split for split in found.get(data, []) if split not in splits)]
    return found
