"""`classes.yaml`: the classes of a folder of masks, which values of the masks they have, and what the pictures hold."""

import dataclasses

import numpy as np

from keras_liteseg.choices import is_finite
from keras_liteseg.classes import IGNORE_LABEL, ClassList
from keras_liteseg.errors import UserError, suggestion
from keras_liteseg.image_format import RGB, ImageFormat
from keras_liteseg.yaml_text import parse_yaml

BACKGROUND = "background"

UNKNOWN = -1
"""Entry of a raw-value table for values that no mask may contain."""

_KEYS = ("classes", "values", "ignore_label", "image")
_IMAGE_KEYS = ("channels", "dtype", "min", "max", "mean", "std")


@dataclasses.dataclass(frozen=True)
class Labelling:
    """What a `classes.yaml` says.

    Attributes:
        classes: a `ClassList`.
        table: int16 (256,): raw mask value to train id, `IGNORE_LABEL` or `UNKNOWN`.
        undeclared: a raw value that is ignored though the file does not say so, or None.
        colors: colours that the file gives, None for a class without.
        either: raw values of one class of which a mask may hold only one; empty where there are none.
        image_format, mean, std: as of a `SegmentationDataset`.
    """

    classes: ClassList
    table: np.ndarray
    undeclared: int | None
    colors: tuple
    either: tuple = ()
    image_format: ImageFormat = RGB
    mean: tuple | None = None
    std: tuple | None = None


