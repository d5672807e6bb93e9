"""What the readers of exports share: what an export is, where its pictures are, what its classes are called."""

import collections
import csv
import dataclasses
import fnmatch
import functools
import json
import pathlib
import re
from collections.abc import Callable

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem, files_below
from keras_liteseg.errors import UserError
from keras_liteseg.files import suffix_of
from keras_liteseg.yaml_text import parse_yaml

UNLABELED = -1
"""Value of pixels in a label map on which nobody has drawn."""

IGNORED = -3
"""Value of pixels in a label map that are ignored: no number of a class, however many there are."""

UNKNOWN_VALUE = -2
"""Entry of a table of raw values for those that no mask may hold."""

LARGEST_VALUE = 65535
"""That a mask can hold, in 16 bits."""

BACKGROUND = "background"

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
_SPLITS |= {"test": "test", "testing": "test"}


@dataclasses.dataclass(frozen=True)
class Sample:
    """A picture and how its labels are made.

    Attributes:
        name: its path in the export without the suffix, or another name that no other sample of the split has.
        image: path of the picture, its encoded bytes, or a function that returns these.
        split: 'train', 'val' or 'test'; None where the export has no splits.
        labels: function of (height, width) of the picture that returns its label map, an integer array (height,
            width) of class numbers, `IGNORED` and `UNLABELED`. It raises `Problem`.
    """

    name: str
    image: pathlib.Path | bytes | Callable[[], bytes]
    split: str | None
    labels: Callable[[tuple[int, int]], np.ndarray]


@dataclasses.dataclass
class Export:
    """What a reader understood.

    Attributes:
        classes: list of {'name': text, 'color': [red, green, blue] or missing}, in the order of the class numbers.
        samples: list of `Sample`.
        notes: sentences about what was understood, for the user.
        drawn: whether people have drawn on the pictures, so that pixels may be `UNLABELED`; False where every pixel of
            a mask has a value that means something.
    """

    classes: list[dict]
    samples: list[Sample]
    notes: list[str]
    drawn: bool


class Source:
    """An export on disk, with what the user says about it.

    Args:
        root: folder of the export.
        images: folder of its pictures, where that is another; else None.
        classes: list of classes as `Export` has it; None where the export has to tell.
        values: {raw value of masks: number of its class}; None where they number the classes from 0.

    Attributes:
        apart: whether the user has said where the pictures are.
    """

    def __init__(self, root, images=None, classes=None, values=None):
        self.root = pathlib.Path(root)
        self.classes, self.values = classes, values
        self.apart = images is not None
        self._images = pathlib.Path(images).expanduser() if images else self.root

    def files(self, *patterns):
        """Return the sorted files of the export that match one of the patterns in any case, in any folder of it."""
        wanted = re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE)
        return [path for path in self._all if wanted.match(path.name)]

    @functools.cached_property
    def _all(self):
        """All files, sorted; walked through once, because there may be very many."""
        return [path for path in files_below(self.root, None) if path.is_file()]

    @functools.cached_property
    def pictures(self):
        """The pictures, sorted; masks that are stored as pictures are among them."""
        return files_below(self._images, IMAGE_SUFFIXES)

    @functools.cached_property
    def _by_name(self):
        return _grouped(self.pictures, lambda path: path.name)

    @functools.cached_property
    def _by_stem(self):
        return _grouped(self.pictures, lambda path: path.stem)

    def find(self, name, near=(), stem=False):
        """Return the path of a picture.

        Args:
            name: its name in the export, with or without folders.
            near: words; of several pictures of this name, the one with most of them among its folders is taken.
            stem: whether `name` comes without suffix.

        Returns:
            The path; where there is no such picture, the one that it should have.

        Raises:
            Problem: several pictures fit.
        """
        wanted = pathlib.PurePosixPath(str(name).replace("\\", "/"))
        found = (self._by_stem if stem else self._by_name).get(wanted.name, [])
        folders = wanted.parts[:-1]
        inside = [path for path in found if path.parts[:-1][len(path.parts) - 1 - len(folders) :] == folders]
        found = inside or found
        if len(found) > 1 and near:
            scores = [len(set(near) & set(self.relative(path).parts)) for path in found]
            found = [path for path, score in zip(found, scores) if score == max(scores)]
        if len(found) > 1:
            raise Problem(
                found[0], f"and {found[1]} both fit the name '{name}'", "say where the pictures are (--images)"
            )
        return found[0] if found else self._images / wanted

    def relative(self, path):
        """Return `path` below the folder of the pictures or of the export."""
        for root in (self._images, self.root):
            if path.is_relative_to(root):
                return path.relative_to(root)
        return path


