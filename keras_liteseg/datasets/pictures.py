"""Reading single pictures from files."""

import collections
import pathlib

import numpy as np
from PIL import Image, ImageOps

from keras_liteseg.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


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
        Problem: the file is missing, unreadable or has more than 8 bits per channel.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
    except FileNotFoundError:
        raise Problem(path, "does not exist", cure_if_missing) from None
    except Exception as error:  # Pillow has no common error: broken bytes end in OSError, struct.error, TypeError, ...
        raise Problem(path, f"cannot be read as an image ({error})", "restore or remove the file") from error
    if image.mode.startswith(("I", "F")):
        raise Problem(path, f"has more than 8 bits per channel (mode {image.mode})", "convert it to 8 bits")
    return image


def read_rgb(path):
    """Return a picture as RGB, uint8 (height, width, 3).

    Raises:
        Problem: as `open_picture`.
    """
    return np.array(open_picture(path).convert("RGB"))


def find_pictures(path):
    """Return {name: path} of one picture, or of all pictures in a folder and its sub-folders.

    A name is the path below the folder without the suffix; the suffix is kept where pictures differ in nothing else.

    Raises:
        UserError: there is no such file or folder, or the folder has no pictures.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise UserError(f"There is no picture or folder {path}. Check the path.")
    found = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    )
    if not found:
        raise UserError(f"The folder {path} has no pictures; wanted files that end in {', '.join(IMAGE_SUFFIXES)}.")
    names = [str(file.relative_to(path).with_suffix("")) for file in found]
    times = collections.Counter(names)
    return {name if times[name] == 1 else str(file.relative_to(path)): file for name, file in zip(names, found)}
