"""What data sets share that are stored as one image file and one mask file per sample, and the user's own folder."""

import glob
import pathlib

import numpy as np

from keras_liteseg.datasets.base import SegmentationDataset
from keras_liteseg.datasets.classes_file import read_classes
from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.datasets.intact import intact_size
from keras_liteseg.datasets.masks import read_mask, solid, to_labels
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem, files_below, has_suffix
from keras_liteseg.errors import UserError

MASK_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff")
_JPEG_SUFFIXES = (".jpg", ".jpeg")


class FileDataset(SegmentationDataset):
    """Base of the data sets from files. A bad file is reported when its sample is loaded, not at construction.

    Args:
        name, split, classes: see `SegmentationDataset`.
        pairs: list of (image path, mask path). A file that is missing keeps the path it should have.
        table: int array (256,): raw mask value to train id, `IGNORE_LABEL` or `UNKNOWN`.
        undeclared: raw value that is ignored, but for borders only, because nobody said so; None for none.
        colors: colours of the classes that the palettes of masks are compared with; None for a class without.
        either: raw values of one class of which a mask may hold only one.
        root: folder of the images, below which sample ids are their paths; without, the ids are their names.
    """

    def __init__(self, name, split, classes, pairs, table, undeclared=None, colors=(), either=(), root=None):
        self.name, self.split, self.classes = name, split, classes
        self._pairs = [(pathlib.Path(image), pathlib.Path(mask)) for image, mask in pairs]
        self._table, self._undeclared = np.asarray(table, np.int16), undeclared
        self._colors, self._either, self._root = colors, either, root

    def __len__(self):
        return len(self._pairs)

    def pairs(self):
        """Return a list of (image path, mask path), whether the files exist or not."""
        return list(self._pairs)

    def files(self, index):
        return self._pairs[index]

    def sample_id(self, index):
        path = self._pairs[index][0]
        return path.relative_to(self._root).with_suffix("").as_posix() if self._root else path.stem

    def image_size(self, index):
        """Return (height, width) of the image; see `intact.intact_size` for what is decoded.

        Raises:
            Problem: as `image`.
        """
        return intact_size(self._pairs[index][0], self.image_format) or super().image_size(index)

    def image(self, index):
        """Return the image, (height, width, channels) as `image_format` says.

        Raises:
            Problem: the file is missing, unreadable or holds pictures of another kind.
        """
        path, mask_path = self._pairs[index]
        return read_picture(path, self.image_format, _cure_if_missing(path, mask_path, IMAGE_SUFFIXES))

    def mask(self, index):
        """Return the label map, uint8 (height, width), train ids and `IGNORE_LABEL`.

        Raises:
            Problem: the file is missing, unreadable, not a single-channel 8-bit image, or holds an unknown value, or an
                object in the value that counts as ignored though nobody said so.
        """
        image_path, path = self._pairs[index]
        mask = read_mask(path, _cure_if_missing(path, image_path, MASK_SUFFIXES))
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
        if self._either and all((raw == value).any() for value in self._either):
            name, (one, other) = self.classes.names[-1], self._either
            raise Problem(
                path,
                f"holds both {one} and {other}, and with one class in classes.yaml either may be '{name}'",
                f"say there which is, for example 'ignore_label: {other}' or "
                f"'values: {{0: {self.classes.names[0]}, {one}: {name}, {other}: {name}}}'",
            )
        return labels