def _grouped(paths, key):
    groups = collections.defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return groups


def split_of(*words):
    """Return the split that the last telling one of some words or paths names: train, val, test or None."""
    for word in reversed(re.split(r"[/\\_.\s-]+", "/".join(map(str, words)))):
        split = _SPLITS.get(re.sub(r"\d+$", "", word.lower()))
        if split:
            return split
    return None


def read_json(path):
    """Return the content of a JSON file.

    Raises:
        Problem: it cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(path, f"cannot be read as JSON ({error})", "export it again") from error


def coco_categories(contents):
    """Return {id: category} of the files of an export of COCO's form, given as {path: content}.

    Raises:
        Problem: two files call a category differently.
    """
    found = {}
    for path, content in contents.items():
        for category in content["categories"]:
            identity, name = category["id"], category["name"]
            other = found.setdefault(identity, category)["name"]
            if other != name:
                raise Problem(
                    path, f"calls category {identity} '{name}', another file '{other}'", "import the files one by one"
                )
    return found


def is_background(name):
    """Tell whether a class is called background, in one of the spellings of the tools."""
    return name.strip("_ ").lower() == BACKGROUND


def with_background_first(classes, notes):
    """Return classes so that 0 is the background, as the masks of VOC and others have it, whether listed or not."""
    if is_background(classes[0]["name"]):
        return classes
    notes.append(f"The list of classes has no {BACKGROUND}, which is 0 in these masks: added as class 0.")
    return [{"name": BACKGROUND, "color": [0, 0, 0]}, *classes]


def named(names):
    """Return a list of classes without colours."""
    return [{"name": str(name)} for name in names]


def hex_color(text):
    """Return [red, green, blue] of '#rrggbb', or None for another text."""
    match = re.fullmatch(r"#?([0-9a-fA-F]{6})", text or "")
    return list(bytes.fromhex(match[1])) if match else None


def colored(name, color):
    """Return a class with a colour, or without where `color` is None."""
    return {"name": str(name)} | ({"color": [int(channel) for channel in color]} if color is not None else {})


def read_lines(path):
    """Return the lines of a text file, whose mark at the beginning, which Windows writes, is not one of the first line.

    Raises:
        Problem: it is not in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise Problem(path, "is not in UTF-8", "save it so") from error


