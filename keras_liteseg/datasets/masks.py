"""Reading masks: pictures whose pixel values are class numbers."""

import dataclasses

import cv2
import numpy as np
from PIL import Image

from keras_liteseg.classes import IGNORE_LABEL
from keras_liteseg.datasets.classes_file import UNKNOWN
from keras_liteseg.datasets.jpeg_traces import was_jpeg
from keras_liteseg.datasets.pictures import Problem, open_picture

_PNG, _JPEG, _LOSSY_WEBP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"WEBPVP8 "
_TIFF, _GIF = (b"II*\0", b"MM\0*"), b"GIF8"
_GREY = 0  # colour type of a PNG
_BITS, _COMPRESSION, _LOSSY_TIFF = 258, 259, (6, 7, 34892, 50001)  # tags of TIFF; JPEG, JPEG, lossy JPEG, WebP
_COUNTED = 2**22  # pixels that are counted at once: OpenCV counts in float32, which is exact up to four times as many
_ANEW = "save the mask as PNG from where it was drawn; a copy of this file has the same faults"


@dataclasses.dataclass(frozen=True)
class Mask:
    """What a file of a mask holds.

    Attributes:
        raw: values, uint8 (height, width); of a palette image its indices.
        bits: for each value in the file.
        palette: RGB colours by index, uint8 (n, 3), or None.
    """

    raw: np.ndarray
    bits: int
    palette: np.ndarray | None


def read_mask(path, cure_if_missing="check the path"):
    """Return the `Mask` of a file.

    Raises:
        Problem: the file is missing, unreadable, lossily compressed, whatever its suffix says, holds several pictures,
            or is not a single-channel image of up to 8 bits.
    """
    mask = open_picture(path, cure_if_missing)
    with open(path, "rb") as file:
        head = file.read(26)
    bits, lossy, frames = _of_header(path, head)
    if lossy:
        raise Problem(path, "is compressed as a photo, which makes classes along the borders that nobody drew", _ANEW)
    if frames > 1:
        raise Problem(path, f"holds {frames} pictures where a mask is one", "save each as a file of its own")
    if mask.mode not in ("L", "P", "1"):
        raise Problem(
            path,
            f"has colour channels (mode {mask.mode}) where a mask has class numbers",
            "convert it to an 8-bit single-channel or palette PNG whose pixel values are the class numbers, as liteseg "
            "import does for masks in the colours of the classes",
        )
    raw = np.asarray(mask, np.uint8)
    # Pillow spreads the 4 or 16 values of such a file over 0 to 255, those of a file of 1 bit not.
    raw = raw // _spread(bits) if bits in (2, 4) else raw
    palette = np.uint8(mask.getpalette("RGB")).reshape(-1, 3) if mask.mode == "P" else None
    return Mask(raw, bits, palette)


def _of_header(path, head):
    """Return (bits of a grey value, whether it is compressed with loss, number of pictures) of a readable file."""
    if head.startswith(_PNG):
        return head[24] if head[25] == _GREY else 8, False, 1
    if head.startswith(_TIFF):
        with Image.open(path) as file:
            bits = file.tag_v2.get(_BITS, (8,))[0] if file.mode in ("1", "L") else 8
            return bits, file.tag_v2.get(_COMPRESSION) in _LOSSY_TIFF, file.n_frames
    if head.startswith(_GIF):
        with Image.open(path) as file:
            return 8, False, file.n_frames
    return 8, head.startswith(_JPEG) or head[8:16] == _LOSSY_WEBP, 1


