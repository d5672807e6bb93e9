"""Masks of class numbers or of colours, in any of the usual layouts.

Masks lie in a folder of their own (masks, labels, annotations, ann_dir, gt, ...), or beside the pictures with a suffix
to the name (NAME_mask.png). Where --images says which folder has the pictures, that of the masks may have any name.
MMSegmentation's img_dir and ann_dir are of this kind. PNG of 1, 2, 4, 8 and 16 bits, TIFF and BMP are read. Classes
come from a list in the export or from --classes.
"""

import collections
import functools

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import (
    UNLABELED,
    Export,
    Sample,
    named,
    numbered,
    read_class_list,
    split_of,
    table_of,
)
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

TITLE = "masks of class numbers or colours, in a folder of their own or beside the pictures"
_MASK_FOLDERS = set(
    """mask masks label labels labelids annotation annotations ann anns ann_dir gt gts groundtruth ground_truth
    segmentation segmentations semantic semantic_masks seg segs trainannot valannot testannot labels_colored""".split()
)
_PICTURE_FOLDERS = set("image images img imgs img_dir jpegimages pictures photos rgb".split())
_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif", ".jpg", ".jpeg")
_LISTS = """classes.yaml classes.txt class_names.txt labels.txt names.txt labelmap.txt label_colors.txt classes.json
id2label.json""".split()


def recognised(source):
    return bool(_pairs(source)[0])


def _pairs(source):
    """Return (list of (picture, mask, key), sentence about the layout, masks without picture)."""
    files = source.files(*(f"*{suffix}" for suffix in _MASK_SUFFIXES))
    masks = {path for path in files if _folders(source, path) & _MASK_FOLDERS}
    if not masks and source.apart:  # whatever the folder of the masks is called, and it may be the export itself
        masks = set(files).difference(source.pictures)
    pictures = [path for path in source.pictures if path not in masks]
    if masks:
        by_key = _by_key(source, pictures)
        suffix = _suffix([_key(source, path) for path in masks], by_key)
        found = [
            (by_key.get(_cut(_key(source, path), suffix)), path, _cut(_key(source, path), suffix)) for path in masks
        ]
        layout = "Masks are in a folder of their own" + (f" and are named NAME{suffix}." if suffix else ".")
    else:
        keys = _by_key(source, pictures)
        suffix = _suffix(list(keys), keys, beside=True)
        if not suffix:
            return [], "", []
        found = [
            (keys.get(_cut(key, suffix)), path, _cut(key, suffix)) for key, path in keys.items() if key.endswith(suffix)
        ]
        layout = f"Masks are beside the pictures and are named NAME{suffix}."
    pairs = sorted((entry for entry in found if entry[0]), key=lambda entry: entry[2])
    return pairs, layout, [mask for picture, mask, _ in found if not picture]


def _by_key(source, pictures):
    """Return {key: path} of pictures.

    Raises:
        Problem: two have the same key, so that nobody knows whose a mask is.
    """
    found = {}
    for path in pictures:
        other = found.setdefault(_key(source, path), path)
        if other != path:
            raise Problem(other, f"and {path} have the same name, and a mask belongs to one", "rename or remove one")
    return found


def _folders(source, path):
    return {part.lower() for part in path.relative_to(source.root).parts[:-1]}


def _key(source, path):
    """Return what picture and mask have in common: the path without folders of either kind and without suffix."""
    parts = source.relative(path).with_suffix("").parts
    folders = [part.removesuffix("annot") for part in parts[:-1]]  # SegNet's trainannot is the folder of train
    kept = [part for part in folders if part.lower() not in _MASK_FOLDERS | _PICTURE_FOLDERS]
    return "/".join([*kept, parts[-1]])


def _cut(key, suffix):
    return key.removesuffix(suffix) if suffix else key


