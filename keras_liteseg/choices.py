"""Options that are refused when they cannot be meant: one of a few words, a whole number, a size."""

import dataclasses
import enum
import errno
import math
import numbers
import os
import re
import reprlib
from collections.abc import Iterable
from typing import Any, NoReturn, Self, TypeGuard

from keras_liteseg.errors import UserError, nearest

# What goes on to C++ ends in its own words, or takes all of the memory, far below the largest whole number.
MOST_THREADS = 1024
MOST_IMAGES = 4096
"""In a batch."""
MOST_PIXELS = 2**14
"""Along a side."""
LONGEST = 10**7
"""Seconds that anything may take, some months."""
LARGEST = 2**31 - 1
"""Of what is counted otherwise, such as steps."""


class _Words(enum.EnumMeta):
    def __call__(cls, value: object, *arguments: Any, **options: Any) -> Any:
        # What has no hash is compared with each word, and an array then gives an array.
        if not isinstance(value, str):
            cls._missing_(value)  # type: ignore[attr-defined]
        return super().__call__(value, *arguments, **options)


class Choice(enum.StrEnum, metaclass=_Words):
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
        meant = nearest(str(value), cls.words(), count=1)
        raise UserError(
            f"{option} is {value!r}; it must be one of {', '.join(map(repr, cls.words()))}."
            + (f" Did you mean {meant!r}?" if meant else "")
        )

    @classmethod
    def words(cls) -> list[str]:
        """Return the words of all members, in the order in which they are declared."""
        return [member.value for member in cls]

    @classmethod
    def help(cls) -> str:
        """Return what every word means, for the help text of a flag."""
        return "; ".join(f"{member.value}: {member.meaning}" for member in cls) + "."


def require_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise a `UserError` unless the option `name` is a whole number of `least` or more, and of `most` at most."""
    if not is_whole(value) or value < least or most is not None and value > most:
        limits = f", {least} or more" if most is None else f" from {least} to {most}"
        raise UserError(f"{name} is {value!r}; it must be a whole number{limits}.")


def require_number(name: str, value: Any, least: float, most: float | None = None) -> None:
    """Raise a `UserError` unless the option `name` is a finite number of `least` or more, and of `most` at most."""
    if not is_finite(value) or value < least or most is not None and value > most:
        limits = f", {least} or more" if most is None else f" from {least} to {most}"
        raise UserError(f"{name} is {value!r}; it must be a number{limits}.")


def require_positive(name: str, value: Any) -> None:
    """Raise a `UserError` unless the option `name` is a number above 0, at most `LONGEST`."""
    if not is_finite(value) or not 0 < value <= LONGEST:
        raise UserError(f"{name} is {value!r}; it must be a number above 0, {LONGEST} at most.")


def require_one_of(name: str, value: Any, words: Iterable[str]) -> None:
    """Raise a `UserError` unless the option `name` is one of `words`."""
    if value not in words:
        raise UserError(f"{name} is {value!r}; choose from {', '.join(words)}.")


def require_bool(name: str, value: Any) -> None:
    """Raise a `UserError` unless the option `name` is True or False."""
    if not isinstance(value, bool):
        raise UserError(f"{name} is {value!r}; it must be True or False.")


def require_size(name: str, value: Any) -> None:
    """Raise a `UserError` unless the option `name` is (height, width), two positive whole numbers of `MOST_PIXELS` at
    most."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    if not pair or not all(is_whole(each) and each > 0 for each in value):
        raise UserError(f"{name} is {value!r}; it must be (height, width) in pixels, for example (512, 1024).")
    if max(value) > MOST_PIXELS:
        raise UserError(f"{name} is {value!r}; height and width may have {MOST_PIXELS} pixels at most.")


def require_path(name: str, value: Any) -> None:
    """Raise a `UserError` unless `value`, which is called `name`, is a path that a file can have: not empty, without
    NUL, and no longer than the disk takes."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise UserError(f"The {name} is {value!r}; give a path.")
    try:
        os.lstat(value)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", errno.EINVAL) in (errno.EINVAL, errno.ENAMETOOLONG):
            shown = reprlib.repr(os.fspath(value))
            raise UserError(f"The {name} is {shown}, which no file can be called; give a path.") from error


def require_types(options: Any) -> None:
    """Raise a `UserError` unless every field of a dataclass has a value of the kind of its default."""
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        wanted = wanted_instead(field, value)
        if wanted:
            raise UserError(f"{field.name} is {value!r}; it must be {wanted}.")


def wanted_instead(field: dataclasses.Field, value: Any) -> str | None:
    """Return what a field of a dataclass wants in place of `value`, or None where it is of the kind of its default.

    The kinds are bool, whole number (where None is the default: or None), finite number, text, list of numbers, dict.
    A field of several kinds has these as `kinds`, and what it wants as `wanted`, in its metadata.
    """
    default = default_of(field)
    if "kinds" in field.metadata:
        return None if isinstance(value, field.metadata["kinds"]) else field.metadata["wanted"]
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if default is None or isinstance(default, int):
        return None if is_whole(value) or value is default is None else "a whole number"
    if isinstance(default, float):
        return None if is_finite(value) else "a number"
    if isinstance(default, tuple):
        fits = isinstance(value, tuple | list) and all(map(is_finite, value))
        return None if fits else "a list of numbers" + (f", such as {default}" if default else "")
    return None if isinstance(value, type(default)) else "text" if isinstance(default, str) else "a table"


def default_of(field: dataclasses.Field) -> Any:
    """Return the default of a field of a dataclass, which has one."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether `value` is a whole number, of Python or of NumPy."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Return whether `value` is a finite number."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
