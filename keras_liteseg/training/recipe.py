"""Recipes: everything that decides the outcome of a training, in one flat YAML file."""

import dataclasses
import math
import pathlib

import yaml

from keras_liteseg.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class DataRecipe:
    """What both kinds of training share. Sizes are [height, width] in pixels.

    Without `steps_per_epoch`, an epoch is one pass over the data. The rest are arguments of
    `keras_liteseg.datasets.augment.Augmentation`; `data_options` holds arguments of the data set per split.
    """

    model: str = "ndnet45"
    data: str = "street_scenes"
    data_options: dict = dataclasses.field(default_factory=dict)
    crop_size: tuple = (256, 512)
    eval_size: tuple = (256, 512)
    batch_size: int = 8
    epochs: int = 10
    steps_per_epoch: int | None = None
    seed: int = 0

    scale_range: tuple = (1.0, 1.0)
    scales: tuple = ()
    flip: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if isinstance(getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(getattr(self, field.name)))
        for name in ("crop_size", "eval_size"):
            value = getattr(self, name)
            if len(value) != 2 or not all(isinstance(length, int) and length > 0 for length in value):
                raise UserError(f"{name} is {list(value)}; wanted [height, width] in pixels.")
        for split, options in self.data_options.items():
            if split not in ("train", "val") or not isinstance(options, dict):
                raise UserError(f"data_options has '{split}: {options}'; wanted tables of options under train and val.")
        for name in ("batch_size", "epochs", "steps_per_epoch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be 1 or more.")


@dataclasses.dataclass(frozen=True)
class Recipe(DataRecipe):
    """Training in float on cross-entropy. Keys of the YAML file are the fields.

    `optimizer` is 'sgd', with `momentum` and weight decay as part of the gradient, or 'adamw', with decoupled weight
    decay; both decay convolution kernels only.

    The learning rate follows `schedule`: 'poly' (power `poly_power`) or 'step' (`step_rates[i]` from epoch
    `step_epochs[i]` on), after a linear warm-up over `warmup_epochs`.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "poly"
    poly_power: float = 0.9
    step_epochs: tuple = ()
    step_rates: tuple = ()
    warmup_epochs: float = 0.0
    aux_weight: float = 0.4

    def __post_init__(self):
        super().__post_init__()
        if self.optimizer not in ("sgd", "adamw"):
            raise UserError(f"optimizer is '{self.optimizer}'; a recipe knows sgd and adamw.")
        if self.schedule not in ("poly", "step"):
            raise UserError(f"schedule is '{self.schedule}'; a recipe knows poly and step.")
        if self.schedule == "step" and len(self.step_epochs) != len(self.step_rates):
            raise UserError(
                f"step_epochs has {len(self.step_epochs)} entries and step_rates {len(self.step_rates)}; give one rate "
                "per boundary, the rate that holds after it."
            )


@dataclasses.dataclass(frozen=True)
class QuantizationRecipe(DataRecipe):
    """Fine-tuning with simulated int8: Adam, cosine decay to 0, towards the float network's own outputs.

    `label_weight` is the weight of the cross-entropy with the labels beside the self-distillation;
    `calibration_images` training images set the activation ranges beforehand.
    """

    batch_size: int = 4
    learning_rate: float = 1e-4
    label_weight: float = 0.0
    calibration_images: int = 32


def load_recipe(path, overrides=(), kind=Recipe):
    """Read a recipe file.

    Args:
        path: YAML file with the fields of `kind`.
        overrides: strings 'key=value', the value in YAML.
        kind: `Recipe` or `QuantizationRecipe`.

    Raises:
        UserError: the file is missing or no YAML, a key is unknown (the nearest is shown), or a value has the wrong
            type.
    """
    path = pathlib.Path(path)
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise UserError(f"Cannot read the recipe {path}: {error.strerror}. Recipes are in configs/.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no 'key: value' lines; see configs/ for recipes.")
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"The override '{text}' has no '='; write key=value, for example epochs=20.")
        try:
            values[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"The override '{text}' is not YAML: {' '.join(str(error).split())}") from error
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in fields:
            raise UserError(f"{path}: there is no recipe key '{key}'. The nearest: {nearest(str(key), fields)}.")
        values[key] = _typed(path, key, value, fields[key])
    return kind(**values)


def _typed(path, key, value, field):
    default = field.default_factory() if field.default is dataclasses.MISSING else field.default
    if default is None or value is None:
        if value is None and default is not None or value is not None and not isinstance(value, int):
            raise UserError(f"{path}: {key} is {value!r}; wanted a whole number.")
        return value
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, float):
        fits, wanted = _float(value) is not None, "a number"
        value = _float(value) if fits else value
    elif isinstance(default, int):
        fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(default, tuple):
        fits = isinstance(value, list) and all(_float(entry) is not None for entry in value)
        wanted = "a list of numbers"
        value = [_float(entry) if isinstance(entry, str) else entry for entry in value] if fits else value
    else:
        fits, wanted = isinstance(value, type(default)), {"str": "text", "dict": "a table"}[type(default).__name__]
    if not fits:
        raise UserError(f"{path}: {key} is {value!r}; wanted {wanted}.")
    return value


def _float(value):
    """Return a finite number or None. YAML reads 1e-4 as a string; people write it."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
