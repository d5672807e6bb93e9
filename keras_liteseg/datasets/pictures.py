"""Reading single pictures from files."""

import pathlib

import numpy as np
from PIL import Image, ImageOps

from keras_liteseg.choices import require_path
from keras_liteseg.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
"""Of the pictures of data sets."""

PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, ".avif", ".gif", ".heic", ".heif", ".jp2", ".pgm", ".ppm")
"""Of all that people have as pictures. Pillow reads most of them; of the others it says so."""

LARGEST = 2**30
"""Pixels of the largest picture that is read, which are 3 GB as RGB. OpenCV's own limit is the same."""

_STRIP = 1024  # rows that are handled at once

# Pillow takes pictures of more than 90 megapixels for an attack, which aerial and medical ones are not.
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, LARGEST)


class Problem(UserError):
    """What is wrong with one file. Loading the file raises it, and `check.check_dataset` collects it.

    Attributes:
        path: the faulty file.
        what: what is wrong with it.
        cure: what to do.
    """

    def __init__(self, path, what, cure):
        super().__init__(f"{path} {what}; {cure}.")
        self.path, self.what, self.cure = pathlib.Path(path), what, cure


def open_picture(path, cure_if_missing="check the path"):
    """Return the decoded 8-bit Pillow image, rotated by its EXIF orientation.

    Raises:
        Problem: the file is missing, unreadable, larger than `LARGEST` or has more than 8 bits per channel.
    """
    try:
        with Image.open(path) as file:
            if file.width * file.height > LARGEST:
                raise Image.DecompressionBombError
            ImageOps.exif_transpose(file, in_place=True)  # else Pillow copies the picture, turned or not
            image = file
    except FileNotFoundError:
        raise Problem(path, "does not exist", cure_if_missing) from None
    except Image.DecompressionBombError:  # which Pillow raises at twice its own limit
        raise Problem(path, f"has more than {LARGEST:,} pixels", "cut it into smaller pictures") from None
    except Exception as error:  # Pillow has no common error: broken bytes end in OSError, struct.error, TypeError, ...
        raise Problem(path, f"cannot be read as an image ({error})", "restore or remove the file") from error
    if image.mode.startswith(("I", "F")):
        raise Problem(path, f"has more than 8 bits per channel (mode {image.mode})", "convert it to 8 bits")
    return image


def read_rgb(path, cure_if_missing="check the path"):
    """Return a picture as RGB, uint8 (height, width, 3).

    Raises:
        Problem: as `open_picture`.
    """
    image = open_picture(path, cure_if_missing)
    if image.mode != "RGB":
        image = image.convert("RGB")
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    # In strips, because Pillow copies what is turned into an array twice more.
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


class Pictures:
    """The pictures in a folder and its sub-folders, without masks: what calibration needs of a data set.

    Attributes:
        name: of the folder.
        split: '', because it has none.

    Raises:
        UserError: as `find_pictures`; or it is no folder.
    """

    split = ""

    def __init__(self, folder):
        require_path("folder of pictures", folder)
        folder = pathlib.Path(folder).expanduser()
        if folder.is_file():
            raise UserError(f"{folder} is a file; give the folder of the pictures to calibrate on.")
        self.name, self._paths = folder.resolve().name, find_pictures(folder)

    def __len__(self):
        return len(self._paths)

    def image(self, index):
        """Return the RGB image, uint8 (height, width, 3); raises a `Problem` as `open_picture`."""
        return read_rgb(self._paths[index])


def find_pictures(path, without=None):
    """Return a sorted list of the paths of one picture, or of all pictures in a folder and its sub-folders.

    Args:
        path: a picture or a folder.
        without: a folder that is left out where it lies below; None for none.

    Raises:
        UserError: there is no such file or folder, or the folder has no pictures.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"There is no picture or folder {path}. Check the path.")
    found = files_below(path, PICTURE_SUFFIXES, without)
    if not found:
        raise UserError(f"The folder {path} has no pictures; wanted files that end in {', '.join(PICTURE_SUFFIXES)}.")
    return found


def files_below(folder, suffixes, without=None):
    """Return a sorted list of the files with `suffixes` in a folder and its sub-folders, hidden ones left out.

    Args:
        folder: the folder.
        suffixes: such as `PICTURE_SUFFIXES`; upper and lower case are one.
        without: a folder that is left out where it lies below; None for none.
    """
    folder = pathlib.Path(folder)
    real, without = folder.resolve(), without and pathlib.Path(without).resolve()
    if without in (real, *real.parents):
        without = None
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not path.name.startswith(".")
        and not path.is_dir()
        and without not in (real / path.relative_to(folder)).parents
    )
