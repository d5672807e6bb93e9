"""Training of a config with `fit`, from data set to best model file."""

import contextlib
import csv
import dataclasses
import inspect
import pathlib
import sys

import keras
import yaml

from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.datasets.class_statistics import CLASS_WEIGHTS, count_classes
from keras_liteseg.datasets.samples import CachedDataset
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path
from keras_liteseg.graph.size import at_size
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model
from keras_liteseg.models.weights import initialize_from
from keras_liteseg.networks import model_spec
from keras_liteseg.networks.registry import check_input_shape
from keras_liteseg.training.batch_norm_statistics import AverageStatistics, measure_statistics
from keras_liteseg.training.callbacks import Journal, LastState, Validation
from keras_liteseg.training.data_loader import evaluation_batches, training_batches
from keras_liteseg.training.distillation import Student, load_teacher
from keras_liteseg.training.distribute import (
    choose_strategy,
    clip_whole_gradient,
    distributable,
    hosts,
    is_chief,
    on_tensorflow,
    require_fitting,
    require_same_epoch,
)
from keras_liteseg.training.losses import CrossEntropy, SegmentationLoss
from keras_liteseg.training.metrics import MeanIoU
from keras_liteseg.training.optimizers import SGD, CosineSchedule, PolySchedule, StepSchedule, adamw

CACHE_BYTES = 2 * 2**30

BEST_FILE = "best.keras"
LAST_FILE = "last.weights.h5"
LOG_FILE = "log.csv"
CONFIG_FILE = "config.yaml"
JOURNAL_FILE = "journal.json"