def read_classes(path):
    """Return the `Labelling` of a `classes.yaml`.

        classes:
          - {name: background, color: [0, 0, 0]}
          - polyp                              # a colour is then chosen
        values: {0: background, 255: polyp}    # optional; without, the classes are numbered from 0
        ignore_label: [7, 8]                   # optional; one value or several, 255 by default
        image: {channels: 1, dtype: uint16, max: 4095, mean: [0.3], std: [0.1]}    # optional; 8-bit RGB by default

    Without `classes`, the classes are those of `values` in their order there. A single class, `classes: polyp`, has
    the background beside it, which is 0; its own value is 1 or 255, as programs write it, in every mask only one of
    them, unless `values` or `ignore_label` says what these are.

    Raises:
        UserError: the file is missing or wrong.
    """
    try:
        content = parse_yaml(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; write it, for example with 'classes: [road, car]'.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as YAML ({error}); correct it.") from error
    if isinstance(content, dict) and "classes" not in content and isinstance(content.get("values"), dict):
        names = {str(name): name for name in content["values"].values()}  # whatever these are, told further below
        content = {"classes": list(names.values()), **content}
    if isinstance(content, dict) and isinstance(content.get("classes"), str | dict):
        content = {**content, "classes": [content["classes"]]}
    if not isinstance(content, dict) or not isinstance(content.get("classes"), list) or not content["classes"]:
        raise UserError(f"{path} has no list of classes; write for example 'classes: [road, car]'.")
    _refuse_unknown_keys(path, content, _KEYS)
    written = content
    entries = [entry if isinstance(entry, dict) else {"name": entry} for entry in content["classes"]]
    names = [_class_name(path, entry) for entry in entries]
    given = tuple(entry.get("color") for entry in entries)
    alone = len(entries) == 1
    if alone:
        content, entries, given = _with_background(path, content, entries[0])
        names = [entry["name"] for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path} names the class '{name}' {names.count(name)} times; give each class its own name.")
    if len(names) > IGNORE_LABEL:
        raise UserError(f"{path} has {len(names)} classes; 8-bit masks can number at most {IGNORE_LABEL}.")
    table = np.full(256, UNKNOWN, np.int16)
    for value, name in _values(path, content, names).items():
        table[value] = names.index(name)
    declared = content.get("ignore_label")
    for value in declared if isinstance(declared, list) else [] if declared is None else [declared]:
        _require_free(path, value, table, names)
        table[value] = IGNORE_LABEL
    undeclared = IGNORE_LABEL if declared is None and table[IGNORE_LABEL] == UNKNOWN else None
    if undeclared is not None:
        table[undeclared] = IGNORE_LABEL
    either = tuple(int(value) for value in np.flatnonzero(table == 1)) if alone and "values" not in written else ()
    classes = ClassList(tuple(names), _colors(path, entries))
    either = either if len(either) > 1 else ()
    return Labelling(classes, table, undeclared, given, either, *_image(path, content.get("image")))


def _with_background(path, content, entry):
    """Return (content, classes, colours that are given) of a file that names one class alone."""
    name = entry["name"]
    if name == BACKGROUND:
        raise UserError(f"{path} has no class but '{name}'; name what is to be found, such as 'classes: polyp'.")
    values = content.get("values")
    if values is None:
        declared = content.get("ignore_label")
        ignored = declared if isinstance(declared, list) else [declared]
        values = {0: BACKGROUND, **{value: name for value in (1, 255) if value not in ignored}}
    elif isinstance(values, dict) and values and BACKGROUND not in values.values():
        values = {0: BACKGROUND, **values}
    given = None, entry.get("color")
    return {**content, "values": values}, [{"name": BACKGROUND, "color": [0, 0, 0]}, entry], given


def _image(path, image):
    """Return (`ImageFormat`, mean, std) of the entry `image`; None for a mean and std that it does not give."""
    if image is None:
        return RGB, None, None
    if not isinstance(image, dict):
        raise UserError(f"{path} has the image {image!r}; write for example 'image: {{channels: 1, dtype: uint16}}'.")
    _refuse_unknown_keys(path, image, _IMAGE_KEYS)
    try:
        image_format = ImageFormat(**{key: value for key, value in image.items() if key not in ("mean", "std")})
    except UserError as error:
        raise UserError(f"{path}, image: {error}") from error
    mean, std = image.get("mean"), image.get("std")
    if (mean is None) != (std is None):
        raise UserError(f"{path} gives one of mean and std under image; liteseg statistics prints both.")
    if mean is None:
        return image_format, None, None
    for name, values in (("mean", mean), ("std", std)):
        listed = isinstance(values, list) and len(values) == image_format.channels and all(map(is_finite, values))
        if not listed or name == "std" and min(values) <= 0:
            raise UserError(
                f"{path} gives images the {name} {values!r}; write a list of {image_format.channels} numbers"
                f"{' above 0' if name == 'std' else ''}, as liteseg statistics prints it."
            )
    return image_format, tuple(map(float, mean)), tuple(map(float, std))


def _values(path, content, names):
    """Return {raw mask value: class name}."""
    values = content.get("values")
    if values is None:
        return dict(enumerate(names))
    if not isinstance(values, dict) or not values:
        raise UserError(f"{path} has the values {values!r}; write for example 'values: {{0: {names[0]}}}'.")
    for value, name in values.items():
        if type(value) is not int or not 0 <= value <= 255:
            raise UserError(f"{path} gives '{name}' the value {value!r}; values are whole numbers from 0 to 255.")
        if name not in names:
            raise UserError(
                f"{path} gives the value {value} to '{name}', which is not among its classes; "
                f"{suggestion(str(name), names)}"
            )
    for name in names:
        if name not in values.values():
            raise UserError(f"{path} has no value for the class '{name}'; name one under values.")
    return values


def _require_free(path, value, table, names):
    if type(value) is not int or not 0 <= value <= 255:
        raise UserError(
            f"{path} has the ignore_label {value!r}; it must be a whole number from 0 to 255, or a list of these."
        )
    if table[value] not in (UNKNOWN, IGNORE_LABEL):
        example = ", ".join(f"{number}: {name}" for number, name in enumerate(names[:3], value + 1))
        raise UserError(
            f"{path} has the ignore_label {value}, which is the value of the class '{names[table[value]]}'; take "
            f"another, or say which values the classes have, for example values: {{{example}}}."
        )


def _class_name(path, entry):
    _refuse_unknown_keys(path, entry, ("name", "color"))
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"{path} has the class {name!r}; a class needs a text as name (put quotes round yes, no, 1).")
    return name


def _colors(path, entries):
    given = [entry.get("color") for entry in entries]
    for entry, color in zip(entries, given, strict=True):
        if color is not None and not _is_color(color):
            raise UserError(
                f"{path} gives '{entry['name']}' the color {color!r}; write [red, green, blue], each from 0 to 255."
            )
    used = {tuple(color) for color in given if color is not None}
    free = (color for color in map(_palette_color, range(1, 1 << 24)) if color not in used)
    return tuple(tuple(color) if color is not None else next(free) for color in given)


def _is_color(color):
    return isinstance(color, list) and len(color) == 3 and all(type(c) is int and 0 <= c <= 255 for c in color)


def _palette_color(index):
    """Return a colour of the PASCAL VOC colour map, which deals the bits of the index out to red, green and blue."""
    channels = [0, 0, 0]
    for bit in range(24):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return tuple(channels)


def _refuse_unknown_keys(path, mapping, known):
    for key in mapping:
        if key not in known:
            raise UserError(f"{path} has the unknown key '{key}'; {suggestion(str(key), known)}")
