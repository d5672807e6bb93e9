"""What every command line of the project shares: clean errors, exit status, quiet TensorFlow."""

import contextlib
import importlib.util
import logging
import os
import signal
import sys
import threading

import absl.logging
from absl import app, flags

from keras_liteseg.datasets import list_datasets
from keras_liteseg.errors import UserError

DATA_HELP = f"Data set: {', '.join(list_datasets())}; see docs/datasets.md."

# Whose progress a script shows. A module that runs as a script has the last name.
_LOGGERS = ("keras_liteseg", "edge", "__main__")


def run(main, required=(), tensorflow=True, renamed=None):
    """Run `main()` as an absl app: a `UserError` becomes one sentence on stderr and exit status 1, Ctrl-C 130.

    What the library logs at level INFO or above comes on stdout, a line each.

    Args:
        main: a function without arguments that reads `flags.FLAGS`.
        required: names of flags that must be given.
        tensorflow: whether `main` uses Keras, on TensorFlow by default, which is then started without its notes.
        renamed: {flag of an earlier version: what took its place}; such a flag is refused with that hint.
    """
    _refuse_renamed(sys.argv[1:], renamed or {})
    flags.mark_flags_as_required(list(required))
    sys.unraisablehook = _repeat_interrupt

    def guarded(arguments):
        if len(arguments) > 1:
            print(f"error: unexpected argument {arguments[1]!r}; see --help", file=sys.stderr)
            sys.exit(2)
        try:
            if tensorflow:
                start_tensorflow()
            with shown_log():
                main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(guarded)


def _refuse_renamed(arguments, renamed):
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0]
        for old, new in renamed.items():
            if argument.startswith("-") and name in (old, f"no{old}"):
                print(f"error: The flag --{name} is no more; use {new}.", file=sys.stderr)
                sys.exit(1)


def define_choice(name, kind, default, what):
    """Define the flag `name` whose values are the words of a `keras_liteseg.choices.Choice`.

    Args:
        kind: the subclass of `Choice`.
        default: its member that is the default.
        what: what is chosen, for the help text, which also tells what each word means.
    """
    flags.DEFINE_enum(name, default.value, kind.words(), f"{what}. {kind.help()}")


@contextlib.contextmanager
def shown_log():
    """Show what our loggers say at level INFO or above on stdout, a plain line each, while the block runs."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # absl's handler of the root logger would repeat the line on stderr
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


@contextlib.contextmanager
def quiet_log():
    """Let the library log warnings and errors alone while the block runs."""
    logger = logging.getLogger("keras_liteseg")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


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
    absl.logging.set_verbosity(absl.logging.ERROR)
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
