"""Pascal VOC's layout: SegmentationClass, JPEGImages, ImageSets/Segmentation.

VOC itself, CVAT's "Segmentation mask 1.1", labelme2voc and others write it. Palette masks hold the number of a class, 0
for the background and 255 for what is ignored. CVAT's are in the colours of labelmap.txt, and a picture without
annotation is listed and has no mask: it is all background.
"""

import collections
import functools
import pathlib

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import (
    UNLABELED,
    Export,
    Sample,
    is_background,
    named,
    numbered,
    read_class_list,
    read_lines,
    split_of,
    with_background_first,
)
from keras_liteseg.errors import UserError

TITLE = "Pascal VOC's layout (also CVAT 'Segmentation mask 1.1' and labelme2voc)"
_FOLDER = "SegmentationClass"
_NAMES = """background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person
pottedplant sheep sofa train tvmonitor""".split()


def recognised(source):
    return bool(_masks(source))


def _masks(source):
    return [path for path in source.files("*.png") if _FOLDER in path.parts]


def read(source):
    masks = _masks(source)
    if not masks:
        raise UserError(f"There is no PNG file in a folder {_FOLDER} of {source.root}.")
    folder = next(parent for parent in masks[0].parents if parent.name == _FOLDER)
    by_name = {str(path.relative_to(folder).with_suffix("")): path for path in masks if path.is_relative_to(folder)}
    labelmap = next(iter(source.files("labelmap.txt")), None)
    notes = []
    if labelmap:
        if source.classes:
            raise UserError(f"The classes are those of {labelmap}; leave out --classes.")
        classes = read_class_list(labelmap)
        if not any(is_background(entry["name"]) for entry in classes):
            notes.append(f"{labelmap.name} lists no background; black pixels count as unlabelled.")
    else:
        classes = with_background_first(_classes(source), notes)
        notes.append(f"Value 0 is the background, {IGNORE_LABEL} is ignored.")
        rasters.require_one_palette(masks)
    listed = _listed(folder.parent, notes)
    by_stem = collections.defaultdict(list)
    for path in source.pictures:
        if not any(part.startswith("Segmentation") for part in source.relative(path).parts[:-1]):
            by_stem[path.stem].append(path)
    samples = []
    for name in sorted(by_name if listed is None else listed):
        picture = _picture(by_stem, name, folder)
        draw = functools.partial(_draw, by_name.get(name), classes, bool(labelmap))
        samples.append(Sample(name, picture, listed[name] if listed is not None else split_of(name), draw))
    without = sum(sample.name not in by_name for sample in samples)
    if without:
        notes.append(f"{without} listed pictures have no mask: nothing is labelled in them.")
    if listed is not None and by_name.keys() - listed.keys():
        notes.append(f"Left out {len(by_name.keys() - listed.keys())} masks that no list of ImageSets names.")
    return Export(classes, samples, notes, drawn=bool(labelmap or without))


def _classes(source):
    if source.classes:
        return source.classes
    for name in ("class_names.txt", "labels.txt", "classes.txt"):
        for path in source.files(name):
            return read_class_list(path)
    if any(
        part.startswith("VOC20") for part in (*source.root.parts, *(path.name for path in source.root.rglob("VOC20*")))
    ):
        return named(_NAMES)
    raise UserError(
        f"{source.root} does not tell the names of its classes (labelmap.txt or class_names.txt); give them with "
        f"--classes, for example --classes background,road,car."
    )


def _listed(root, notes):
    """Return {name: split} of the lists of ImageSets/Segmentation, or None where there are none."""
    lists = sorted((root / "ImageSets" / "Segmentation").glob("*.txt"))
    if not lists:
        return None
    wanted = [path for path in lists if path.stem in ("train", "val", "test")]
    if not wanted:
        wanted = [path for path in lists if path.stem == "default"] or lists
    listed = {}
    for path in wanted:
        for line in read_lines(path):
            if line.strip():
                listed.setdefault(line.strip(), split_of(path.stem))
    notes.append(f"The splits are those of {', '.join(path.name for path in wanted)} in ImageSets/Segmentation.")
    return listed


def _picture(by_stem, name, folder):
    """Return the picture of a name of the lists, which may have folders, as those of CVAT do."""
    found = by_stem.get(pathlib.PurePosixPath(name).name, [])
    inside = [path for path in found if path.with_suffix("").as_posix().endswith(f"/{name}")]
    return (inside or found or [folder.parent / "JPEGImages" / f"{name}.jpg"])[0]


def _draw(path, classes, in_colors, size):
    if path is None:
        return np.full(size, UNLABELED, np.int16)
    if in_colors:
        return rasters.by_colors(path, classes)
    return rasters.by_table(path, rasters.numbers(path), numbered(len(classes)))
