"""Opening single pictures of 8 bits, and finding them; `image_files` reads those of any kind into arrays."""

import os
import pathlib

from PIL import Image, ImageOps, UnidentifiedImageError

from keras_liteseg.choices import require_path
from keras_liteseg.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
"""Of the pictures of data sets."""

PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, ".avif", ".gif", ".heic", ".heif", ".jp2", ".pgm", ".ppm")
"""Of all that people have as pictures. Pillow reads most of them; of the others it says so."""

LARGEST = 2**30
"""Pixels of the largest picture that is read, which are 3 GB as RGB. OpenCV's own limit is the same."""

TOO_LARGE = f"has more than {LARGEST:,} pixels", "cut it into smaller pictures"
"""What a `Problem` says of a larger one."""

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


def unreadable(path, error):
    """Return the `Problem` of a file at `path` that an exception of Pillow says to be no image."""
    # Pillow names what it was given, which is an address in memory where that was bytes.
    what = "its content is of no known format" if isinstance(error, UnidentifiedImageError) else error
    return Problem(path, f"cannot be read as an image ({what})", "restore or remove the file")


def open_picture(path, cure_if_missing="check the path"):
    """Return the decoded 8-bit Pillow image, rotated by its EXIF orientation.

    Raises:
        Problem: the file is missing, unreadable, larger than `LARGEST` or has more than 8 bits per channel, of which
            Pillow may drop some.
    """
    try:
        with Image.open(path) as file:
            if file.width * file.height > LARGEST:
                raise Image.DecompressionBombError
            deep = bits(file) > 8
            ImageOps.exif_transpose(file, in_place=True)  # which reads it; a copy would take as much memory again
            image = file
    except FileNotFoundError:
        raise Problem(path, "does not exist", cure_if_missing) from None
    except Image.DecompressionBombError:  # which Pillow raises at twice its own limit
        raise Problem(path, *TOO_LARGE) from None
    except Exception as error:  # Pillow has no common error: broken bytes end in OSError, struct.error, TypeError, ...
        raise unreadable(path, error) from error
    if deep:
        raise Problem(
            path,
            f"has more than 8 bits per channel (mode {image.mode})",
            "convert it to 8 bits; of masks, liteseg import does that",
        )
    return image


def bits(image):
    """Return how many bits a channel has in the file of a Pillow image that is not loaded yet: 8, where not more."""
    if image.mode.startswith(("I", "F")):
        return 16 if image.mode.startswith("I;16") else 32
    if image.format == "PNG":
        return 16 if any("16" in str(tile.args) for tile in image.tile) else 8
    if image.format == "TIFF":
        return max(8, *image.tag_v2.get(_BITS_PER_SAMPLE, (8,)))
    if image.format == "PPM":
        return 16 if any(isinstance(tile.args, tuple) and tile.args[-1] > 255 for tile in image.tile) else 8
    if image.format == "JPEG2000":
        image.fp.seek(0)
        head = image.fp.read(4096)
        start = head.find(b"\xff\x4f\xff\x51")  # of the segment SIZ, whose byte 40 is the depth less one
        return max(8, (head[start + 40] & 127) + 1) if start >= 0 else 8
    return 8


_BITS_PER_SAMPLE = 258  # tag of TIFF


def find_pictures(path, without=None):
    """Return a sorted list of the paths of one picture, or of all pictures in a folder and its sub-folders.

    Args:
        path: a picture or a folder.
        without: a folder that is left out where it lies below; None for none.

    Raises:
        UserError: there is no such file or folder, or the folder has no pictures.
    """
    require_path("picture or folder of pictures", path)
    path = pathlib.Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"There is no picture or folder {path}. Check the path.")
    found = files_below(path, PICTURE_SUFFIXES, without)
    if not found:
        raise UserError(f"The folder {path} has no pictures; wanted files that end in {', '.join(PICTURE_SUFFIXES)}.")
    return found


def files_below(folder, suffixes=PICTURE_SUFFIXES, without=None):
    """Return a sorted list of the files with `suffixes` in a folder and its sub-folders, also those that links lead to;
    hidden files and folders are left out. A folder that has several names counts once: by its own name where it lies
    below, else by that of the first link. A link to a file is a file.

    Args:
        folder: the folder.
        suffixes: such as `IMAGE_SUFFIXES`; upper and lower case are one. None for all files.
        without: a folder that is left out where it lies below; None for none.
    """
    without = without and os.path.realpath(without)
    found, seen, starts = [], set(), [folder]
    for start in starts:  # which grows: links are followed when all folders are known
        for parent, folders, names in os.walk(start):
            real = os.path.realpath(parent)
            if real in seen or real == without and seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            starts += [path for path in (os.path.join(parent, name) for name in folders) if os.path.islink(path)]
            found += [pathlib.Path(parent, name) for name in names if has_suffix(name, suffixes)]
    return sorted(found)


def has_suffix(name, suffixes=PICTURE_SUFFIXES):
    """Return whether the name of a file that is not hidden has one of `suffixes`, in whatever case; None for all."""
    return not name.startswith(".") and (suffixes is None or os.path.splitext(name)[1].lower() in suffixes)