class Folder(FileDataset):
    """A user's own data set.

    Layout: `images/SPLIT/NAME.{png,jpg,jpeg,bmp,webp,tif,tiff}`, `masks/SPLIT/NAME.{png,bmp,gif,tif,tiff}` and
    `classes.yaml`. NAME may lie in sub-folders, the same in both.

        classes:
          - {name: road, color: [128, 64, 128]}
          - {name: car}              # or just: car; a colour is then chosen
        values: {0: road, 7: car}    # optional; without, masks number the classes from 0
        ignore_label: 255            # optional, one value or a list; pixels of these values count nowhere
        image: {channels: 4, dtype: uint16, max: 4095}    # optional; without, pictures are 8-bit RGB

    Masks are single-channel pictures of up to 8 bits, or palette pictures, whose indices count. One class alone has the
    background beside it, see `read_classes`.

    Raises:
        UserError: a folder or `classes.yaml` is missing or wrong, or the split has no images.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        labelling = read_classes(root / "classes.yaml")
        self._folders = root / "images" / split, root / "masks" / split
        pairs = pair_by_name(*self._folders)
        found = labelling.table, labelling.undeclared, labelling.colors, labelling.either
        super().__init__("folder", split, labelling.classes, pairs, *found, root=self._folders[0])
        self.image_format, self.mean, self.std = labelling.image_format, labelling.mean, labelling.std

    def left_out(self):
        return unread_pictures(self.pairs(), *self._folders)


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


def pair_by_name(image_dir, mask_dir):
    """Return the sorted (image path, mask path) of the images below one folder and the masks below another.

    Names are paths without suffix. An image without a mask, or a mask without an image, is listed too; the missing file
    has the path it should have. Where the mask is there as JPEG alone, that is listed, and refused when it is read.

    Raises:
        UserError: there is no image, or two files have the same name.
    """
    files = files_below(image_dir), files_below(mask_dir)
    images = _by_name(image_dir, files[0], IMAGE_SUFFIXES)
    masks = _by_name(mask_dir, files[1], _JPEG_SUFFIXES) | _by_name(mask_dir, files[1], MASK_SUFFIXES)
    if not images:
        pattern = f"{image_dir}/*{{{','.join(IMAGE_SUFFIXES)}}}"
        there = "".join(f" {problem}" for problem in _unread(files[0], IMAGE_SUFFIXES)[:3])
        raise UserError(
            f"No image matches {pattern}; put the images of the split there or choose another split.{there}"
        )
    return [
        (images.get(name, image_dir / f"{name}.png"), masks.get(name, mask_dir / f"{name}.png"))
        for name in sorted(images.keys() | masks.keys())
    ]


def unread_pictures(pairs, image_dir, mask_dir):
    """Return a list of `Problem`: which pictures below two folders are in no pair."""
    images, masks = zip(*pairs)
    return unread(image_dir, images, IMAGE_SUFFIXES) + unread(mask_dir, masks, MASK_SUFFIXES)


def unread(folder, read, suffixes):
    """Return a list of `Problem`, one for each kind of picture below a folder that is not among the paths `read`."""
    read = set(read)
    return _unread([path for path in files_below(folder) if path not in read], suffixes)


def _unread(paths, suffixes):
    groups, problems = {}, []
    for path in paths:
        groups.setdefault((path.parent, path.suffix.lower()), []).append(path)
    for (parent, suffix), paths in groups.items():
        if suffix in _JPEG_SUFFIXES and suffix not in suffixes:
            cure = "move them away; masks of the same names are read, and JPEG makes classes that nobody drew"
        elif suffix in suffixes:
            cure = "name them as the others are named, or move them away"
        else:
            cure = f"save them as {', '.join(suffixes)}"
        count = f"{len(paths)} picture{'s' if len(paths) > 1 else ''} ({suffix})"
        problems.append(Problem(parent, f"has {count} that would not be read, such as {paths[0].name}", cure))
    return problems


def _by_name(folder, paths, suffixes):
    found = {}
    for path in paths:
        if path.suffix.lower() in suffixes:
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise UserError(f"{found[name]} and {path} have the same stem; rename or remove one of them.")
            found[name] = path
    return found


def _cure_if_missing(path, mate, suffixes):
    """Return what to do about a missing file, which may be there with another suffix."""
    if path.is_symlink() and not path.exists():
        return "it is a link to a file that is not there: correct or remove the link"
    pattern = f"{glob.escape(path.stem)}.*"
    others = [] if path.exists() else sorted(other for other in path.parent.glob(pattern) if has_suffix(other.name))
    if not others:
        return f"add it or remove {mate}"
    if others[0].suffix.lower() in _JPEG_SUFFIXES and others[0].suffix.lower() not in suffixes:
        return f"{others[0].name} is there, but JPEG makes classes along borders that nobody drew: save the mask as PNG"
    return f"{others[0].name} is there: rename it, or save it as {path.suffix}"
