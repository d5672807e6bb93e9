"""Reading label maps that are stored as pictures, without the changes that image libraries make to their values."""

import io

import numpy as np
from PIL import Image

from keras_liteseg.datasets.formats.base import UNKNOWN_VALUE, UNLABELED
from keras_liteseg.datasets.jpeg_traces import was_jpeg
from keras_liteseg.datasets.pictures import Problem, unreadable


def open_raster(path):
    """Return the decoded Pillow image of a mask, a path or encoded bytes.

    Raises:
        Problem: it is missing, unreadable, was stored with loss, or holds several pictures.
    """
    try:
        image = Image.open(io.BytesIO(path) if isinstance(path, bytes) else path)
        image.load()
    except FileNotFoundError:
        raise Problem(path, "does not exist", "add it, or remove what belongs to it") from None
    except Exception as error:  # Pillow has no common error
        raise unreadable(_shown(path), error) from error
    if image.format == "JPEG":
        raise Problem(
            _shown(path),
            "is a mask that was stored as JPEG, which invents classes at every outline",
            "export it as PNG",
        )
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise Problem(_shown(path), f"holds {pages} pictures where a mask is one", "save each as a file of its own")
    return image


def _shown(path):
    return "A mask" if isinstance(path, bytes) else path


def numbers(path, colors=None):
    """Return the values of a mask as they were written, int32 (height, width).

    PNG of 1, 2, 4, 8 and 16 bits hold what is in the file. A palette mask holds indices, but where a program that
    makes files smaller has renumbered them: then the colours, or the grey of them, are what is left of the labels.
    Where red, green and blue are equal, they are one value.

    Args:
        path: path or encoded bytes.
        colors: colours of the classes, in their order, where they are known.

    Raises:
        Problem: as `open_raster`; it has colours that are no numbers, or was stored as JPEG before.
    """
    image = open_raster(path)
    if image.mode in ("L", "P") and was_jpeg(np.asarray(image)):
        raise Problem(
            _shown(path),
            "is a mask that went through JPEG, which made classes along the borders that nobody drew",
            "export it again, as PNG; a copy of this file has the same faults",
        )
    if image.mode == "P":
        return _indices(image, colors)
    if image.mode in ("RGB", "RGBA", "LA"):
        channels = np.asarray(image.convert("RGB"))
        if (channels != channels[..., :1]).any():
            raise Problem(
                _shown(path),
                "holds colours where numbers of classes were expected",
                "give the classes with their colours",
            )
        return channels[..., 0].astype(np.int32)
    if image.mode == "F":
        raise Problem(_shown(path), "holds fractions where numbers of classes were expected", "export it as PNG")
    values = np.asarray(image).astype(np.int32)
    return values // (255 // (2 ** bits(path) - 1)) if image.mode == "L" and bits(path) < 8 else values


def bits(path):
    """Return the bits of a pixel of a grey PNG, 8 for every other file. Pillow spreads 2 and 4 bits over 0 to 255."""
    head = path[:26] if isinstance(path, bytes) else _head(path)
    return head[24] if head[:8] == b"\x89PNG\r\n\x1a\n" and head[25] == 0 else 8


def _head(path):
    with open(path, "rb") as file:
        return file.read(26)


def require_one_palette(paths):
    """Refuse palette masks that show one number in several colours: then it means something else in each of them.

    Masks of greys, whose number is their colour, are left to `numbers`.

    Raises:
        Problem: as `open_raster`; two masks differ.
    """
    shown = {}
    for path in paths:
        image = open_raster(path)
        if image.mode != "P":
            continue
        palette = np.array(image.getpalette("RGB")).reshape(-1, 3)
        used = [index for index in np.unique(np.asarray(image)) if index < len(palette)]
        if (palette[used] == palette[used][:, :1]).all():
            continue
        for index in used:
            color = tuple(palette[index].tolist())
            first, where = shown.setdefault(index, (color, path))
            if first != color:
                raise Problem(
                    path,
                    f"shows number {index} in the colour {color}, and {where.name} in {first}, so that it is not one "
                    "class: Supervisely numbers objects so, and programs that make PNG files smaller do",
                    "export masks of classes, or the tool's own format",
                )


def _indices(image, colors):
    indices = np.asarray(image).astype(np.int32)
    palette = np.array(image.getpalette("RGB"), np.int32).reshape(-1, 3)
    used = np.unique(indices)
    used = used[used < len(palette)]
    seen = palette[used]
    if colors is not None and not all(_agrees(colors, index, palette[index]) for index in used):
        renumbered = {tuple(color): number for number, color in enumerate(colors)}
        if all(tuple(color) in renumbered for color in seen):
            table = np.arange(256)
            table[used] = [renumbered[tuple(color)] for color in seen]
            return table[indices]
    elif colors is not None:
        return indices
    if (seen == seen[:, :1]).all() and (seen[:, 0] != used).any():
        return palette[indices, 0]
    return indices


def _agrees(colors, index, color):
    """Tell whether an entry of a palette is the colour of the class of its number, or belongs to no class."""
    return index >= len(colors) or tuple(colors[index]) == tuple(color)


def by_table(path, values, table, cure="give the list of all classes"):
    """Return class numbers from raw values by a table (256,) of `base.table_of`.

    Raises:
        Problem: a value is not in the table.
    """
    inside = (values >= 0) & (values < len(table))
    labels = np.where(inside, table[np.where(inside, values, 0)], UNKNOWN_VALUE)
    _refuse_unknown(path, values, labels == UNKNOWN_VALUE, cure)
    return labels


def _refuse_unknown(path, values, unknown, cure):
    if unknown.any():
        found, counts = np.unique(values[unknown], return_counts=True)
        listed = ", ".join(f"{value} ({count} pixels)" for value, count in list(zip(found, counts))[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise Problem(_shown(path), f"holds values that are no class: {listed}{more}", cure)


def by_colors(path, classes):
    """Return class numbers from a mask in the colours of the classes; black that no class has is `UNLABELED`.

    Raises:
        Problem: as `open_raster`; a colour is not among those of the classes.
    """
    rgb = np.asarray(open_raster(path).convert("RGB")).astype(np.int32)
    codes = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    known = {0: UNLABELED}
    for number, entry in enumerate(classes):
        if entry.get("color") is not None:
            red, green, blue = entry["color"]
            known[red << 16 | green << 8 | blue] = number
    found, inverse = np.unique(codes, return_inverse=True)
    strange = [code for code in found if int(code) not in known]
    if strange:
        counts = dict(zip(*np.unique(codes[np.isin(codes, strange)], return_counts=True)))
        worst = sorted(strange, key=lambda code: -counts[code])
        listed = ", ".join(f"({c >> 16}, {c >> 8 & 255}, {c & 255}) on {counts[c]} pixels" for c in worst[:5])
        raise Problem(
            _shown(path),
            f"has {len(strange)} colours that are of no class: {listed}",
            "add their classes; where there are very many, the mask was resized smoothly or saved as JPEG",
        )
    return np.array([known[int(code)] for code in found], np.int16)[inverse].reshape(codes.shape)
