"""What happens at the end of an epoch: validate and keep the best, save the state to resume from, and show it."""

import contextlib
import math
import os
import pathlib
import sys
import time
import warnings

import h5py
import keras

from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path, plain_path, read_json, write_json
from keras_liteseg.graph import listed, not_finite
from keras_liteseg.provenance import provenance
from keras_liteseg.training.batch_norm_statistics import statistics
from keras_liteseg.training.distribute import on_tensorflow
from keras_liteseg.training.run_folder import CONFIG_FILE, TENSORBOARD_FOLDER

_CURE = "Lower learning_rate or lengthen warmup_epochs"


class DivergedError(UserError):
    """A training whose losses or weights became NaN or infinite."""


def require_finite(epoch, logs, variables, cure):
    """Stop a training that has diverged, before anything of this epoch is written.

    Args:
        epoch: number of the epoch, from 0.
        logs: {name: number} of losses and metrics.
        variables: weights, and what the optimizer knows, of Keras or tf_keras.
        cure: what the message advises.

    Raises:
        DivergedError: a number or a variable is NaN or infinite; the message names it.
    """
    kept = f"in epoch {epoch + 1}. {cure}; the best and the last state before this epoch are kept."
    for name, value in sorted(logs.items(), key=lambda item: item[0] != "loss"):  # the sum first
        if not math.isfinite(value):
            raise DivergedError(f"The {name} became {value} {kept}")
    broken = not_finite(variables)
    if broken:
        raise DivergedError(f"The weights became NaN or infinite {kept} They are {listed(broken)}.")


@contextlib.contextmanager
def averaged_weights(model, measure_statistics):
    """Give the trainable variables their moving averages, if the optimizer keeps them, and take these back at the end.

    Args:
        model: compiled model with a built optimizer.
        measure_statistics: function that measures the statistics of batch normalization with the averages. Those that
            training gathered belong to weights that have not settled: with them, an average of a deep plain network
            can predict next to nothing (Izmailov et al. 2018, arXiv 1803.05407, section 3.2, did the same).
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # inside of float16's loss scaling
    if not optimizer.use_ema:
        yield
        return
    variables = [*model.trainable_variables, *statistics(model)]
    trained = [keras.ops.convert_to_numpy(variable) for variable in variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:
        # On JAX they now hold the optimizer's own arrays, and `evaluate` uses up those it is given.
        variable.assign(keras.ops.copy(variable))
    try:
        measure_statistics()
        yield
    finally:
        for variable, value in zip(variables, trained, strict=True):
            variable.assign(value)


class Validation(keras.callbacks.Callback):
    """Evaluates the network at the end of each epoch and keeps the best, both with averaged weights if there are any.

    Adds `val_loss` and `val_miou` to the logs. `fit`'s own validation would also run the auxiliary heads, which need
    other input sizes than whole frames have.

    Args:
        inference: compiled model on the trained variables.
        batches: what to evaluate it on.
        measure_statistics: see `averaged_weights`.
        state: `LastState` that holds the best mIoU.
        save: function that is called whenever `val_miou` rises above that, or after every epoch where the last is kept.
        keep_epoch: 'best' or 'last'.
    """

    def __init__(self, inference, batches, measure_statistics, state, save, keep_epoch="best"):
        super().__init__()
        self.keep_epoch = keep_epoch
        self.inference = inference
        self.batches = batches
        self.measure_statistics = measure_statistics
        self.state = state
        self.save = save

    def on_epoch_end(self, epoch, logs):
        # The loss of an epoch knows nothing of what its last step did to the weights.
        require_finite(epoch, logs, [*self.model.variables, *self.model.optimizer.variables], _CURE)
        with averaged_weights(self.model, self.measure_statistics):
            values = self.inference.evaluate(self.batches, return_dict=True, verbose=0)
            validated = {f"val_{name}": value for name, value in values.items()}
            require_finite(epoch, validated, self.inference.weights, _CURE)
            if values["miou"] > self.state.best or self.keep_epoch == "last":
                self.save()
            self.state.best = max(self.state.best, values["miou"])
        logs.update(validated)
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class LastState(keras.callbacks.Callback):
    """Saves weights, optimizer, epoch and best mIoU to one file after each epoch, and restores them.

    Attributes:
        best: best validation mIoU so far, -1 before the first.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.best = -1.0

    def on_epoch_end(self, epoch, logs):
        with atomic_path(self.path) as temporary:
            self.model.save_weights(temporary)
            with h5py.File(temporary, "a") as file:
                file.attrs["epochs"] = epoch + 1
                file.attrs["best"] = self.best
                file.attrs["optimizer"] = _kinds(self.model.optimizer)

    def restore(self, model):
        """Load the file into a compiled `model` with a built optimizer and return the number of finished epochs.

        Raises:
            UserError: the file is damaged, belongs to another network or optimizer, or holds NaN.
        """
        kinds = _kinds(model.optimizer)
        try:
            with h5py.File(self.path) as file:
                epochs, self.best = int(file.attrs["epochs"]), float(file.attrs["best"])
                found = file.attrs.get("optimizer", kinds)  # version 0.1.0 did not write it
            if found == kinds:
                with warnings.catch_warnings():
                    # Keras leaves the optimizer as it was, where the file has another number of variables, and layers
                    # where it has other ones.
                    warnings.filterwarnings("error", message="Skipping")
                    model.load_weights(self.path)
        except Exception as error:  # h5py and Keras raise errors of many types.
            raise UserError(
                f"Cannot resume from {self.path}: it is damaged or was saved by another config. Start into another "
                "--output_dir."
            ) from error
        if found != kinds:
            raise UserError(
                f"Cannot resume from {self.path}: its optimizer has kept {found}, and the config's keeps {kinds}. "
                f"Let optimizer, momentum, ema_momentum, gradient_accumulation_steps and precision be as {CONFIG_FILE} "
                "there has them, or start into another --output_dir."
            )
        broken = not_finite([*model.variables, *model.optimizer.variables])
        if broken:
            raise UserError(
                f"Cannot resume from {self.path}: a training that diverged left NaN or infinity in {listed(broken)}. "
                "Start into another --output_dir with a lower learning_rate."
            )
        return epochs


