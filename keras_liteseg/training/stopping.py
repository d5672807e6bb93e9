"""What a training that ends early says."""

import contextlib
import logging
import re
import time

import keras

from keras_liteseg.errors import UserError
from keras_liteseg.training.distribute import hosts

_log = logging.getLogger(__name__)

# Names of TensorFlow's errors where another host is gone; their classes are not there on other backends.
_LOST_CONNECTION = ("UnavailableError", "AbortedError", "CancelledError", "InternalError")


class LastSign(keras.callbacks.Callback):
    """Remembers when the training last went on: at the end of a step, of a validation step or of an epoch."""

    def __init__(self):
        super().__init__()
        self.time = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.time = time.monotonic()

    on_test_batch_end = on_epoch_begin = on_epoch_end = on_train_batch_end


@contextlib.contextmanager
def stop_clearly(state):
    """Tell in one sentence why `fit` ended early, and how to go on; gives a callback for that `fit` of Keras.

    Args:
        state: path of what the training would go on from, in its folder; a `pathlib.Path`.

    Raises:
        UserError: in place of an error of a data set within tf.data, of the disk, or of the connection to another host.
    """
    folder = state.parent
    last_sign = LastSign()
    try:
        yield last_sign
    except KeyboardInterrupt:
        if state.exists():
            _log.info("Stopped; %s holds the last finished epoch, go on with --resume.", state)
        raise
    except UserError:
        raise
    except Exception as error:
        sentence = _of_a_data_set(error)
        if sentence:
            raise UserError(sentence) from error
        # TensorFlow's own writers raise no OSError.
        if isinstance(error, OSError) or "No space left on device" in str(error):
            reason = getattr(error, "strerror", None) or "No space left on device"
            raise UserError(
                f"Cannot write into {folder}: {reason}. Free some space and go on with --resume."
            ) from error
        if hosts() > 1 and type(error).__name__ in _LOST_CONNECTION:
            raise UserError(
                f"Another host of TF_CONFIG stopped or cannot be reached; this one waited for it for "
                f"{time.monotonic() - last_sign.time:.0f} seconds. Start all of them again with --resume."
            ) from error
        raise


def _of_a_data_set(error):
    """Return the message of a `UserError` that TensorFlow has made the text of an error of its own, or None."""
    names = "|".join(kind.__name__ for kind in (UserError, *UserError.__subclasses__()))
    found = re.search(rf"^(?:{names}): (.*?)\nTraceback", str(error), re.DOTALL | re.MULTILINE)
    return found and found[1].strip()
