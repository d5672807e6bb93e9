"""What happens at the end of an epoch: validate, keep the best, save the state to resume from."""

import contextlib
import math

import h5py
import keras

from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path


@contextlib.contextmanager
def averaged_weights(model):
    """Give the trainable variables their moving averages, if the optimizer keeps them, and take these back at the end.

    The statistics of batch normalization, which are moving averages anyway, stay.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # inside of float16's loss scaling
    if not optimizer.use_ema:
        yield
        return
    trained = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:
        # On JAX they now hold the optimizer's own arrays, and `evaluate` uses up those it is given.
        variable.assign(keras.ops.copy(variable))
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, trained, strict=True):
            variable.assign(value)


class Validation(keras.callbacks.Callback):
    """Evaluates `inference`, a compiled model on the trained variables, and adds `val_loss` and `val_miou` to the logs.

    `fit`'s own validation would also run the auxiliary heads, which need other input sizes than whole frames have.
    """

    def __init__(self, inference, batches):
        super().__init__()
        self.inference = inference
        self.batches = batches

    def on_epoch_end(self, epoch, logs):
        with averaged_weights(self.model):
            values = self.inference.evaluate(self.batches, return_dict=True, verbose=0)
        logs.update({f"val_{name}": value for name, value in values.items()})
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"The loss became {logs['loss']} in epoch {epoch + 1}. Lower learning_rate or lengthen warmup_epochs; "
                "the best and the last state before this epoch are kept."
            )


class KeepBest(keras.callbacks.Callback):
    """Calls `save(path)` whenever `val_miou` rises above `state.best`."""

    def __init__(self, path, save, state):
        super().__init__()
        self.path = path
        self.save = save
        self.state = state

    def on_epoch_end(self, epoch, logs):
        if logs["val_miou"] > self.state.best:
            with averaged_weights(self.model):
                self.save(self.path)
            self.state.best = logs["val_miou"]


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

    def restore(self, model):
        """Load the file into a compiled `model` with a built optimizer and return the number of finished epochs.

        Raises:
            UserError: the file is damaged or belongs to another network.
        """
        try:
            with h5py.File(self.path) as file:
                epochs, self.best = int(file.attrs["epochs"]), float(file.attrs["best"])
            model.load_weights(self.path)
        except Exception as error:  # h5py and Keras raise errors of many types.
            raise UserError(
                f"Cannot resume from {self.path}: it is damaged or was saved by another recipe. Start into another "
                "--output_dir."
            ) from error
        return epochs
