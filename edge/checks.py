"""Refusing arguments that make no sense, with one sentence."""

from keras_liteseg.choices import LONGEST, is_finite, is_whole
from keras_liteseg.errors import UserError


def require_whole(name, value, least, most=None):
    """Raise a `UserError` unless `value`, which the sentence calls `name`, is a whole number of at least `least`, and
    at most `most`."""
    if not is_whole(value) or value < least or most is not None and value > most:
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise UserError(f"{name} is {value}; give a whole number {limits}.")


def require_positive(name, value):
    """Raise a `UserError` unless `value`, which the sentence calls `name`, is a number above 0, at most `LONGEST`."""
    if not is_finite(value) or not 0 < value <= LONGEST:
        raise UserError(f"{name} is {value}; give a number above 0, {LONGEST} at most.")


def require_one_of(name, value, choices):
    """Raise a `UserError` unless `value`, which the sentence calls `name`, is one of `choices`."""
    if value not in choices:
        raise UserError(f"{name} is '{value}'; choose from {', '.join(choices)}.")
