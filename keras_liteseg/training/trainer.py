"""Training of a config with `fit`, from data set to best model file."""

import logging
import pathlib

import keras

from keras_liteseg.datasets.augment import require_colors
from keras_liteseg.datasets.class_statistics import repeat_factors
from keras_liteseg.datasets.samples import CachedDataset, normalization
from keras_liteseg.evaluation import absent_note
from keras_liteseg.graph.precision import dtype_policy
from keras_liteseg.graph.size import at_size
from keras_liteseg.metadata import Metadata
from keras_liteseg.models.archive import save_model
from keras_liteseg.models.weights import initialize_from
from keras_liteseg.networks import model_spec
from keras_liteseg.networks.registry import check_input_shape
from keras_liteseg.training.arguments import require_arguments, require_labels
from keras_liteseg.training.batch_norm_statistics import AverageStatistics, measure_statistics
from keras_liteseg.training.build import build
from keras_liteseg.training.callbacks import Journal, LastState, Validation, fit_verbosity, tensorboard
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.data_loader import evaluation_batches, training_batches
from keras_liteseg.training.devices import log_devices
from keras_liteseg.training.distribute import (
    choose_strategy,
    is_chief,
    on_tensorflow,
    require_fitting,
    require_same_epoch,
)
from keras_liteseg.training.metrics import absent_classes
from keras_liteseg.training.run_folder import (
    BEST_FILE,
    JOURNAL_FILE,
    LAST_FILE,
    LOG_FILE,
    begun,
    require_epochs,
    require_same_network,
    require_state,
    trim_log,
)
from keras_liteseg.training.stopping import stop_clearly

_log = logging.getLogger(__name__)


@dtype_policy("float32")  # but for the networks, of which the config says it
def train(config, train_data, val_data, output_dir, init_from=None, resume=False, averaged=False):
    """Train a network and keep the weights of the best validation mIoU, or with `keep_epoch: last` the last.

        >>> from keras_liteseg import TrainingConfig, load_dataset, train
        >>> size = {"crop_size": (64, 128), "eval_size": (64, 128)}
        >>> config = TrainingConfig(model="lps_net_tiny", epochs=1, batch_size=2, **size)
        >>> train_data = load_dataset("street_scenes", split="train", length=4, size=(64, 128))
        >>> val_data = load_dataset("street_scenes", split="val", length=2, size=(64, 128))
        >>> train(config, train_data, val_data, "run").name
        2/2 - ...
        'best.keras'

    Writes into `output_dir`: `best.keras` (the network without auxiliary heads, see `keras_liteseg.models.archive`),
    `last.weights.h5` (weights and optimizer, to resume), `log.csv`, `journal.json` (device, versions, seconds),
    `config.yaml` and, on TensorFlow, `tensorboard/`.

    Args:
        config: a `TrainingConfig`.
        train_data, val_data: `SegmentationDataset`s with the same classes.
        output_dir: folder for all of it.
        init_from: official checkpoint, `.keras` file or published weights, such as 'camvid', to start from; layers that
            depend on the classes start afresh when these differ, see `keras_liteseg.models.weights.initialize_from`.
        resume: go on from `last.weights.h5` in `output_dir`.
        averaged: start from the averaged weights (EMA) of `init_from`, or else of the config's `backbone_weights`, see
            `keras_liteseg.load_checkpoint`.

    Returns:
        Path of `best.keras`.

    Raises:
        UserError: an argument or an option does not fit, the classes of the data sets or of a training to resume
            differ, a data set has no labelled pixel, a file cannot be read or written, or the loss became NaN.
    """
    require_arguments(TrainingConfig, config, train_data, val_data, output_dir, resume, init_from, averaged)
    require_labels(train_data, val_data)
    # The training model takes any size, so a wrong one would show only in the middle of `fit`.
    channels = train_data.image_format.channels
    check_input_shape(config.model, (*config.crop_size, channels), aux_heads=True)
    check_input_shape(config.model, (*config.eval_size, channels))
    require_colors(train_data, config)
    normalization(train_data, model_spec(config.model))  # before anything is written
    folder = pathlib.Path(output_dir)
    if resume:
        require_same_network(folder / BEST_FILE, config, train_data)
    require_state(folder, resume, folder / LAST_FILE)
    keras.utils.set_random_seed(config.seed)
    steps = config.steps_in_epoch(train_data)
    strategy = choose_strategy()
    require_fitting(config, strategy.num_replicas_in_sync)

    last = LastState(folder / LAST_FILE)
    with strategy.scope():
        model, inference, first_epoch = _start(config, train_data, steps, last, init_from, resume, averaged)
    require_same_epoch(strategy, first_epoch)
    if resume:
        require_epochs(folder / BEST_FILE, first_epoch, config)
        if not (folder / BEST_FILE).exists():
            last.best = -1.0  # a network that is not there any more is no match for the epochs that follow
    with strategy.scope():
        first_batches, batches, validation_batches = _batches(
            config, train_data, val_data, first_epoch * steps, heads=len(model.outputs)
        )

    def measure():
        # Always over the same batches, so that a resumed training gets the same statistics.
        measure_statistics(inference, first_batches)

    def save():
        _save(inference, folder / BEST_FILE, config, train_data)

    callbacks = [Validation(inference, validation_batches, measure, last, save, config.keep_epoch)]
    if strategy.num_replicas_in_sync > 1:
        callbacks.insert(0, AverageStatistics())
    if is_chief():
        callbacks += [
            keras.callbacks.CSVLogger(folder / LOG_FILE, append=resume),
            *tensorboard(folder),
            # Before the state to resume from, so that it has every epoch of that.
            Journal(folder / JOURNAL_FILE, first_epoch, init_from),
            last,
        ]
    with begun(folder, config), stop_clearly(folder / LAST_FILE) as last_sign:
        if resume and is_chief():
            trim_log(folder, first_epoch)
        log_devices()
        _log.info(
            "Training %s (%s parameters) on %d images of %s, %d device(s), into %s%s",
            config.model,
            f"{inference.count_params():,}",
            len(train_data),
            train_data.name,
            strategy.num_replicas_in_sync,
            folder,
            "" if on_tensorflow() else f"; no TensorBoard logs on {keras.backend.backend()}, see {LOG_FILE}",
        )
        model.fit(
            batches,
            steps_per_epoch=steps,
            epochs=config.epochs,
            initial_epoch=first_epoch,
            verbose=fit_verbosity() if is_chief() else 0,
            shuffle=False,  # the pipeline does; True only brings a warning
            callbacks=[last_sign, *callbacks],
        )
    # On all hosts, which add up what each has counted.
    note = absent_note(absent_classes(inference, val_data.classes), len(val_data.classes))
    if is_chief():
        _log.info("Best validation mIoU %.4f%s; wrote %s", last.best, note, folder / BEST_FILE)
    else:
        _log.info("Finished; the chief wrote %s", folder / BEST_FILE)
    return folder / BEST_FILE