def read_class_list(path):
    """Return a list of classes from a file that lists them.

    Understood are classes.yaml and any YAML or JSON with 'classes', 'names' or {number: name}; lines 'name'; lines
    'name:r,g,b::' (CVAT); lines 'r g b name' (CamVid).

    Raises:
        UserError: the file cannot be read, or lists nothing.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        as_yaml = suffix_of(path) in (".yaml", ".yml", ".json")
        classes = _from_yaml(parse_yaml(text)) if as_yaml else _from_lines(text)
    except (OSError, ValueError) as error:
        raise UserError(f"The list of classes {path} cannot be read ({error}).") from error
    if not classes:
        raise UserError(f"The list of classes {path} is empty; write one name a line.")
    return classes


def read_values(path, classes):
    """Return {raw value of masks: number of its class} of a classes.yaml with 'values', else None.

    Raises:
        UserError: a class of the values is not among the classes, or a value is none that masks can have.
    """
    path = pathlib.Path(path)
    content = parse_yaml(path.read_text(encoding="utf-8-sig")) if suffix_of(path) in (".yaml", ".yml") else None
    if not isinstance(content, dict) or not isinstance(content.get("values"), dict):
        return None
    names = [entry["name"] for entry in classes]
    declared = content.get("ignore_label")
    declared = IGNORE_LABEL if declared is None else declared
    values = {}
    for value in declared if isinstance(declared, list) else [declared]:
        if not _is_mask_value(value):
            raise UserError(
                f"{path} has the ignore_label {value!r}; wanted a whole number from 0 to {LARGEST_VALUE}, or a list of "
                "these."
            )
        values[value] = IGNORED
    for value, name in content["values"].items():
        if name not in names or not _is_mask_value(value):
            raise UserError(
                f"{path} gives the value {value!r} to '{name}'; wanted a whole number from 0 to {LARGEST_VALUE} and "
                "one of its classes."
            )
        values[value] = names.index(name)
    return values


def _is_mask_value(value):
    return type(value) is int and 0 <= value <= LARGEST_VALUE


def _from_yaml(content):
    if isinstance(content, dict):
        content = content.get("classes") or content.get("names") or content.get("id2label") or content
    if isinstance(content, dict):
        try:
            content = {int(key): name for key, name in content.items()}
        except (TypeError, ValueError):
            raise ValueError("it has neither 'classes' nor 'names'") from None
        if sorted(content) != list(range(len(content))):
            raise ValueError("its numbers of classes do not run from 0 without gaps")
        content = [content[number] for number in range(len(content))]
    if not isinstance(content, list):
        raise ValueError("it has no list of classes")
    return [_class_of(entry if isinstance(entry, dict) else {"name": entry}) for entry in content]


def _class_of(entry):
    name, color = entry.get("name"), entry.get("color")
    if not isinstance(name, str | int | float) or name == "":
        raise ValueError(f"a class has the name {name!r}, where a text was wanted")
    if color is not None and not (isinstance(color, list) and len(color) == 3):
        raise ValueError(f"the class '{name}' has the color {color!r}, where [red, green, blue] was wanted")
    try:
        return colored(name, color)
    except TypeError:
        raise ValueError(f"the class '{name}' has the color {color!r}, where whole numbers were wanted") from None


def _from_lines(text):
    classes = []
    for line in text.splitlines():
        line = line.strip()
        cvat = re.fullmatch(r"([^:]*):(\d+),(\d+),(\d+):.*", line)
        camvid = re.fullmatch(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\S.*)", line)
        if cvat:
            classes.append(colored(cvat[1], cvat.groups()[1:]))
        elif camvid:
            classes.append(colored(camvid[4], camvid.groups()[:3]))
        elif line and not line.startswith("#") and line != "__ignore__":
            classes.append({"name": line})
    return classes


def pixel_values(path):
    """Return {pixel value: class name} of a `_classes.csv` of Roboflow's masks, or None for a CSV of another kind."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    if not rows or [cell.lower() for cell in rows[0]] != ["pixel value", "class"]:
        return None
    return {int(value): name for value, name in rows[1:]}


def table_of(values):
    """Return an int16 table from {raw value: class number}; other values are `UNKNOWN_VALUE`.

    Raises:
        ValueError: a value is none that a mask can hold.
    """
    for value in values:
        if not 0 <= value <= LARGEST_VALUE:
            raise ValueError(f"{value} is no value of a mask, which are whole numbers from 0 to {LARGEST_VALUE}")
    table = np.full(max(256, *values, 0) + 1, UNKNOWN_VALUE, np.int16)
    for value, number in values.items():
        table[value] = number
    return table


def numbered(count):
    """Return the table (see `table_of`) of masks that number `count` classes from 0, with 255 for what is ignored where
    no class has that number."""
    return table_of({IGNORE_LABEL: IGNORED} | {number: number for number in range(count)})
