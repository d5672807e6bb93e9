"""What all commands share: help texts from docstrings, clean errors, exit status, a quiet start of Keras.

The exit status is 0 for success, 1 for a mistake that a sentence explains (and for a bug, with its traceback), 2 for
arguments that cannot be read, 130 for Ctrl-C, and 128 and the number of the signal where another one ends the command.
"""

import contextlib
import importlib.util
import logging
import os
import signal
import sys
import threading

import click
from click.exceptions import NoArgsIsHelpError

from keras_liteseg.backend import BACKENDS, keras_backend
from keras_liteseg.errors import UserError
from keras_liteseg.files import suffix_of
from keras_liteseg.logs import shown_log
from keras_liteseg.parts import missing_part


def command(name, text, renamed=None):
    """Return a decorator that makes a function a command.

    Args:
        name: what it is called by.
        text: its help, the docstring of its module; indented lines stay as they are.
        renamed: {flag of an earlier version: what took its place}; such a flag is refused with that hint.
    """
    settings = {
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
        "token_normalize_func": _with_underscores,
    }

    def decorate(function):
        made = click.command(name, cls=Command, help=help_text(text), context_settings=settings)(function)
        made.renamed = renamed or {}
        return made

    return decorate


def _with_underscores(word):
    """Let --data-dir stand for --data_dir."""
    return word.replace("-", "_")


def help_text(docstring):
    """Return the docstring of a module as click's help: paragraphs are wrapped, indented blocks are not."""
    blocks = docstring.strip().split("\n\n")
    return "\n\n".join(f"\b\n{block}" if block.startswith(" ") else block for block in blocks)


class Command(click.Command):
    """A command of ours: Ctrl-C ends it in one word, and flags of earlier versions are refused with the new ones.

    Attributes:
        renamed: {flag of an earlier version: what took its place}.
    """

    def parse_args(self, ctx, args):
        renamed = dict(self.renamed)
        for option in self.params:
            if option.secondary_opts:  # --[no]flip of earlier versions
                renamed[f"no{option.name}"] = option.secondary_opts[0]
        for argument in args:
            name = argument.lstrip("-").partition("=")[0]
            for old, new in renamed.items():
                if argument.startswith("-") and name in (old, f"no{old}"):
                    raise UserError(f"The flag --{name} is no more; use {new}.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx):
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()  # here, where a closed pipe is caught
            return status
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130


def run(command, arguments=None, name=None):
    """Run a command and return the exit status.

    SIGTERM, which `timeout`, Slurm and `docker stop` send, and SIGHUP, of a terminal that is closed, end it as Ctrl-C
    does, so that what it began is cleaned up.

    What the library logs at level INFO or above comes on stdout, a line each.

    Args:
        command: a `click.Command`.
        arguments: list of texts; those of the process by default.
        name: what the command is called in messages; the name of the program by default.
    """
    _print_any_name()
    with _ended_as_by_ctrl_c(signal.SIGTERM, signal.SIGHUP) as received:
        status = _run(command, arguments, name)
    return 128 + received[0] if status == 130 and received else status


def _run(command, arguments, name):
    try:
        with shown_log(), _interrupts_repeated():
            return command.main(arguments, prog_name=name, standalone_mode=False) or 0
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        see = f" See {context.command_path} --help." if context else ""
        print(f"error: {_sentence(error.format_message())}{see}", file=sys.stderr)
        return error.exit_code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        hint = missing_part(error.name)
        if hint is None:
            raise
        print(f"error: {hint}", file=sys.stderr)
        return 1
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130


def _print_any_name():
    """Let stdout take names of files that are not in its encoding, as stderr does: as \\udcff."""
    with contextlib.suppress(AttributeError):  # a notebook's is no file
        sys.stdout.reconfigure(errors="backslashreplace")


def _sentence(text):
    """Return a message of click as one line that ends with a full stop."""
    line = " ".join(text.split())
    return line if line.endswith((".", "?", "!")) else f"{line}."


@contextlib.contextmanager
def _ended_as_by_ctrl_c(*signals):
    """Let signals be Ctrl-C, while the block runs, where they would end the process at once; yield the list of those
    that came. Those that are ignored, as SIGHUP under nohup, stay so."""
    received, before = [], {}

    def interrupt(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():  # no other may set what a signal does
        for number in signals:
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, interrupt)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _interrupts_repeated():
    """Interrupt again, while the block runs, where Python dropped an interrupt because it came in a destructor."""

    def repeat(unraisable):
        if unraisable.exc_type is KeyboardInterrupt:
            main = threading.main_thread().ident
            threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        else:
            before(unraisable)

    before, sys.unraisablehook = sys.unraisablehook, repeat
    try:
        yield
    finally:
        sys.unraisablehook = before


def start_keras(*models):
    """Import Keras's backend without the start-up notes of TensorFlow, which bury the output that matters.

    Args:
        models: files or names of networks to run; where all are .tflite files, nothing is imported.

    Raises:
        UserError: TensorFlow is not installed, and no other backend is chosen, or one that cannot train.
    """
    if models and all(suffix_of(model) == ".tflite" for model in models):
        return
    if keras_backend() not in BACKENDS:
        raise UserError(f"There is no backend '{keras_backend()}' here; set KERAS_BACKEND to {', '.join(BACKENDS)}.")
    if keras_backend() != "tensorflow":
        import keras  # noqa: F401  loads absl, which is quietened below
    elif importlib.util.find_spec("tensorflow") is None:
        raise UserError(f"{missing_part('tensorflow')}, or choose KERAS_BACKEND=jax or KERAS_BACKEND=torch.")
    else:
        _start_tensorflow()
    logging.getLogger("absl").setLevel(logging.ERROR)


def _start_tensorflow():
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
