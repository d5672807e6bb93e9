"""What is seen of the log: progress as plain lines on stdout, or warnings alone."""

import contextlib
import logging
import sys

# Whose progress a command shows. A module that runs as a program has the last name.
_LOGGERS = ("keras_liteseg", "edge", "__main__")


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
        logger.propagate = False  # a handler of the root logger would repeat the line
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