def _start(config, train_data, steps, last, init_from, resume, averaged):
    """Return (training model, inference model, number of finished epochs), with the weights that `fit` begins with."""
    backbone = None if init_from or resume else config.backbone_weights or None
    model, inference = build(config, train_data, steps, backbone, averaged and backbone is not None)
    if init_from and not resume:
        fresh = initialize_from(model, init_from, averaged, train_data.classes)
        _log.info("Starting from %s%s", init_from, f"; random at first: {', '.join(fresh)}" if fresh else "")
    # Before `restore`, which fills the variables that this makes.
    model.optimizer.build(model.trainable_variables)
    return model, inference, last.restore(model) if resume else 0


def _batches(config, train_data, val_data, first_step, heads):
    """Return (training batches from the first on, those from `first_step` on, validation batches)."""
    mean, std = normalization(train_data, model_spec(config.model))
    norm = dict(mean=mean, std=std)
    samples = CachedDataset(train_data)
    options = dict(seed=config.seed, heads=heads, repeats=repeat_factors(samples, config.oversample_threshold), **norm)
    # The config is the `Augmentation`.
    training = (
        training_batches(samples, config, config.batch_size, first_step=step, **options) for step in (0, first_step)
    )
    size = min(config.batch_size, len(val_data))
    return *training, evaluation_batches(CachedDataset(val_data), config.eval_size, size, **norm)


def _save(inference, path, config, train_data):
    """Write the network with the weights that it has now, on several hosts only the chief."""
    # Files hold a network of one definite size, of Keras's own class.
    network = keras.Model(inference.input, inference.output, name=inference.name)
    if is_chief():
        mean, std = normalization(train_data, model_spec(config.model))
        said = config.model, train_data.name, train_data.classes, mean, std
        metadata = Metadata(*said, image_format=train_data.image_format)
        save_model(at_size(network, config.eval_size), path, metadata)
