"""What data sets share that are stored as one image file and one mask file per sample, and the user's own folder."""

import pathlib

import numpy as np
import yaml

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList, SegmentationDataset
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem, open_picture
from keras_liteseg.errors import UserError, nearest

UNKNOWN = -1
"""Entry of a raw-value table for values that no mask may contain."""


class FileDataset(SegmentationDataset):
    """Base of the data sets from files. A bad file is reported when its sample is loaded, not at construction.

    Args:
        name, split, classes: see `SegmentationDataset`.
        pairs: list of (image path, mask path). A file that is missing keeps the path it should have.
        table: int array (256,): raw mask value to train id, `IGNORE_LABEL` or `UNKNOWN`.
    """

    def __init__(self, name, split, classes, pairs, table):
        self.name, self.split, self.classes = name, split, classes
        self._pairs = [(pathlib.Path(image), pathlib.Path(mask)) for image, mask in pairs]
        self._table = np.asarray(table, np.int16)

    def __len__(self):
        return len(self._pairs)

    def pairs(self):
        """Return a list of (image path, mask path), whether the files exist or not."""
        return list(self._pairs)

    def files(self, index):
        return self._pairs[index]

    def sample_id(self, index):
        return self._pairs[index][0].stem

    def image(self, index):
        """Return the RGB image, uint8 (height, width, 3).

        Raises:
            Problem: the file is missing, unreadable or has more than 8 bits per channel.
        """
        path, mask_path = self._pairs[index]
        return np.array(open_picture(path, f"add it or remove {mask_path}").convert("RGB"))

    def mask(self, index):
        """Return the label map, uint8 (height, width), train ids and `IGNORE_LABEL`.

        Raises:
            Problem: the file is missing, unreadable, not a single-channel 8-bit image, or holds an unknown value.
        """
        image_path, path = self._pairs[index]
        mask = open_picture(path, f"add it or remove {image_path}")
        if mask.mode not in ("L", "P", "1"):
            raise Problem(
                path,
                f"has colour channels (mode {mask.mode}) where a mask has class numbers",
                "convert it to an 8-bit single-channel or palette PNG whose pixel values are the class numbers",
            )
        raw = np.asarray(mask, np.uint8)
        labels = self._table[raw]
        if (labels == UNKNOWN).any():
            raise Problem(path, *self._describe_unknown(raw))
        return labels.astype(np.uint8)

    def _describe_unknown(self, raw):
        counts = np.bincount(raw.ravel(), minlength=256)
        unknown = [value for value in np.flatnonzero(counts) if self._table[value] == UNKNOWN]
        listed = ", ".join(f"{value} ({counts[value]} pixels)" for value in unknown[:8])
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        known = ", ".join(_ranges(np.flatnonzero(self._table != UNKNOWN)))
        return f"holds label values outside {known}: {listed}{more}", "relabel these pixels or mark them as ignored"


class Folder(FileDataset):
    """A user's own data set.

    Layout: `images/SPLIT/STEM.{png,jpg,jpeg,bmp,webp}`, `masks/SPLIT/STEM.png` and `classes.yaml`:

        classes:
          - {name: road, color: [128, 64, 128]}
          - {name: car}              # or just: car; a colour is then chosen
        ignore_label: 255            # optional; pixels of this value count nowhere

    Masks are 8-bit single-channel or palette PNG whose values (palette indices) number the classes from 0.

    Raises:
        UserError: a folder or `classes.yaml` is missing or wrong, or the split has no images.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        classes, ignore_label = _read_classes(root / "classes.yaml")
        table = np.full(256, UNKNOWN)
        table[: len(classes)] = np.arange(len(classes))
        table[ignore_label] = IGNORE_LABEL
        pairs = pair_by_stem(root / "images" / split, root / "masks" / split)
        super().__init__("folder", split, classes, pairs, table)


def require_folder(data_dir):
    """Return `data_dir` as a path.

    Raises:
        UserError: it is not a folder.
    """
    path = pathlib.Path(data_dir).expanduser()
    if not path.is_dir():
        found = "is a file, not a folder" if path.exists() else "does not exist"
        raise UserError(f"The data folder {path} {found}; give the root folder of the data set.")
    return path


def pair_by_stem(image_dir, mask_dir):
    """Return the sorted (image path, mask path) of the images in one folder and the PNG masks in another.

    An image without a mask, or a mask without an image, is listed too; the missing file has the path it should have.

    Raises:
        UserError: there is no image, or two files of a folder have the same stem.
    """
    images, masks = _by_stem(image_dir, IMAGE_SUFFIXES), _by_stem(mask_dir, (".png",))
    if not images:
        pattern = f"{image_dir}/*{{{','.join(IMAGE_SUFFIXES)}}}"
        raise UserError(f"No image matches {pattern}; put the images of the split there or choose another split.")
    return [
        (images.get(stem, image_dir / f"{stem}.png"), masks.get(stem, mask_dir / f"{stem}.png"))
        for stem in sorted(images.keys() | masks.keys())
    ]


def _by_stem(folder, suffixes):
    found = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise UserError(f"{found[path.stem]} and {path} have the same stem; rename or remove one of them.")
            found[path.stem] = path
    return found


def _read_classes(path):
    """Return (`ClassList`, ignore label) from `classes.yaml`."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; write it, for example with 'classes: [road, car]'.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}); correct it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("classes"), list) or not content["classes"]:
        raise UserError(f"{path} has no list of classes; write for example 'classes: [road, car]'.")
    _refuse_unknown_keys(path, content, ("classes", "ignore_label"))
    entries = [entry if isinstance(entry, dict) else {"name": entry} for entry in content["classes"]]
    names = [_class_name(path, entry) for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path} names the class '{name}' {names.count(name)} times; give each class its own name.")
    if len(names) > IGNORE_LABEL:
        raise UserError(f"{path} has {len(names)} classes; 8-bit masks can number at most {IGNORE_LABEL}.")
    ignore_label = content.get("ignore_label", IGNORE_LABEL)
    if type(ignore_label) is not int or not len(names) <= ignore_label <= 255:
        raise UserError(
            f"{path} has the ignore_label {ignore_label!r}; it must be a whole number from {len(names)} (the first "
            f"that is no class) to 255."
        )
    return ClassList(tuple(names), _colors(path, entries)), ignore_label


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
            raise UserError(f"{path} has the unknown key '{key}'; did you mean {nearest(str(key), known)}?")


def _ranges(values):
    """Return sorted whole numbers as texts of runs: [0, 1, 2, 255] gives ['0-2', '255']."""
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