def train(config, train_data, val_data, output_dir, init_from=None, resume=False):
    """Train a network and keep the weights of the best validation mIoU, or with `keep: last` the last.

    Writes into `output_dir`: `best.keras` (the network without auxiliary heads, see `keras_liteseg.models.archive`),
    `last.weights.h5` (weights and optimizer, to resume), `log.csv`, `journal.json` (device, versions, seconds),
    `config.yaml` and, on TensorFlow, `tensorboard/`.

    Args:
        config: a `TrainingConfig`.
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
    check_input_shape(config.model, (*config.crop_size, 3), aux_heads=True)
    check_input_shape(config.model, (*config.eval_size, 3))
    output_dir = pathlib.Path(output_dir)
    prepare_output(output_dir, config, resume, output_dir / LAST_FILE)
    keras.utils.set_random_seed(config.seed)
    steps = epoch_steps(config, train_data)
    strategy = choose_strategy()
    require_fitting(config, strategy.num_replicas_in_sync)
    with strategy.scope():
        backbone = None if init_from or resume else config.backbone_weights or None
        model, inference = build(config, train_data, steps, backbone)
        if init_from and not resume:
            fresh = initialize_from(model, init_from)
            print(f"Starting from {init_from}" + (f"; new: {', '.join(fresh)}" if fresh else ""))
        # Before `restore`, which fills the variables that this makes.
        model.optimizer.build(model.trainable_variables)
        last = LastState(output_dir / LAST_FILE)
        first_epoch = last.restore(model) if resume else 0
    require_same_epoch(strategy, first_epoch)
    if resume and is_chief():
        _trim_log(output_dir / LOG_FILE, first_epoch)
    print(
        f"Training {config.model} ({inference.count_params():,} parameters) on {len(train_data)} images of "
        f"{train_data.name}, {strategy.num_replicas_in_sync} device(s), into {output_dir}"
        + ("" if on_tensorflow() else f"; no TensorBoard logs on {keras.backend.backend()}, see {LOG_FILE}"),
        flush=True,
    )

    entry = model_spec(config.model)
    norm = dict(mean=entry.mean, std=entry.std)
    samples = CachedDataset(train_data, CACHE_BYTES)
    options = dict(seed=config.seed, heads=len(model.outputs), **norm)
    with strategy.scope():
        first_batches, batches = (
            training_batches(samples, augmentation(config), config.batch_size, first_step=step, **options)
            for step in (0, first_epoch * steps)
        )
        validation = evaluation_batches(
            CachedDataset(val_data, CACHE_BYTES), config.eval_size, min(config.batch_size, len(val_data)), **norm
        )
    metadata = Metadata(config.model, train_data.name, train_data.classes, entry.mean, entry.std)

    def save():
        # Files hold a network of one definite size, of Keras's own class.
        network = keras.Model(inference.input, inference.output, name=inference.name)
        if is_chief():
            save_model(at_size(network, config.eval_size), output_dir / BEST_FILE, metadata)

    def measure():
        # Always over the same batches, so that a resumed training gets the same statistics.
        measure_statistics(inference, first_batches)

    callbacks = [Validation(inference, validation, measure, last, save, config.keep)]
    if strategy.num_replicas_in_sync > 1:
        callbacks.insert(0, AverageStatistics())
    if is_chief():
        callbacks += [
            keras.callbacks.CSVLogger(output_dir / LOG_FILE, append=resume),
            *tensorboard(output_dir),
            # Before the state to resume from, so that it has every epoch of that.
            Journal(output_dir / JOURNAL_FILE, first_epoch),
            last,
        ]
    with stop_clearly(output_dir):
        model.fit(
            batches,
            steps_per_epoch=steps,
            epochs=config.epochs,
            initial_epoch=first_epoch,
            verbose=progress() if is_chief() else 0,
            shuffle=False,  # the pipeline does; True only brings a warning
            callbacks=callbacks,
        )
    if not is_chief():
        print(f"Finished; the chief wrote {output_dir / BEST_FILE}")
        return output_dir / BEST_FILE
    print(f"Best validation mIoU {last.best:.4f}; wrote {output_dir / BEST_FILE}")
    return output_dir / BEST_FILE


@contextlib.contextmanager
def stop_clearly(output_dir):
    """Tell in one sentence why `fit` ended early, and how to go on.

    Raises:
        UserError: in place of an error of the disk or of the connection to another host.
    """
    try:
        yield
    except KeyboardInterrupt:
        if (output_dir / LAST_FILE).exists():
            print(f"Stopped; {output_dir / LAST_FILE} holds the last finished epoch, go on with --resume.", flush=True)
        raise
    except UserError:
        raise
    except Exception as error:
        # TensorFlow's own writers raise no OSError.
        if isinstance(error, OSError) or "No space left on device" in str(error):
            reason = getattr(error, "strerror", None) or "No space left on device"
            raise UserError(
                f"Cannot write into {output_dir}: {reason}. Free some space and go on with --resume."
            ) from error
        lost = ("UnavailableError", "AbortedError", "CancelledError", "InternalError")
        if hosts() > 1 and type(error).__name__ in lost:
            raise UserError(
                "Another host of TF_CONFIG stopped or cannot be reached; start all of them again with --resume."
            ) from error
        raise


def build(config, train_data, steps_per_epoch, backbone_weights=None):
    """Return (compiled training model with auxiliary heads, inference model on the same variables).

    Both take any legal input size, so that crops and whole frames go through one set of variables.
    """
    num_classes = len(train_data.classes)
    if config.sync_batch_norm and not on_tensorflow():
        raise UserError("sync_batch_norm is for several devices, which KERAS_BACKEND=tensorflow alone trains on.")
    with precision(config.precision):
        network = create_model(
            config.model,
            (None, None, 3),
            num_classes,
            aux_heads=True,
            backbone_weights=backbone_weights,
            **config.model_options,
        )
        # Inside, because Keras scales the loss for float16 by the policy of the model that it trains.
        model = distributable(Student)(network.input, network.output, name=network.name)
    if config.sync_batch_norm:
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
    if config.teacher:
        model.teacher = load_teacher(config, train_data)
    heads = len(model.outputs)
    model.compile(
        optimizer=optimizer(config, steps_per_epoch, model.trainable_variables),
        loss=[loss(config, train_data)] * heads,
        loss_weights=[1.0, *aux_weights(config, heads - 1)],
        jit_compile=jit_compile(config.jit_compile),
    )
    inference = distributable(keras.Model)(model.input, model.outputs[0], name=model.name)
    inference.compile(loss=CrossEntropy(), metrics=[MeanIoU(num_classes)], jit_compile=jit_compile(False))
    return model, inference


def jit_compile(wanted):
    """Return whether to compile a step: as `wanted`, but always on JAX, which else runs it operation by operation.

    Configs leave it off by default: XLA's depthwise convolutions are over twenty times slower than oneDNN's on a CPU.
    """
    return wanted or keras.backend.backend() == "jax"


@contextlib.contextmanager
def precision(policy):
    """Let the layers made inside have a dtype policy, such as 'mixed_bfloat16'."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def loss(config, train_data):
    """Return the loss of a config for one head."""
    names = set(inspect.signature(SegmentationLoss).parameters) - {"name", "class_weights"}
    weights = None
    if config.class_weights:
        weights = CLASS_WEIGHTS[config.class_weights](count_classes(train_data))
    return SegmentationLoss(class_weights=weights, **{name: getattr(config, name) for name in names})


