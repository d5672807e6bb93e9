"""Configs: everything that decides the outcome of a training, in one flat YAML file."""

import dataclasses
import math
import pathlib

import yaml

from keras_liteseg.datasets import parse_options
from keras_liteseg.datasets.class_statistics import CLASS_WEIGHTS
from keras_liteseg.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What both kinds of training share. Sizes are [height, width] in pixels.

    Without `steps_per_epoch`, an epoch is one pass over the data. The rest are arguments of
    `keras_liteseg.datasets.augment.Augmentation`; `data_options` holds arguments of the data set per split,
    `model_options` those of the network.
    """

    model: str = "ndnet45"
    model_options: dict = dataclasses.field(default_factory=dict)
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
    rotation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    color_probability: float = 0.5
    cutmix: float = 0.0
    fill: int = 0

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
class TrainingConfig(DataConfig):
    """Training in float. Keys of the YAML file are the fields.

    Loss: see `keras_liteseg.training.losses.SegmentationLoss`; `class_weights` is '', 'median_frequency' or
    'inverse_log', see `keras_liteseg.datasets.class_statistics`. Auxiliary heads have the same loss, times
    `aux_weights`: one number for all of them, or one each. With a `teacher`, a `.keras` file of the same classes, the main head also learns its logits, with `distillation_weight`.

    Optimizer: 'sgd', with `momentum` and weight decay as part of the gradient, or 'adamw', with decoupled weight decay.
    `decay` says what decays, convolution 'kernels' or 'all'. Gradients are clipped to the global norm `clip_norm` and
    averaged over `accumulate` batches. With `ema` above 0, validation and the saved network have the exponential moving
    average of the weights with that momentum. `keep` says which network is saved, that of the 'best' validation mIoU,
    or the 'last', as wherever the validation split is trained on too.

    The learning rate follows `schedule`: 'poly' (power `poly_power`), 'cosine', or 'step' (`step_rates[i]` from epoch
    `step_epochs[i]` on), after a linear warm-up over `warmup_epochs`, see `keras_liteseg.training.optimizers.Schedule`.

    `precision` is 'float32', 'mixed_bfloat16' or 'mixed_float16'; `jit_compile` compiles the training step with XLA;
    `sync_batch_norm` takes the statistics of batch normalization over all devices.
    """

    backbone_weights: str = ""

    loss: str = "cross_entropy"
    ohem_threshold: float = 0.7
    ohem_min_kept: int = 10_000
    class_weights: str = ""
    label_smoothing: float = 0.0
    dice_weight: float = 0.0
    lovasz_weight: float = 0.0
    boundary_weight: float = 0.0
    boundary_width: int = 3
    aux_weights: tuple = (0.4,)
    teacher: str = ""
    distillation_weight: float = 1.0
    temperature: float = 1.0

    optimizer: str = "sgd"
    learning_rate: float = 0.05
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    decay: str = "kernels"
    clip_norm: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    keep: str = "best"

    schedule: str = "poly"
    poly_power: float = 0.9
    step_epochs: tuple = ()
    step_rates: tuple = ()
    warmup_epochs: float = 0.0
    warmup_rate: float = 0.0

    precision: str = "float32"
    jit_compile: bool = False
    sync_batch_norm: bool = False

    def __post_init__(self):
        super().__post_init__()
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join(choice or "''" for choice in choices)
                raise UserError(f"{name} is '{getattr(self, name)}'; a config knows {known}.")
        for name in ("accumulate", "boundary_width"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        for name in ("clip_norm", "warmup_rate", "warmup_epochs", "distillation_weight"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema is {self.ema}; it is a momentum, 0 or more and below 1, such as 0.999.")
        if self.schedule == "step" and len(self.step_epochs) != len(self.step_rates):
            raise UserError(
                f"step_epochs has {len(self.step_epochs)} entries and step_rates {len(self.step_rates)}; give one rate "
                "per boundary, the rate that holds after it."
            )


_CHOICES = {
    "loss": ("cross_entropy", "ohem"),
    "class_weights": ("", *CLASS_WEIGHTS),
    "optimizer": ("sgd", "adamw"),
    "decay": ("kernels", "all"),
    "schedule": ("poly", "cosine", "step"),
    "keep": ("best", "last"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
}


CALIBRATION_METHODS = ("mse", "minmax", "percentile")


@dataclasses.dataclass(frozen=True)
class QuantizationConfig(DataConfig):
    """Fine-tuning with simulated int8: Adam, cosine decay to 0, towards the float network's own outputs.

    `label_weight` is the weight of the cross-entropy with the labels beside the self-distillation;
    `calibration_images` training images set the activation ranges beforehand, by `calibration_method` 'mse', 'minmax'
    or 'percentile', see `keras_liteseg.quantization.calibration.calibrate`.
    """

    batch_size: int = 4
    learning_rate: float = 1e-4
    label_weight: float = 0.0
    calibration_images: int = 32
    calibration_method: str = "mse"

    def __post_init__(self):
        super().__post_init__()
        if self.calibration_method not in CALIBRATION_METHODS:
            known = ", ".join(CALIBRATION_METHODS)
            raise UserError(f"calibration_method is '{self.calibration_method}'; a config knows {known}.")


def load_config(path, overrides=(), kind=TrainingConfig):
    """Read a config file.

    Args:
        path: YAML file with the fields of `kind`.
        overrides: strings 'key=value', the value in YAML.
        kind: `TrainingConfig` or `QuantizationConfig`.

    Raises:
        UserError: the file is missing or no YAML, a key is unknown (the nearest is shown), or a value has the wrong
            type.
    """
    path = pathlib.Path(path)
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise UserError(f"Cannot read the config {path}: {error.strerror}. Configs are in configs/.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no 'key: value' lines; see configs/ for configs.")
    values |= parse_options(overrides, "override", "epochs=20")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in fields:
            raise UserError(f"{path}: there is no config key '{key}'. The nearest: {nearest(str(key), fields)}.")
        values[key] = _typed(path, key, value, fields[key])
    return kind(**values)


def _typed(path, key, value, field):
    default = field.default_factory() if field.default is dataclasses.MISSING else field.default
    if value is None and (default is None or isinstance(default, str)):
        return None if default is None else ""  # 'class_weights:' is no class weights
    if isinstance(default, bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, float):
        fits, wanted = _float(value) is not None, "a number"
        value = _float(value) if fits else value
    elif default is None or isinstance(default, int):
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
