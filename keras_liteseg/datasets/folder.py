"""What data sets share that are stored as one image file and one mask file per sample, and the user's own folder."""

import pathlib

import numpy as np

from keras_liteseg.datasets.base import SegmentationDataset
from keras_liteseg.datasets.classes_file import read_classes
from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.datasets.masks import read_mask, solid, to_labels
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem
from keras_liteseg.errors import UserError

_PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, ".gif", ".jp2", ".pgm", ".ppm")


class FileDataset(SegmentationDataset):
    """Base of the data sets from files. A bad file is reported when its sample is loaded, not at construction.

    Args:
        name, split, classes: see `SegmentationDataset`.
        pairs: list of (image path, mask path). A file that is missing keeps the path it should have.
        table: int array (256,): raw mask value to train id, `IGNORE_LABEL` or `UNKNOWN`.
        undeclared: raw value that is ignored, but for borders only, because nobody said so; None for none.
        colors: colours of the classes that the palettes of masks are compared with; None for a class without.
    """

    def __init__(self, name, split, classes, pairs, table, undeclared=None, colors=()):
        self.name, self.split, self.classes = name, split, classes
        self._pairs = [(pathlib.Path(image), pathlib.Path(mask)) for image, mask in pairs]
        self._table, self._undeclared = np.asarray(table, np.int16), undeclared
        self._colors = colors

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
        """Return the image, (height, width, channels) as `image_format` says.

        Raises:
            Problem: the file is missing, unreadable or holds pictures of another kind.
        """
        path, mask_path = self._pairs[index]
        return read_picture(path, self.image_format, f"add it or remove {mask_path}")

    def mask(self, index):
        """Return the label map, uint8 (height, width), train ids and `IGNORE_LABEL`.

        Raises:
            Problem: the file is missing, unreadable, not a single-channel 8-bit image, or holds an unknown value, or an
                object in the value that counts as ignored though nobody said so.
        """
        image_path, path = self._pairs[index]
        mask = read_mask(path, f"add it or remove {image_path}")
        labels, raw = to_labels(path, mask, self._table, self.classes.names, self._colors), mask.raw
        if self._undeclared is not None and solid(raw == self._undeclared):
            first, last = self.classes.names[0], self.classes.names[-1]
            raise Problem(
                path,
                f"has whole areas of the value {self._undeclared} ({np.mean(raw == self._undeclared):.1%} of its "
                f"pixels), which counts as ignored, and classes.yaml does not say what it is",
                f"give it a class there, for example 'values: {{0: {first}, {self._undeclared}: {last}}}', or, if "
                f"these pixels are to be ignored, say 'ignore_label: {self._undeclared}'",
            )
        return labels


class Folder(FileDataset):
    """A user's own data set.

    Layout: `images/SPLIT/STEM.{png,jpg,jpeg,bmp,webp,tif,tiff}`, `masks/SPLIT/STEM.png` and `classes.yaml`:

        classes:
          - {name: road, color: [128, 64, 128]}
          - {name: car}              # or just: car; a colour is then chosen
        values: {0: road, 7: car}    # optional; without, masks number the classes from 0
        ignore_label: 255            # optional, one value or a list; pixels of these values count nowhere
        image: {channels: 4, dtype: uint16, max: 4095}    # optional; without, pictures are 8-bit RGB

    Masks are single-channel PNG of up to 8 bits, or palette PNG, whose indices count.

    Raises:
        UserError: a folder or `classes.yaml` is missing or wrong, or the split has no images.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        labelling = read_classes(root / "classes.yaml")
        self._folders = root / "images" / split, root / "masks" / split
        pairs = pair_by_stem(*self._folders)
        found = labelling.table, labelling.undeclared, labelling.colors
        super().__init__("folder", split, labelling.classes, pairs, *found)
        self.image_format, self.mean, self.std = labelling.image_format, labelling.mean, labelling.std

    def left_out(self):
        return unread_pictures(*self._folders)


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
        there = "".join(f" {problem}" for problem in unread_pictures(image_dir, mask_dir)[:3])
        raise UserError(
            f"No image matches {pattern}; put the images of the split there or choose another split.{there}"
        )
    return [
        (images.get(stem, image_dir / f"{stem}.png"), masks.get(stem, mask_dir / f"{stem}.png"))
        for stem in sorted(images.keys() | masks.keys())
    ]


def unread_pictures(image_dir, mask_dir):
    """Return a list of `Problem`: which pictures below two folders `pair_by_stem` leaves out, and why."""
    groups = {}
    for folder, suffixes in ((image_dir, IMAGE_SUFFIXES), (mask_dir, (".png",))):
        for path in sorted(folder.rglob("*")):
            suffix = path.suffix.lower()
            below, hidden = path.parent != folder, any(part.startswith(".") for part in path.relative_to(folder).parts)
            if suffix in _PICTURE_SUFFIXES and not hidden and (below or suffix not in suffixes) and path.is_file():
                groups.setdefault((path.parent, suffix, folder, below, suffixes), []).append(path)
    problems = []
    for (parent, suffix, folder, below, suffixes), paths in groups.items():
        cure = f"move them into {folder} itself" if below else f"save them as {', '.join(suffixes)}"
        count = f"{len(paths)} picture{'s' if len(paths) > 1 else ''} ({suffix})"
        problems.append(Problem(parent, f"has {count} that would not be read, such as {paths[0].name}", cure))
    return problems


def _by_stem(folder, suffixes):
    found = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise UserError(f"{found[path.stem]} and {path} have the same stem; rename or remove one of them.")
            found[path.stem] = path
    return found