def _kinds(optimizer):
    """Return what a built optimizer keeps, such as 'adamw: average, momentum, velocity'."""
    kinds = {variable.path.rpartition("/")[2].rpartition("_")[2] for variable in optimizer.variables}
    return f"{optimizer.name}: {', '.join(sorted(kinds - {'iteration', 'rate'}))}"


class Journal(keras.callbacks.Callback):
    """Writes a JSON file that says what trained and how long: `provenance()`, what the training started from
    (`init_from`), and the seconds of each epoch, validation and saving of the best included.

    Args:
        path: the file.
        first_epoch: epochs that are finished already, whose seconds are kept, and what these started from.
        init_from: what the training starts from, or None.
    """

    def __init__(self, path, first_epoch=0, init_from=None):
        super().__init__()
        self.path = path
        known = read_json(path, "remove it to go on without what it notes") if first_epoch and path.exists() else {}
        self.seconds = known.get("epoch_seconds", [])[:first_epoch]
        self.start = {"init_from": None if init_from is None else os.fspath(init_from)}
        if first_epoch:  # nothing is known of one that an earlier version began
            self.start = {key: known[key] for key in self.start if key in known}

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(round(time.monotonic() - self.began, 3))
        write_json(self.path, provenance() | self.start | {"epoch_seconds": self.seconds})


def tensorboard(folder):
    """Return the TensorBoard callbacks: one on TensorFlow, which Keras writes the logs with, elsewhere none."""
    return [_TensorBoard(folder)] if on_tensorflow() else []


class _TensorBoard(keras.callbacks.TensorBoard):
    """Logs in a folder of any name, where TensorFlow writes to names of UTF-8 only."""

    def __init__(self, folder):
        self._link = contextlib.ExitStack()
        super().__init__(
            pathlib.Path(self._link.enter_context(plain_path(folder)), TENSORBOARD_FOLDER), write_graph=False
        )

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self._link.close()


def fit_verbosity():
    """Return Keras's `verbose`: a bar on a terminal, a line per epoch in a log file."""
    return 1 if sys.stdout.isatty() else 2
