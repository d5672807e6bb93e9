"""Pictures as arrays, with every channel and every bit that their files hold."""

import io
import pathlib

import cv2
import numpy as np
from PIL import Image

from keras_liteseg.choices import require_path
from keras_liteseg.datasets.intact import ORIENTATION, SWAPPED, is_plain_rgb
from keras_liteseg.datasets.pictures import LARGEST, TOO_LARGE, Problem, bits, find_pictures, unreadable
from keras_liteseg.datasets.tiff import is_tiff, read_tiff
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import LIMITS, RGB, ImageFormat

_PHOTOMETRIC, _SAMPLES_PER_PIXEL = 262, 277  # tags of TIFF
_AS_STORED = ("L", "LA", "RGB", "RGBA")
_BAND = 2**20  # pixels that are converted at once
_GREY_ALPHA = 4  # colour type of a PNG
_BGR = [2, 1, 0, 3]  # order of the channels of OpenCV, both ways


def read_picture(path, image_format=RGB, cure_if_missing="check the path", in_data_set=True):
    """Return a picture as `image_format` says, uint8 or uint16 (height, width, channels); colours are RGB.

    Nothing that a file holds is cut off: where it has other channels or another type it is refused, but for what loses
    nothing. Grey becomes red, green and blue, red, green and blue that are equal become grey, and an alpha channel that
    hides nothing goes.

    Args:
        path: the file.
        image_format: an `ImageFormat`.
        cure_if_missing: what to do where there is no file, for the message.
        in_data_set: whether a data set has the picture and says what it is. Else a network takes it, for which a value
            beyond `min` or `max` counts as these.

    Raises:
        Problem: the file is missing or unreadable, holds another kind of picture, or, in a data set, a value beyond
            `min` or `max`; or it is a TIFF and tifffile is not installed.
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        raise Problem(path, "does not exist", cure_if_missing) from None
    except OSError as error:
        raise Problem(path, f"cannot be read ({error.strerror})", "restore or remove the file") from error
    return fitted(decode(content, path), image_format, path, in_data_set)


class Pictures:
    """The pictures in a folder and its sub-folders, without masks: what calibration needs of a data set.

    Attributes:
        name: of the folder.
        split: '', because it has none.
        image_format: `ImageFormat` that its pictures must have.

    Raises:
        UserError: as `find_pictures`; or it is no folder.
    """

    split = ""

    def __init__(self, folder, image_format=RGB):
        require_path("folder of pictures", folder)
        folder = pathlib.Path(folder).expanduser()
        if folder.is_file():
            raise UserError(f"{folder} is a file; give the folder of the pictures to calibrate on.")
        self.image_format = image_format
        self.name, self._paths = folder.resolve().name, find_pictures(folder)

    def __len__(self):
        return len(self._paths)

    def image(self, index):
        """Return an image as `image_format` says; raises a `Problem` as `read_picture`."""
        return read_picture(self._paths[index], self.image_format, in_data_set=False)


def decode(content, path):
    """Return a picture as it was stored: (height, width, channels), uint8 or uint16, a TIFF perhaps of another type.

    Palettes become the colours that they name. The picture is rotated by its EXIF orientation.

    Args:
        content: bytes of the file.
        path: of the file, for messages.

    Raises:
        Problem: it is unreadable, or has more than 8 bits per channel and is neither PNG nor TIFF.
    """
    if is_tiff(content) and not _is_plain_tiff(content):
        return _turned(*read_tiff(content, path))
    if is_plain_rgb(content):
        array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)  # in two thirds of Pillow's time
        if array is not None:
            return cv2.cvtColor(array, cv2.COLOR_BGR2RGB, dst=array)
    try:
        with Image.open(io.BytesIO(content)) as file:
            if file.width * file.height > LARGEST:
                raise Image.DecompressionBombError
            depth, turn = bits(file), file.getexif().get(ORIENTATION, 1)  # in this order: the second loads a PNG
            if file.format == "TIFF":  # which Pillow turns when it loads it
                turn = 1
            if depth == 8:
                array = _array(file)
            elif file.format == "PNG":
                array = _deep_png(content)
            else:
                raise Problem(path, f"is a {file.format} of more than 8 bits", "save it as PNG or TIFF of 16 bits")
    except Problem:
        raise
    except Image.DecompressionBombError:  # which Pillow raises at twice its own limit
        raise Problem(path, *TOO_LARGE) from None
    except Exception as error:  # Pillow has no common error: broken bytes end in OSError, struct.error, TypeError, ...
        raise unreadable(path, error) from error
    return _turned(array.reshape(*array.shape[:2], -1), turn)


def _is_plain_tiff(content):
    """Return whether Pillow alone reads all of a TIFF: one page of 8 bits, grey, RGB or a palette. It says nothing of
    bands beyond these, and drops them."""
    try:
        with Image.open(io.BytesIO(content)) as file:
            whole = file.tag_v2.get(_SAMPLES_PER_PIXEL, 1) == len(file.getbands())
            whole = whole and file.tag_v2.get(_PHOTOMETRIC) != 0  # white is 0, which is no usual picture
            return whole and file.mode in ("1", "L", "P", "RGB") and file.n_frames == 1 and bits(file) == 8
    except Exception:  # what Pillow cannot read at all, tifffile reads or names
        return False


def encode(array):
    """Return (bytes, 'png' or 'npy') of a picture, uint8 or uint16 (height, width, channels), without loss; a PNG has
    one, three or four channels."""
    channels = array.shape[2]
    if channels not in (1, 3, 4):
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue(), "npy"
    array = array if channels == 1 else array[..., _BGR[:channels]]
    return cv2.imencode(".png", np.ascontiguousarray(array))[1].tobytes(), "png"


def fitted(array, image_format, path, in_data_set=True):
    """Return a stored picture (height, width, channels) as one of `image_format`, see `read_picture`.

    Raises:
        Problem: it is of another kind.
    """
    stored, limit = array, LIMITS[image_format.dtype]
    if array.dtype == image_format.dtype:
        if array.shape[2] in (2, 4) and image_format.channels != array.shape[2] and (array[..., -1] == limit).all():
            array = array[..., :-1]
        if array.shape[2] == 1 and image_format.channels == 3:
            array = array.repeat(3, axis=2)
        elif array.shape[2] == 3 and image_format.channels == 1 and (array == array[..., :1]).all():
            array = array[..., :1]
    if array.dtype != image_format.dtype or array.shape[2] != image_format.channels:
        raise Problem(path, *(_misfit if in_data_set else _unfit_for_network)(stored, image_format))
    smallest, largest = image_format.min, image_format.max
    if (smallest, largest) != (0, limit) and (array.min() < smallest or array.max() > largest):
        if not in_data_set:
            return np.clip(array, smallest, largest)
        raise Problem(
            path,
            f"has values from {array.min()} to {array.max()}, where pictures have {smallest} to {largest}",
            "give what the sensor gives as min and max of 'image' in classes.yaml",
        )
    return np.ascontiguousarray(array)


def format_of(array, path):
    """Return the `ImageFormat` that a stored picture is to be declared with; 8-bit RGB for what can be read as such.

    Raises:
        Problem: it is of a type that no `ImageFormat` has.
    """
    try:
        fitted(array, RGB, path)
        return RGB
    except Problem:
        if str(array.dtype) not in LIMITS:
            raise
        return ImageFormat(array.shape[2], str(array.dtype))


def _kind(array):
    channels = array.shape[2]
    return f"is {array.dtype} of {channels} channel{'' if channels == 1 else 's'}"


def _unfit_for_network(array, image_format):
    alpha = array.dtype == image_format.dtype and array.shape[2] == image_format.channels + 1
    cure = "save it without alpha" if alpha else "convert it"
    what = f"{_kind(array)}, where the network takes {image_format}"
    return what, f"{cure}, or use a network that was trained on such pictures"


def _misfit(array, image_format):
    channels, dtype = array.shape[2], str(array.dtype)
    what = f"{_kind(array)}, where pictures are {image_format}"
    if dtype not in LIMITS:
        return what, f"save it as {' or '.join(LIMITS)}"
    declaration = ImageFormat(channels, dtype).declaration()
    if not image_format.is_rgb:
        return what, f"convert it, or, if all pictures are so, say '{declaration}' in classes.yaml"
    cure = "convert it to 8-bit RGB" if dtype != "uint8" else "save it as RGB, without alpha"
    return what, f"{cure}, or, if these are data, say '{declaration}' in the classes.yaml of a data set 'folder'"


def _array(picture):
    """Return a Pillow image of 8 bits as array, in bands: a large one would take its memory several times otherwise."""
    picture.load()
    mode = picture.mode if picture.mode in _AS_STORED else "L" if picture.mode == "1" else "RGB"
    array = np.empty((picture.height, picture.width, len(mode)), np.uint8)
    band = max(1, _BAND // picture.width)
    for top in range(0, picture.height, band):
        rows = picture.crop((0, top, picture.width, min(top + band, picture.height)))
        array[top : top + band] = np.asarray(rows.convert(mode)).reshape(*array[top : top + band].shape)
    return array


def _turned(array, orientation):
    """Return an array (height, width, channels) rotated and mirrored as an EXIF orientation, 1 to 8, says."""
    if orientation in SWAPPED:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _deep_png(content):
    """Return a PNG of 16 bits as uint16 (height, width[, channels]); Pillow drops half of the bits of colours."""
    array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise ValueError("broken PNG of 16 bits")
    if array.ndim == 2:
        return array
    # OpenCV makes four channels of grey with alpha.
    return array[..., [0, 3] if content[25] == _GREY_ALPHA else _BGR[: array.shape[2]]]
