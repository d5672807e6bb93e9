"""Configs: everything that decides the outcome of a training, in one flat YAML file.

A file that repeats another but for a few keys says `base: other.yaml`, a path relative to itself, and gives these.
"""

import dataclasses
import os

import numpy as np
import yaml

from keras_liteseg.choices import default_of, wanted_instead
from keras_liteseg.datasets import parse_options
from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.errors import UserError, suggestion
from keras_liteseg.training.config_files import BASE_KEY, find_config
from keras_liteseg.training.options import (
    KEPT_EPOCHS,
    PRECISIONS,
    LossOptions,
    OptimizerOptions,
    RunOptions,
    ScheduleOptions,
    require_choice,
)
from keras_liteseg.yaml_text import parse_yaml

OLD_KEYS = {
    "accumulate": "gradient_accumulation_steps",
    "decay": "weight_decay_on",
    "ema": "ema_momentum",
    "fill": "pad_value",
    "keep": "keep_epoch",
}
"""Former names of keys, as in the `config.yaml` of old trainings, with those that they have now."""


# Python lists the fields of the last base first; this is the order of the keys in a written file.
@dataclasses.dataclass(frozen=True)
class TrainingConfig(ScheduleOptions, OptimizerOptions, LossOptions, Augmentation, RunOptions):
    """A training in float: all keys of its parts, and these.

    A config is each of its parts, so that a function which takes an `Augmentation` takes a config as it is. To change a
    key: `dataclasses.replace(config, epochs=3)`.

        >>> from keras_liteseg import TrainingConfig
        >>> TrainingConfig(model="lps_net_tiny", crop_size=(64, 128), optimizer="adamw").optimizer
        'adamw'

    Attributes:
        keep_epoch: which network is saved, that of the 'best' validation mIoU, or the 'last', as wherever the
            validation split is trained on too.
        backbone_weights: file of weights of the backbone, see `keras_liteseg.create_model`; '' for random ones.
        precision: 'float32', 'mixed_bfloat16' or 'mixed_float16'.
        jit_compile: whether the training step is compiled by XLA.
        sync_batch_norm: whether batch normalization takes its statistics over all devices.

    Raises:
        UserError: a value that is unknown or out of range.
    """

    keep_epoch: str = "best"
    backbone_weights: str = ""
    precision: str = "float32"
    jit_compile: bool = False
    sync_batch_norm: bool = False

    def __post_init__(self):
        lists_to_tuples(self)
        for part in (RunOptions, Augmentation, LossOptions, OptimizerOptions, ScheduleOptions):
            part.__post_init__(self)
        require_choice(self, "keep_epoch", KEPT_EPOCHS)
        require_choice(self, "precision", PRECISIONS)


def load_config(path, overrides=(), kind=TrainingConfig):
    """Read a config file.

        >>> import pathlib
        >>> from keras_liteseg import load_config
        >>> _ = pathlib.Path("tiny.yaml").write_text("model: lps_net_tiny\\ncrop_size: [64, 128]")
        >>> load_config("tiny.yaml", overrides=["epochs=3"]).epochs
        3

    Args:
        path: YAML file with the fields of `kind`, and perhaps `base`; or the name of a config that comes with the
            package, such as 'demo'.
        overrides: strings 'key=value', the value in YAML.
        kind: `TrainingConfig` or `keras_liteseg.quantization.config.QuantizationConfig`.

    Raises:
        UserError: a file is missing or no YAML, it is its own base, a key is unknown (the nearest is shown) or has
            another name now, or a value has the wrong type.
    """
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise UserError(f"kind is {kind!r}; give keras_liteseg.TrainingConfig or keras_liteseg.QuantizationConfig.")
    path = find_config(path)
    changes = _checked(parse_options(overrides, "override", "epochs=20"), "override", kind)
    return kind(**_read(path, kind) | changes)


def config_to_yaml(config):
    """Return the text of a config file that has every key of a config, and no base."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False)


def _plain(value):
    """Return a value of a config as YAML has it: lists for tuples, no numbers of NumPy and no paths."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def lists_to_tuples(config):
    """Make the lists among the fields of a frozen `config` tuples, as YAML and JSON have lists only."""
    for field in dataclasses.fields(config):
        if isinstance(getattr(config, field.name), list):
            object.__setattr__(config, field.name, tuple(getattr(config, field.name)))


def _read(path, kind, followers=()):
    """Return {key: value} of a config file and its base; `followers` are the files that are based on it."""
    if path.resolve() in followers:
        raise UserError(f"{path} is its own base, by {BASE_KEY}: in {followers[-1].name}; leave that out.")
    try:
        values = parse_yaml(path.read_text()) or {}
    except OSError as error:
        where = f", the {BASE_KEY} of {followers[-1].name}" if followers else ""
        raise UserError(f"Cannot read the config {path}{where}: {error.strerror}. Configs are in configs/.") from error
    except ValueError as error:
        raise UserError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no 'key: value' lines; see configs/ for configs.")
    base = values.pop(BASE_KEY, None)
    values = _checked(values, path, kind)
    if base is None:
        return values
    if not isinstance(base, str):
        raise UserError(f"{path}: {BASE_KEY} is {base!r}; wanted the path of another config, relative to this one.")
    return _read(path.parent / base, kind, (*followers, path.resolve())) | values


def _checked(values, source, kind):
    """Return {key: value} with every value as the field of `kind` has it; `source` says where they are from."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in values:
        if key in OLD_KEYS:
            raise UserError(f"{source}: the config key '{key}' is called '{OLD_KEYS[key]}' now; rename it.")
        if key not in fields:
            raise UserError(f"{source}: there is no config key '{key}'; {suggestion(str(key), fields)}")
    return {key: _typed(source, key, value, fields[key]) for key, value in values.items()}


def _typed(source, key, value, field):
    default = default_of(field)
    given = value
    if value is None and isinstance(default, str):
        value = ""  # 'class_weights:' is no class weights
    elif isinstance(default, float):
        value = _number(value)
    elif isinstance(value, list) and tuple in (type(default), *field.metadata.get("kinds", ())):
        value = [_number(entry) for entry in value]
    wanted = wanted_instead(field, value)
    if wanted:
        raise UserError(f"{source}: {key} is {given!r}; wanted {wanted}.")
    return float(value) if isinstance(default, float) else value


def _number(value):
    """Return the number that a text holds, anything else as it is. YAML reads 1e-4 as a text; people write it."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
