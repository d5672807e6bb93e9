"""Training of a recipe with `fit`, from data set to best model file."""

import csv
import dataclasses
import pathlib
import sys

import keras
import tensorflow as tf
import yaml

from keras_liteseg.checkpoints import initialize_from
from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.datasets.pipeline import CachedDataset, evaluation_pipeline, training_pipeline
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path
from keras_liteseg.model_file import Metadata, save_model
from keras_liteseg.models import create_model, model_entry
from keras_liteseg.models.registry import check_input_shape
from keras_liteseg.models.size import at_size
from keras_liteseg.training.callbacks import KeepBest, LastState, Validation
from keras_liteseg.training.losses import CrossEntropy
from keras_liteseg.training.metrics import MeanIoU
from keras_liteseg.training.optimizers import SGD, PolySchedule, StepSchedule, adamw

CACHE_BYTES = 2 * 2**30

BEST_FILE = "best.keras"
LAST_FILE = "last.weights.h5"
LOG_FILE = "log.csv"
RECIPE_FILE = "recipe.yaml"


def choose_strategy():
    """Return `MirroredStrategy` over all GPUs when there are several, else the default strategy (one GPU or CPU)."""
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def train(recipe, train_data, val_data, output_dir, init_from=None, resume=False):
    """Train a network and keep the weights of the best validation mIoU.

    Writes into `output_dir`: `best.keras` (the network without auxiliary heads, see `keras_liteseg.model_file`),
    `last.weights.h5` (weights and optimizer, to resume), `log.csv`, `tensorboard/` and `recipe.yaml`.

    Args:
        recipe: a `Recipe`.
        train_data, val_data: `SegmentationDataset`s with the same classes.
        output_dir: folder for all of it.
        init_from: official checkpoint or `.keras` file to start from; layers that depend on the number of classes
            start afresh when that number differs.
        resume: go on from `last.weights.h5` in `output_dir`.

    Returns:
        Path of `best.keras`.

    Raises:
        UserError: an option does not fit, a file cannot be read or written, or the loss became NaN.
    """
    # The training model takes any size, so a wrong one would show only in the middle of `fit`.
    check_input_shape(recipe.model, (*recipe.crop_size, 3), aux_heads=True)
    check_input_shape(recipe.model, (*recipe.eval_size, 3))
    output_dir = pathlib.Path(output_dir)
    prepare_output(output_dir, recipe, resume, output_dir / LAST_FILE)
    keras.utils.set_random_seed(recipe.seed)
    steps = epoch_steps(recipe, train_data)
    strategy = choose_strategy()
    with strategy.scope():
        model, inference = build(recipe, len(train_data.classes), steps)
        if init_from and not resume:
            fresh = initialize_from(model, init_from)
            print(f"Starting from {init_from}" + (f"; new: {', '.join(fresh)}" if fresh else ""))
        last = LastState(output_dir / LAST_FILE)
        first_epoch = last.restore(model) if resume else 0
    if resume:
        _trim_log(output_dir / LOG_FILE, first_epoch)
    print(
        f"Training {recipe.model} ({inference.count_params():,} parameters) on {len(train_data)} images of "
        f"{train_data.name}, {strategy.num_replicas_in_sync} device(s), into {output_dir}",
        flush=True,
    )

    entry = model_entry(recipe.model)
    norm = dict(mean=entry.mean, std=entry.std)
    batches = training_pipeline(
        CachedDataset(train_data, CACHE_BYTES),
        augmentation(recipe),
        recipe.batch_size,
        seed=recipe.seed,
        first_step=first_epoch * steps,
        **norm,
    )
    heads = len(model.outputs)
    batches = batches.map(lambda images, masks: (images, (masks,) * heads))
    validation = evaluation_pipeline(
        CachedDataset(val_data, CACHE_BYTES), recipe.eval_size, min(recipe.batch_size, len(val_data)), **norm
    )
    metadata = Metadata(recipe.model, train_data.name, train_data.classes, entry.mean, entry.std)

    def save_best(path):
        # Files hold a network of one definite size.
        save_model(at_size(inference, recipe.eval_size), path, metadata)

    model.fit(
        batches,
        steps_per_epoch=steps,
        epochs=recipe.epochs,
        initial_epoch=first_epoch,
        verbose=progress(),
        shuffle=False,  # the pipeline does; True only brings a warning
        callbacks=[
            Validation(inference, validation),
            KeepBest(output_dir / BEST_FILE, save_best, last),
            keras.callbacks.CSVLogger(output_dir / LOG_FILE, append=resume),
            keras.callbacks.TensorBoard(output_dir / "tensorboard", write_graph=False),
            last,
        ],
    )
    print(f"Best validation mIoU {last.best:.4f}; wrote {output_dir / BEST_FILE}")
    return output_dir / BEST_FILE


