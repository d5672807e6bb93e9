"""Reading masks: pictures whose pixel values are class numbers."""

import cv2
import numpy as np

from keras_liteseg.classes import IGNORE_LABEL
from keras_liteseg.datasets.classes_file import UNKNOWN
from keras_liteseg.datasets.pictures import Problem, open_picture

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY = 0  # colour type of a PNG


def read_mask(path, cure_if_missing="check the path"):
    """Return (raw values, uint8 (height, width); bits per value in the file).

    Raises:
        Problem: the file is missing, unreadable, or not a single-channel image of up to 8 bits.
    """
    mask = open_picture(path, cure_if_missing)
    if mask.mode not in ("L", "P", "1"):
        raise Problem(
            path,
            f"has colour channels (mode {mask.mode}) where a mask has class numbers",
            "convert it to an 8-bit single-channel or palette PNG whose pixel values are the class numbers",
        )
    bits = _grey_bits(path)
    raw = np.asarray(mask, np.uint8)
    # Pillow spreads the 4 or 16 values of such a file over 0 to 255, those of a file of 1 bit not.
    return raw // _spread(bits) if bits in (2, 4) else raw, bits


def to_labels(path, raw, bits, table):
    """Return the label map, uint8 (height, width), of raw values by a table as `classes_file.Labelling` has.

    A file of fewer than 8 bits holds numbers, or what a PNG optimiser made of 8 bits, such as 1 for 255. It is read as
    numbers where these are known, else as the others.

    Raises:
        Problem: a value is unknown, or both readings are possible and differ.
    """
    labels = table[raw]
    spread = raw * _spread(bits)
    if bits < 8:
        others = table[spread]
        if _known(others) and (not _known(labels)):
            return others.astype(np.uint8)
        # 255, white, is a class of its own in few sets, so that all others are free of this doubt.
        doubtful = (spread == 255) & (others != IGNORE_LABEL) & (others != labels)
        if _known(labels) and _known(others) and doubtful.any():
            raise Problem(
                path,
                f"has {bits} bits for each pixel, so that {raw.max()} may mean {raw.max()} or, made from 8 bits, 255, "
                "which are both classes",
                "save it with 8 bits for each pixel",
            )
    if not _known(labels):
        raise Problem(path, *_describe_unknown(raw, table))
    return labels.astype(np.uint8)


def solid(where):
    """Return whether a bool map (height, width) has a square that is True altogether: an eighth of the map's shorter
    side, from 3 to 15 pixels. Borders of objects, such as those of Pascal VOC, have none."""
    side = min(max(min(where.shape) // 8 | 1, 3), 15)
    return bool(cv2.erode(where.astype(np.uint8), np.ones((side, side), np.uint8)).any())


def _known(labels):
    return not (labels == UNKNOWN).any()


def _spread(bits):
    return 255 // (2**bits - 1)


def _grey_bits(path):
    """Return the bits for each pixel of a grey PNG, and 8 of every other file."""
    with open(path, "rb") as file:
        head = file.read(26)
    return head[24] if head.startswith(_PNG) and head[25] == _GREY else 8


def _describe_unknown(raw, table):
    counts = np.bincount(raw.ravel(), minlength=256)
    unknown = [value for value in np.flatnonzero(counts) if table[value] == UNKNOWN]
    listed = ", ".join(f"{value} ({counts[value]} pixels)" for value in unknown[:8])
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    known = ", ".join(_ranges(np.flatnonzero(table != UNKNOWN)))
    return f"holds label values outside {known}: {listed}{more}", "relabel these pixels or mark them as ignored"


def _ranges(values):
    """Return sorted whole numbers as texts of runs: [0, 1, 2, 255] gives ['0-2', '255']."""
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
