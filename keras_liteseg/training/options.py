"""The parts that a config is made of: each declares its keys with their defaults, documents and checks them.

`keras_liteseg.datasets.augment.Augmentation` is a part too. `keras_liteseg.training.config` puts them together.
"""

import dataclasses

from keras_liteseg.choices import LARGEST, MOST_IMAGES, MOST_PIXELS, require_size, require_types
from keras_liteseg.datasets import require_options
from keras_liteseg.datasets.class_statistics import require_class_weights
from keras_liteseg.errors import UserError

LOSSES = ("cross_entropy", "ohem", "focal")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("poly", "cosine", "step")
KEPT_EPOCHS = ("best", "last")
DECAYED_WEIGHTS = ("kernels", "all")
SET_ELSEWHERE = {
    "name": "give it as model",
    "head": "give it in the name of the model, such as ndnet45_fcn8",
    "input_shape": "it follows from crop_size and eval_size",
    "num_classes": "it follows from the data",
    "aux_heads": "a training always has those that the network knows; aux_weights weighs them",
    "weights": "start from them with --init_from",
    "backbone_weights": "it is a key of the config itself",
}
"""Arguments of `keras_liteseg.create_model` that are no model_options, with the place that they have."""

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What is trained, on what data and for how long.

    Attributes:
        model: name of a network, see `keras_liteseg.list_models`.
        model_options: further arguments of that network.
        data: name of a data set, see `keras_liteseg.datasets.list_datasets`.
        data_options: arguments of the data set, in one dict for each of the splits `train` and `val`.
        eval_size: [height, width] in pixels of the validation and of the saved network.
        batch_size: images per step, on all devices together.
        epochs: how often the network is validated.
        steps_per_epoch: batches in an epoch; None for one pass over the data.
        oversample_threshold: share of the pictures below which a class is rare, so that pictures with it come more
            often, see `keras_liteseg.datasets.class_statistics.repeat_factors`; 0 for none.
        seed: of initial weights, order and augmentation.

    Raises:
        UserError: a value out of range.
    """

    model: str = "ndnet45"
    model_options: dict = dataclasses.field(default_factory=dict)
    data: str = "street_scenes"
    data_options: dict = dataclasses.field(default_factory=dict)
    eval_size: tuple = (256, 512)
    batch_size: int = 8
    epochs: int = 10
    steps_per_epoch: int | None = None
    oversample_threshold: float = 0.0
    seed: int = 0

    def __post_init__(self):
        require_size("eval_size", self.eval_size)
        require_types(self)
        for option in self.model_options:
            if not isinstance(option, str):
                raise UserError(f"model_options has '{option}'; wanted names of options of the network.")
            if option in SET_ELSEWHERE:
                raise UserError(f"model_options has '{option}'; leave it out there: {SET_ELSEWHERE[option]}.")
        for split, options in self.data_options.items():
            if split not in ("train", "val") or not isinstance(options, dict):
                raise UserError(f"data_options has '{split}: {options}'; wanted tables of options under train and val.")
            require_options(options, f"data_options.{split}")
        require_at_least(self, 1, "batch_size", "epochs")
        require_at_most(self, MOST_IMAGES, "batch_size")
        require_at_most(self, LARGEST, "epochs")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed is {self.seed}; it must be from 0 to {2**32 - 1}.")
        if not 0 <= self.oversample_threshold <= 1:
            raise UserError(
                f"oversample_threshold is {self.oversample_threshold}; it is a share of the pictures, from 0 to 1."
            )
        if self.steps_per_epoch is not None:
            require_at_least(self, 1, "steps_per_epoch")
            require_at_most(self, LARGEST, "steps_per_epoch")

    def steps_in_epoch(self, dataset):
        """Return the number of batches in an epoch of a `SegmentationDataset`."""
        return self.steps_per_epoch or max(len(dataset) // self.batch_size, 1)


@dataclasses.dataclass(frozen=True)
class ClassWeightOptions:
    """How much the pixels of each class count in a loss.

    Attributes:
        class_weights: '' for 1 each, a word for weights that follow from the data, one number per class, or
            {name: number}, see `keras_liteseg.datasets.class_statistics.class_weights`.

    Raises:
        UserError: a word that is unknown, or a number that is no weight.
    """

    class_weights: str | tuple | dict = dataclasses.field(
        default="",
        metadata={"kinds": (str, tuple, list, dict), "wanted": "a word, one number per class or a table of numbers"},
    )

    def __post_init__(self):
        require_class_weights(self.class_weights)


@dataclasses.dataclass(frozen=True)
class LossOptions(ClassWeightOptions):
    """The loss, and what else the network learns from: `class_weights`, and these.

    Attributes:
        loss, ohem_threshold, ohem_min_kept, focal_gamma, label_smoothing, dice_weight, lovasz_weight, boundary_weight,
            boundary_width: see `keras_liteseg.training.losses.SegmentationLoss`.
        aux_weights: auxiliary heads have the same loss, times these: one number for all of them, or one each.
        teacher: `.keras` file or published weights, such as 'ndnet45/camvid', of a network of the same classes, whose
            logits the main head learns too; '' for none.
        distillation_weight: weight of what the teacher teaches.
        temperature: softens the class probabilities of both, see `keras_liteseg.training.losses.Distillation`.

    Raises:
        UserError: a value that is unknown or out of range.
    """

    loss: str = "cross_entropy"
    ohem_threshold: float = 0.7
    ohem_min_kept: int = 10_000
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    dice_weight: float = 0.0
    lovasz_weight: float = 0.0
    boundary_weight: float = 0.0
    boundary_width: int = 3
    aux_weights: tuple = (0.4,)
    teacher: str = ""
    distillation_weight: float = 1.0
    temperature: float = 1.0

    def __post_init__(self):
        ClassWeightOptions.__post_init__(self)
        require_choice(self, "loss", LOSSES)
        require_at_least(self, 1, "boundary_width")
        require_at_most(self, MOST_PIXELS, "boundary_width")
        require_at_most(self, LARGEST, "ohem_min_kept")
        require_at_least(self, 0, "ohem_min_kept", "focal_gamma", "dice_weight", "lovasz_weight", "boundary_weight")
        require_at_least(self, 0, "distillation_weight")
        for key in ("ohem_threshold", "label_smoothing"):
            if not 0 <= getattr(self, key) <= 1:
                raise UserError(f"{key} is {getattr(self, key)}; it must be from 0 to 1.")
        if not self.temperature > 0:
            raise UserError(f"temperature is {self.temperature}; it must be above 0.")
        if any(weight < 0 for weight in self.aux_weights):
            raise UserError(f"aux_weights is {list(self.aux_weights)}; no weight may be below 0.")


@dataclasses.dataclass(frozen=True)
class OptimizerOptions:
    """How weights change.

    Attributes:
        optimizer: 'sgd', with `momentum` and weight decay as part of the gradient, or 'adamw', with decoupled decay.
        momentum, nesterov: of SGD.
        backbone_learning_rate: learning rate of the backbone as a factor of that of all other weights.
        weight_decay: its factor.
        weight_decay_on: what decays, convolution 'kernels' or 'all'.
        clip_norm: largest global norm of the gradient; 0 for no limit.
        gradient_accumulation_steps: batches whose gradients are averaged for one update.
        ema_momentum: above 0, validation and the saved network have the exponential moving average of the weights with
            this momentum.

    Raises:
        UserError: a value that is unknown or out of range.
    """

    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    backbone_learning_rate: float = 1.0
    weight_decay: float = 5e-4
    weight_decay_on: str = "kernels"
    clip_norm: float = 0.0
    gradient_accumulation_steps: int = 1
    ema_momentum: float = 0.0

    def __post_init__(self):
        require_choice(self, "optimizer", OPTIMIZERS)
        require_choice(self, "weight_decay_on", DECAYED_WEIGHTS)
        require_at_least(self, 1, "gradient_accumulation_steps")
        require_at_most(self, LARGEST, "gradient_accumulation_steps")
        require_at_least(self, 0, "backbone_learning_rate", "clip_norm", "weight_decay")
        for key, example in (("ema_momentum", 0.999), ("momentum", 0.9)):
            if not 0 <= getattr(self, key) < 1:
                raise UserError(f"{key} is {getattr(self, key)}; it must be 0 or more and below 1, such as {example}.")


@dataclasses.dataclass(frozen=True)
class ScheduleOptions:
    """How the learning rate goes, see `keras_liteseg.training.optimizers.Schedule`.

    Attributes:
        learning_rate: the highest.
        schedule: 'poly' (with the power `poly_power`), 'cosine', or 'step' (`step_rates[i]` from epoch `step_epochs[i]`
            on).
        warmup_epochs: epochs of a linear warm-up before it.
        warmup_rate: where the warm-up starts, with the schedule after it; 0 for a warm-up that is part of the schedule.

    Raises:
        UserError: a value that is unknown or out of range.
    """

    learning_rate: float = 0.05
    schedule: str = "poly"
    poly_power: float = 0.9
    step_epochs: tuple = ()
    step_rates: tuple = ()
    warmup_epochs: float = 0.0
    warmup_rate: float = 0.0

    def __post_init__(self):
        require_choice(self, "schedule", SCHEDULES)
        require_at_least(self, 0, "learning_rate", "poly_power", "warmup_epochs", "warmup_rate")
        for key in ("step_epochs", "step_rates"):
            if any(value < 0 for value in getattr(self, key)):
                raise UserError(f"{key} is {list(getattr(self, key))}; no value may be below 0.")
        if self.schedule == "step" and len(self.step_epochs) != len(self.step_rates):
            raise UserError(
                f"step_epochs has {len(self.step_epochs)} entries and step_rates {len(self.step_rates)}; give one rate "
                "per boundary, the rate that holds after it."
            )
        if list(self.step_epochs) != sorted(set(self.step_epochs)):
            raise UserError(f"step_epochs is {list(self.step_epochs)}; give each boundary once, in rising order.")


def require_choice(options, key, choices):
    """Refuse, with a `UserError`, a value of `key` that is none of `choices`."""
    value = getattr(options, key)
    if value not in choices:
        known = ", ".join(choice or "''" for choice in choices)
        raise UserError(f"{key} is '{value}'; a config knows {known}.")


def require_at_least(options, least, *keys):
    """Refuse, with a `UserError`, a value of one of `keys` that is below `least`."""
    for key in keys:
        if not getattr(options, key) >= least:
            raise UserError(f"{key} is {getattr(options, key)}; it must be {least} or more.")


def require_at_most(options, most, *keys):
    """Refuse, with a `UserError`, a value of one of `keys` that is above `most`."""
    for key in keys:
        if getattr(options, key) > most:
            raise UserError(f"{key} is {getattr(options, key)}; it must be {most} or less.")