def build(recipe, num_classes, steps_per_epoch):
    """Return (compiled training model with auxiliary heads, inference model on the same variables).

    Both take any legal input size, so that crops and whole frames go through one set of variables.
    """
    model = create_model(recipe.model, (None, None, 3), num_classes, aux_heads=True)
    heads = len(model.outputs)
    model.compile(
        optimizer=optimizer(recipe, steps_per_epoch, model.trainable_variables),
        loss=[CrossEntropy() for _ in range(heads)],
        loss_weights=[1.0] + [recipe.aux_weight] * (heads - 1),
        # XLA's depthwise convolutions are over twenty times slower than oneDNN's on a CPU.
        jit_compile=False,
    )
    inference = keras.Model(model.input, model.outputs[0], name=model.name)
    inference.compile(loss=CrossEntropy(), metrics=[MeanIoU(num_classes)], jit_compile=False)
    return model, inference


def optimizer(recipe, steps_per_epoch, variables):
    """Return the optimizer of a recipe for the trainable `variables` of a model."""
    rate = schedule(recipe, steps_per_epoch)
    if recipe.optimizer == "adamw":
        return adamw(rate, recipe.weight_decay, variables)
    return SGD(rate, recipe.momentum, kernel_decay=recipe.weight_decay)


def schedule(recipe, steps_per_epoch):
    """Return the learning-rate schedule of a recipe, its epochs turned into steps."""
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    if recipe.schedule == "poly":
        total = recipe.epochs * steps_per_epoch
        return PolySchedule(recipe.learning_rate, total, recipe.poly_power, warmup_steps)
    boundaries = [round(epoch * steps_per_epoch) for epoch in recipe.step_epochs]
    return StepSchedule(boundaries, [recipe.learning_rate, *recipe.step_rates], warmup_steps)


def augmentation(recipe):
    """Return the `Augmentation` of a recipe."""
    names = {field.name for field in dataclasses.fields(Augmentation)} & set(vars(recipe))
    return Augmentation(crop=recipe.crop_size, **{name: getattr(recipe, name) for name in names})


def read_log(output_dir):
    """Return the rows of a training's `log.csv` as a list of dicts of floats."""
    with open(pathlib.Path(output_dir) / LOG_FILE, newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _trim_log(path, epochs):
    """Drop the rows of epochs that were logged but whose state was not saved any more; they are trained again."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines[: epochs + 1]))


def progress():
    """Return Keras's `verbose`: a bar on a terminal, a line per epoch in a log file."""
    return 1 if sys.stdout.isatty() else 2


def epoch_steps(recipe, dataset):
    """Return the number of batches in an epoch."""
    return recipe.steps_per_epoch or max(len(dataset) // recipe.batch_size, 1)


def prepare_output(output_dir, recipe, resume, state):
    """Write the recipe into `output_dir`.

    Raises:
        UserError: `state`, what a training resumes from, is missing with `resume` or there without; or the folder
            cannot be written.
    """
    if resume and not state.exists():
        raise UserError(f"There is no {state.name} in {output_dir} to resume from; leave out --resume to start.")
    if not resume and state.exists():
        raise UserError(f"{output_dir} already holds a training; give --resume to go on or another --output_dir.")
    with atomic_path(output_dir / RECIPE_FILE) as temporary:
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(recipe).items()}
        temporary.write_text(yaml.safe_dump(values, sort_keys=False))
