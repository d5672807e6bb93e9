"""Refusing arguments that make no sense, with one sentence."""

from keras_liteseg.errors import UserError


def require_whole(name, value, least):
    """Raise a `UserError` unless `value`, which the sentence calls `name`, is a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{name} is {value}; give a whole number of {least} or more.")


def require_positive(name, value):
    """Raise a `UserError` unless `value`, which the sentence calls `name`, is a number above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise UserError(f"{name} is {value}; give a number above 0.")


def require_one_of(name, value, choices):
    """Raise a `UserError` unless `value`, which the sentence calls `name`, is one of `choices`."""
    if value not in choices:
        raise UserError(f"{name} is '{value}'; choose from {', '.join(choices)}.")
