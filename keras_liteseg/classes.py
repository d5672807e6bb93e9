"""Classes of a segmentation: what data sets, metrics and model files alike must know of them."""

import dataclasses
import itertools
from typing import Any

from keras_liteseg.errors import UserError

IGNORE_LABEL = 255
"""The value of pixels that count neither in the loss nor in any metric, in every data set after loading."""

_SHOWN = 3  # differences that a message tells


@dataclasses.dataclass(frozen=True)
class ClassList:
    """Names and display colours (RGB, 0 to 255) of the classes, in the order of their train ids.

    Raises:
        UserError: the names are no texts or two are the same, or a colour is none or missing.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        names, colors = self.names, self.colors
        if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"The names of the classes are {names!r}; give a tuple of texts, such as ('road', 'car').")
        if len(set(names)) < len(names):
            twice = next(name for name in names if list(names).count(name) > 1)
            raise UserError(f"The names of the classes have '{twice}' twice; give each class a name of its own.")
        if not isinstance(colors, tuple | list) or len(colors) != len(names) or not all(map(_is_color, colors)):
            raise UserError(
                f"The colors of {len(names)} classes are {colors!r}; give as many, each of three whole numbers from 0 "
                "to 255 (red, green, blue)."
            )
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "colors", tuple(tuple(map(int, color)) for color in colors))

    def __len__(self) -> int:
        return len(self.names)


def _is_color(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 3 and all(each in range(256) for each in value)


def difference(first: ClassList, second: ClassList) -> str:
    """Return how the names or the order of two lists of classes differ, as a clause such as "class 0 is 'road' in the
    first and 'car' in the second"; '' where they do not."""
    pairs = enumerate(itertools.zip_longest(first.names, second.names))
    found = [
        f"class {number} is {_quoted(one)} in the first and {_quoted(other)} in the second"
        for number, (one, other) in pairs
        if one != other
    ]
    if not found:
        return ""
    more = f", and {len(found) - _SHOWN} more differ" if len(found) > _SHOWN else ""
    order = "the same classes in another order: " if sorted(first.names) == sorted(second.names) else ""
    return order + ", ".join(found[:_SHOWN]) + more


def listed(classes: ClassList) -> str:
    """Return '19 classes (road, sidewalk, building, wall, ...)', or '1 class (road)'."""
    names = ", ".join(classes.names[:4])
    return f"{len(classes)} class{'es' * (len(classes) != 1)} ({names}{', ...' if len(classes) > 4 else ''})"


def _quoted(name: str | None) -> str:
    return "missing" if name is None else f"'{name}'"