def aux_weights(config, heads):
    """Return the loss weight of each of the auxiliary heads."""
    given = config.aux_weights
    if len(given) == 1 or not heads:
        return list(given[:1]) * heads
    if len(given) != heads:
        raise UserError(
            f"aux_weights has {len(given)} numbers and '{config.model}' {heads} auxiliary heads; give one number for "
            "all of them or one each."
        )
    return list(given)


def optimizer(config, steps_per_epoch, variables):
    """Return the optimizer of a config for the trainable `variables` of a model."""
    rate, decay_all = schedule(config, steps_per_epoch), config.decay == "all"
    options = dict(
        global_clipnorm=config.clip_norm or None,
        gradient_accumulation_steps=config.accumulate if config.accumulate > 1 else None,
        use_ema=config.ema > 0,
        ema_momentum=config.ema,
    )
    if config.optimizer == "adamw":
        made = adamw(rate, config.weight_decay, decay_all, variables, **options)
    else:
        made = SGD(rate, config.momentum, config.weight_decay, decay_all, nesterov=config.nesterov, **options)
    if config.clip_norm and on_tensorflow():
        clip_whole_gradient(made)
    return made


def schedule(config, steps_per_epoch):
    """Return the learning-rate schedule of a config, its epochs turned into steps."""
    warmup = dict(warmup_steps=round(config.warmup_epochs * steps_per_epoch), warmup_rate=config.warmup_rate)
    total = config.epochs * steps_per_epoch
    if config.schedule == "poly":
        return PolySchedule(config.learning_rate, total, config.poly_power, **warmup)
    if config.schedule == "cosine":
        return CosineSchedule(config.learning_rate, total, **warmup)
    boundaries = [round(epoch * steps_per_epoch) for epoch in config.step_epochs]
    return StepSchedule(boundaries, [config.learning_rate, *config.step_rates], **warmup)


def augmentation(config):
    """Return the `Augmentation` of a config."""
    names = {field.name for field in dataclasses.fields(Augmentation)} & set(vars(config))
    return Augmentation(crop=config.crop_size, **{name: getattr(config, name) for name in names})


def read_log(output_dir):
    """Return the rows of a training's `log.csv` as a list of dicts of floats."""
    with open(pathlib.Path(output_dir) / LOG_FILE, newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _trim_log(path, epochs):
    """Drop the rows of epochs that were logged but whose state was not saved any more; they are trained again."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines[: epochs + 1]))


def tensorboard(output_dir):
    """Return the TensorBoard callbacks: one on TensorFlow, which Keras writes the logs with, elsewhere none."""
    return [keras.callbacks.TensorBoard(output_dir / "tensorboard", write_graph=False)] if on_tensorflow() else []


def progress():
    """Return Keras's `verbose`: a bar on a terminal, a line per epoch in a log file."""
    return 1 if sys.stdout.isatty() else 2


def epoch_steps(config, dataset):
    """Return the number of batches in an epoch."""
    return config.steps_per_epoch or max(len(dataset) // config.batch_size, 1)


def prepare_output(output_dir, config, resume, state):
    """Write the config into `output_dir`, on several hosts only the chief.

    Raises:
        UserError: `state`, what a training resumes from, is missing with `resume` or there without; or the folder
            cannot be written.
    """
    if resume and not state.exists():
        raise UserError(f"There is no {state.name} in {output_dir} to resume from; leave out --resume to start.")
    if not resume and state.exists():
        raise UserError(f"{output_dir} already holds a training; give --resume to go on or another --output_dir.")
    if not is_chief():
        return
    for unfinished in output_dir.glob(".partial-*"):
        unfinished.unlink()  # of a training that was killed while it wrote a file
    with atomic_path(output_dir / CONFIG_FILE) as temporary:
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(config).items()}
        temporary.write_text(yaml.safe_dump(values, sort_keys=False))