def to_labels(path, mask, table, names, colors=()):
    """Return the label map, uint8 (height, width), of a `Mask` by a table as `classes_file.Labelling` has.

    PNG optimisers keep what a picture looks like and number its values anew: 255 becomes 1 in a file of 1 bit, grey 3
    the second colour of a palette. So a file has a second reading, by its greys, where it has fewer than 8 bits or a
    palette of greys, and is read so where its numbers are no values of the table.

    Args:
        path: the file, for messages.
        mask: what it holds.
        table: int16 (256,): raw value to train id, `IGNORE_LABEL` or `UNKNOWN`.
        names: of the classes.
        colors: colours of the classes, where somebody chose them; None for a class without.

    Raises:
        Problem: a value is unknown, both readings are possible and differ, a palette has the colours of the classes
            for other numbers, or the mask went through JPEG.
    """
    counts = count_values(mask.raw)
    used = np.flatnonzero(counts)
    if mask.bits == 8 and was_jpeg(mask.raw):
        raise Problem(path, "went through JPEG, which made classes along the borders that nobody drew", _ANEW)
    greys = _greys(mask, used)
    labels = table[used]
    others = labels if greys is None else table[greys[used]]
    if not _known(labels):
        if not _known(others):
            raise Problem(path, *_describe_unknown(counts, table))
        return cv2.LUT(mask.raw, table[greys].astype(np.uint8))
    if _known(others):
        doubtful = (others != labels) & (others != IGNORE_LABEL)
        if mask.palette is None:
            # White is a class of its own in few sets, so that all others are free of this doubt.
            doubtful &= greys[used] == 255 if greys is not None else False
        if doubtful.any():
            value, label, other = next(zip(used[doubtful], labels[doubtful], others[doubtful]))
            _refuse(path, names, value, label, f"their grey {greys[value]}", other)
    _compare_colors(path, mask, used, table, names, colors)
    return cv2.LUT(mask.raw, table.astype(np.uint8))


def count_values(raw):
    """Return how many pixels of a map, uint8 (height, width), have each value, int64 (256,)."""
    raw, counts = raw.reshape(-1), np.zeros(256, np.int64)
    for start in range(0, raw.size, _COUNTED):
        strip = raw[start : start + _COUNTED]
        counts += cv2.calcHist([strip], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts


def _greys(mask, used):
    """Return the grey of each value, uint8 (256,), or None where the greys are the values or the colours no greys."""
    if mask.palette is None:
        return None if mask.bits == 8 else (np.arange(256) * _spread(mask.bits)).astype(np.uint8)
    colors = mask.palette[used[used < len(mask.palette)]]
    if len(colors) < len(used) or (colors != colors[:, :1]).any() or (colors[:, 0] == used).all():
        return None
    greys = np.zeros(256, np.uint8)
    greys[used] = colors[:, 0]
    return greys


def _compare_colors(path, mask, used, table, names, colors):
    """Refuse a palette whose colours are all those of classes, but for other numbers."""
    if mask.palette is None or not any(colors):
        return
    ids = {tuple(color): train_id for train_id, color in enumerate(colors) if color is not None}
    values = [int(value) for value in used if table[value] != IGNORE_LABEL]
    named = [ids.get(tuple(mask.palette[value].tolist())) if value < len(mask.palette) else None for value in values]
    if None in named:
        return
    for value, other in zip(values, named):
        if table[value] != other:
            color = tuple(mask.palette[value].tolist())
            _refuse(path, names, value, table[value], f"their colour {color} in the palette", other)


def _refuse(path, names, value, label, how, other):
    label, other = ("ignored" if each == IGNORE_LABEL else f"'{names[each]}'" for each in (label, other))
    raise Problem(
        path,
        f"has pixels that are {label} by their value {value} and {other} by {how}; some program has numbered the "
        "values anew",
        "save the mask from where it was drawn, as an 8-bit single-channel PNG",
    )


def solid(where):
    """Return whether a bool map (height, width) has a square that is True altogether: an eighth of the map's shorter
    side, from 3 to 15 pixels. Borders of objects, such as those of Pascal VOC, have none."""
    side = min(max(min(where.shape) // 8 | 1, 3), 15)
    return bool(cv2.erode(where.astype(np.uint8), np.ones((side, side), np.uint8)).any())


def _known(labels):
    return not (labels == UNKNOWN).any()


def _spread(bits):
    return 255 // (2**bits - 1)


def _describe_unknown(counts, table):
    unknown = [value for value in np.flatnonzero(counts) if table[value] == UNKNOWN]
    listed = ", ".join(f"{value} ({counts[value]} pixels)" for value in unknown[:8])
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    known = ", ".join(_ranges(np.flatnonzero(table != UNKNOWN)))
    cure = "relabel these pixels or mark them as ignored"
    if more and counts[unknown].sum() < counts.sum() / 4:
        cure = f"where they lie along borders, the mask went through JPEG or was resized smoothly: {_ANEW}"
    return f"holds label values outside {known}: {listed}{more}", cure


def _ranges(values):
    """Return sorted whole numbers as texts of runs: [0, 1, 2, 255] gives ['0-2', '255']."""
    runs = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
