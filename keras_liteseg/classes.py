"""Classes of a segmentation: what data sets, metrics and model files alike must know of them."""

import dataclasses
import itertools

IGNORE_LABEL = 255
"""The value of pixels that count neither in the loss nor in any metric, in every data set after loading."""

_SHOWN = 3  # differences that a message tells


@dataclasses.dataclass(frozen=True)
class ClassList:
    """Names and display colours (RGB, 0 to 255) of the classes, in the order of their train ids."""

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)


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
