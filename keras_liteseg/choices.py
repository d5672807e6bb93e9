"""Options that are refused when they cannot be meant: one of a few words, a whole number, a size."""

import enum
import math
import numbers
import re
from typing import Any, NoReturn, Self

from keras_liteseg.errors import UserError, nearest


class Choice(enum.StrEnum):
    """Base of the options that take one of a few words.

    A member is a string, equal to its word, so that files and configs may hold the word: `Quantization("int8")` and
    "int8" are equal. Each member is declared as a pair of its word and what it means, which help texts show.

    Attributes:
        meaning: what the member means, without a full stop.

    Raises:
        UserError: the class is called with anything but one of its words; the message names the nearest.
    """

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        option = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        raise UserError(
            f"{option} is {value!r}; it must be one of {', '.join(map(repr, cls.words()))}. "
            f"Did you mean {nearest(str(value), cls.words(), count=1)!r}?"
        )

    @classmethod
    def words(cls) -> list[str]:
        """Return the words of all members, in the order in which they are declared."""
        return [member.value for member in cls]

    @classmethod
    def help(cls) -> str:
        """Return what every word means, for the help text of a flag."""
        return "; ".join(f"{member.value}: {member.meaning}" for member in cls) + "."


def require_whole(name: str, value: Any, least: int) -> None:
    """Raise a `UserError` unless the option `name` is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise UserError(f"{name} is {value!r}; it must be a whole number, {least} or more.")


def require_number(name: str, value: Any, least: float) -> None:
    """Raise a `UserError` unless the option `name` is a finite number of `least` or more."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or value < least:
        raise UserError(f"{name} is {value!r}; it must be a number, {least} or more.")


def require_bool(name: str, value: Any) -> None:
    """Raise a `UserError` unless the option `name` is True or False."""
    if not isinstance(value, bool):
        raise UserError(f"{name} is {value!r}; it must be True or False.")


def require_size(name: str, value: Any) -> None:
    """Raise a `UserError` unless the option `name` is (height, width), two positive whole numbers."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    if not pair or not all(isinstance(each, numbers.Integral) and int(each) > 0 for each in value):
        raise UserError(f"{name} is {value!r}; it must be (height, width) in pixels, for example (512, 1024).")