def _suffix(masks, pictures, beside=False):
    """Return the ending that turns names of pictures into names of masks; '' where they are the same."""
    if not beside and any(key in pictures for key in masks):
        return ""
    endings = collections.Counter()
    for key in masks:
        for length in range(1, len(key.rpartition("/")[2])):
            if key[:-length] in pictures and not (beside and key[-length].isalnum()):
                endings[key[-length:]] += 1
                break
    return endings.most_common(1)[0][0] if endings else ""


def read(source):
    pairs, layout, lonely = _pairs(source)
    if not pairs:
        raise UserError(f"No mask in {source.root} has a picture of the same name; see docs/datasets.md for layouts.")
    if lonely:
        raise Problem(
            lonely[0], f"and {len(lonely) - 1} more masks have no picture", "add the pictures or remove the masks"
        )
    notes = [layout]
    classes = source.classes or _listed(source, notes)
    draw, classes, drawn = _reader(source, [mask for _, mask, _ in pairs], classes, notes)
    samples = [
        Sample(key, picture, split_of(*key.split("/")[:-1]), functools.partial(draw, mask))
        for picture, mask, key in pairs
    ]
    taken = {path for picture, mask, _ in pairs for path in (picture, mask)}
    left = [path for path in source.pictures if path not in taken]
    if left:
        notes.append(f"Left out {len(left)} pictures without a mask, such as {source.relative(left[0])}.")
    return Export(classes, samples, notes, drawn)


def _listed(source, notes):
    for name in _LISTS:
        for path in source.files(name):
            notes.append(f"The classes are those of {source.relative(path)}.")
            return read_class_list(path)
    return None


def _reader(source, masks, classes, notes):
    """Return (function of (mask path, size), classes, `Export.drawn`): how the values of the masks are understood."""
    if _is_colored(masks[0]):
        if not classes or not all(entry.get("color") for entry in classes):
            raise UserError(
                f"The masks of {source.root} hold colours; list the classes with theirs in a file for --classes, "
                f"such as 'classes: [{{name: road, color: [128, 64, 128]}}]'."
            )
        notes.append("Masks hold the colours of the classes.")
        drawn = any((rasters.by_colors(path, classes) == UNLABELED).any() for path in masks)
        return (lambda path, size: rasters.by_colors(path, classes)), classes, drawn
    colors = [entry.get("color") for entry in classes or ()]
    colors = colors if colors and all(colors) else None
    if not colors:
        rasters.require_one_palette(masks)
    values = sorted({int(value) for path in masks for value in np.unique(rasters.numbers(path, colors))})
    highest = 2 ** rasters.bits(masks[0]) - 1
    binary = set(values) <= {0, 255} or set(values) <= {0, highest}
    if classes is None:
        if not binary:
            listed = ", ".join(map(str, values[:20])) + (", ..." if len(values) > 20 else "")
            raise UserError(
                f"The masks of {source.root} hold the values {listed}, and nothing says what they are; name "
                f"0, 1, 2, ... with --classes, for example --classes background,road,car."
            )
        classes = named(["background", "foreground"])
        notes.append("Nothing names the classes; --classes background,NAME does.")
    if source.values:
        notes.append("The values of the masks are those that the list of classes gives.")
        table = table_of(source.values)
    elif binary and len(classes) == 2 and values[-1] > 1:
        notes.append(f"The masks hold 0 and {values[-1]} alone: {values[-1]} is the class '{classes[1]['name']}'.")
        table = table_of({0: 0, values[-1]: 1})
    else:
        table = numbered(len(classes))
        notes.append(f"Masks number the classes from 0; {IGNORE_LABEL} is ignored.")
    return (lambda path, size: rasters.by_table(path, rasters.numbers(path, colors), table)), classes, False


def _is_colored(path):
    image = rasters.open_raster(path)
    if image.mode not in ("RGB", "RGBA"):
        return False
    channels = np.asarray(image.convert("RGB"))
    return bool((channels != channels[..., :1]).any())
