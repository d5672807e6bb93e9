"""What a training that ends early says."""

import contextlib
import logging

from keras_liteseg.errors import UserError
from keras_liteseg.training.distribute import hosts
from keras_liteseg.training.run_folder import LAST_FILE

_log = logging.getLogger(__name__)

# Names of TensorFlow's errors where another host is gone; their classes are not there on other backends.
_LOST_CONNECTION = ("UnavailableError", "AbortedError", "CancelledError", "InternalError")


@contextlib.contextmanager
def stop_clearly(folder):
    """Tell in one sentence why `fit` ended early, and how to go on.

    Args:
        folder: that of the training, a `pathlib.Path`.

    Raises:
        UserError: in place of an error of the disk or of the connection to another host.
    """
    try:
        yield
    except KeyboardInterrupt:
        if (folder / LAST_FILE).exists():
            _log.info("Stopped; %s holds the last finished epoch, go on with --resume.", folder / LAST_FILE)
        raise
    except UserError:
        raise
    except Exception as error:
        # TensorFlow's own writers raise no OSError.
        if isinstance(error, OSError) or "No space left on device" in str(error):
            reason = getattr(error, "strerror", None) or "No space left on device"
            raise UserError(
                f"Cannot write into {folder}: {reason}. Free some space and go on with --resume."
            ) from error
        if hosts() > 1 and type(error).__name__ in _LOST_CONNECTION:
            raise UserError(
                "Another host of TF_CONFIG stopped or cannot be reached; start all of them again with --resume."
            ) from error
        raise
