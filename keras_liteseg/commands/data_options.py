"""The options of a data set that a network was trained with, for the commands that run it on the same data."""

import json
import pathlib

import yaml

from keras_liteseg.commands.running import start_keras
from keras_liteseg.errors import UserError
from keras_liteseg.files import card_path, suffix_of
from keras_liteseg.training.config_files import CONFIG_FILE, read_config


def complete_options(model, data, split, given, checkpoint=None):
    """Return the options for a split of a data set: those of the network's training, and those given in their place.

    A line on stdout says what was found. An option that is given as None is left out.

    Args:
        model: the network's file or registered name; its config is on the card of an exported or published one, and in
            `config.yaml` beside another `.keras` file.
        data: name of the data set.
        split: its split.
        given: {option: value} of --option.
        checkpoint: weights of a registered name; those that we publish have a config on their card.

    Raises:
        UserError: there is a config or a card that cannot be read.
    """
    path = _config_path(model)
    config = _read(path) if path and path.is_file() else {}
    if checkpoint and not path:
        start_keras()
        from keras_liteseg.models.pretrained import find_own_card

        card = find_own_card(model, checkpoint)
        if card is not None:
            path, config = f"the card of '{checkpoint}'", card.config
    found = {key: value for key, value in options_of(config, data, split).items() if key not in given}
    if found:
        words = ", ".join(f"{key}={_flow(value)}" for key, value in found.items())
        print(f"Options of {data} {split} as in {path}: {words} (--option KEY=VALUE replaces one, KEY=null drops it)")
    return {key: value for key, value in (found | given).items() if value is not None}


def options_of(config, data, split):
    """Return the options that the training of a config, {key: value}, had for a split of the data set `data`, or for
    its validation where it did not read that split; none for other data."""
    options = config.get("data_options")
    if config.get("data") != data or not isinstance(options, dict):
        return {}
    parts = {part: options[part] if isinstance(options.get(part), dict) else {} for part in ("train", "val")}
    read = [values for part, values in parts.items() if values.get("split", part) == split]
    return {key: value for key, value in (read or [parts["val"]])[0].items() if key != "split"}


def _config_path(model):
    path = pathlib.Path(model)
    if suffix_of(path) == ".keras" and not card_path(path).is_file():
        return path.parent / CONFIG_FILE
    return card_path(path) if suffix_of(path) in (".tflite", ".onnx", ".keras") else None


def _read(path):
    if path.name == CONFIG_FILE:
        found = read_config(path)
    else:
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"Cannot read the card {path}: {error}. Repair it or move it away.") from error
        found = card.get("config") if isinstance(card, dict) else None
    return found if isinstance(found, dict) else {}


def _flow(value):
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("...\n").strip()
