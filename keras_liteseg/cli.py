"""What every command line of the project shares: clean errors, exit status, quiet TensorFlow."""

import contextlib
import importlib.util
import os
import signal
import sys
import threading

from absl import app, flags, logging

from keras_liteseg.errors import UserError


def run(main, required=(), tensorflow=True):
    """Run `main()` as an absl app: a `UserError` becomes one sentence on stderr and exit status 1, Ctrl-C 130.

    Args:
        main: a function without arguments that reads `flags.FLAGS`.
        required: names of flags that must be given.
        tensorflow: whether `main` uses Keras, on TensorFlow by default, which is then started without its notes.
    """
    flags.mark_flags_as_required(list(required))
    sys.unraisablehook = _repeat_interrupt

    def guarded(arguments):
        if len(arguments) > 1:
            print(f"error: unexpected argument {arguments[1]!r}; see --help", file=sys.stderr)
            sys.exit(2)
        try:
            if tensorflow:
                start_tensorflow()
            main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(guarded)


def refuse_old_flags(**names):
    """Let flags that have another name now be refused with it, as in `refuse_old_flags(recipe="config")`."""
    for old, new in names.items():
        flags.DEFINE_string(old, None, f"Refused: it is called --{new} now.")
        flags.register_validator(old, lambda value: value is None, f"it is called --{new} now")


def _repeat_interrupt(unraisable):
    """Interrupt again where Python dropped the interrupt, because it came in a destructor."""
    if unraisable.exc_type is KeyboardInterrupt:
        main = threading.main_thread().ident
        threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def start_tensorflow():
    """Import TensorFlow without its start-up notes, which bury the output that matters and heed no log level.

    Where Keras runs on another backend (`KERAS_BACKEND`), TensorFlow stays out.

    Raises:
        UserError: TensorFlow is not installed.
    """
    logging.set_verbosity(logging.ERROR)
    if keras_backend() != "tensorflow":
        return
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError("TensorFlow is not installed; install it, or choose KERAS_BACKEND=jax or KERAS_BACKEND=torch.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as stack:
        terminal = os.dup(2)
        stack.callback(os.close, terminal)
        stack.callback(os.dup2, terminal, 2)
        os.dup2(nowhere.fileno(), 2)
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")  # the search for a GPU has notes too
        tf.get_logger().setLevel("ERROR")


def keras_backend():
    """Return the name of Keras's backend, without the seconds that `import keras` takes."""
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def require_tensorflow(what):
    """Refuse, with a `UserError`, to do `what` where Keras runs on another backend."""
    if keras_backend() != "tensorflow":
        raise UserError(f"{what} is made with TensorFlow, and KERAS_BACKEND is {keras_backend()}; leave that out.")


def parse_size(text):
    """Return (height, width) from 'HEIGHTxWIDTH', such as '512x1024'.

    Raises:
        UserError: `text` has another form.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UserError(f"'{text}' is not a size; write HEIGHTxWIDTH in pixels, for example 512x1024.")
    return int(parts[0]), int(parts[1])
