"""Publish a trained network in `pretrained/`, with a card that holds the accuracy of what was published."""

import dataclasses
import hashlib
import json
import pathlib

import keras
import numpy as np
import yaml
from safetensors.numpy import save_file

from keras_liteseg.checkpoints.assign import assign_state_dict, wanted_entries
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import evaluate
from keras_liteseg.files import atomic_path, write_json
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.models.archive import load_model
from keras_liteseg.models.pretrained import FOLDER
from keras_liteseg.provenance import provenance


def publish(path, config, datasets, folder=FOLDER, name=None):
    """Write a trained network to `folder` as weights, kernels in float16, with a card, and return the weight file.

    Args:
        path: `.keras` file of the training.
        config: the config file that the training wrote.
        datasets: `SegmentationDataset`s that the published weights are measured on.
        name: what `create_model(weights=)` calls them, without '-'; the data set of the training by default.

    Raises:
        UserError: a file cannot be read or written, a data set has other classes, or `name` has a '-'.
    """
    if "-" in (name or ""):
        raise UserError(f"The name '{name}' has a '-', which parts model and name in file names; take '_' instead.")
    model, metadata = load_model(path)
    try:
        config = yaml.safe_load(pathlib.Path(config).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"Cannot read the config {config}: {error}. A training writes config.yaml.") from error
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
        save_file(arrays, temporary)
    card = {
        "metadata": json.loads(metadata.to_json()),
        "input_size": list(model.input.shape[1:3]),
        "accuracy": accuracy,
        "config": config,
        "bytes": target.stat().st_size,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        **provenance(),
    }
    write_json(target.with_suffix(".json"), card)
    return target
