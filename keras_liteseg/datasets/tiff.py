"""TIFF pictures of any number of bands, read by tifffile."""

import importlib.util
import io

import numpy as np

from keras_liteseg.datasets.pictures import Problem

_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SAMPLES = "SCQI"  # tifffile's letters of axes that can be bands: samples, channels, unknown, images of a sequence

_COLORS = ("MINISBLACK", "RGB", "YCBCR")  # where the values are what they look like; YCbCr comes back as RGB


def is_tiff(content):
    """Return whether the bytes of a file are those of a TIFF or a BigTIFF."""
    return content[:4] in _HEADS


def read_tiff(content, path):
    """Return (array (height, width, bands) of its own type, orientation as in EXIF) of a TIFF.

    The bands are the samples of a pixel, next to each other or in planes, or as many pages of one size. Smaller copies
    of the picture, as overviews, do not count.

    Args:
        content: bytes of the file.
        path: of the file, for messages.

    Raises:
        Problem: tifffile is not installed, or the file is broken or holds something else.
    """
    if importlib.util.find_spec("tifffile") is None:
        raise Problem(
            path,
            "is a TIFF, which tifffile reads and is not installed",
            "install it with: pip install 'keras-liteseg[tiff]'",
        )
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series, page = file.series[0], file.series[0].keyframe
            axes, array = series.axes, series.asarray()
            colors, turn = page.photometric.name, page.tags.valueof("Orientation", 1)
    except Exception as error:  # tifffile and imagecodecs raise errors of many types.
        raise Problem(path, f"cannot be read as a TIFF ({error})", "restore or remove the file") from error
    if colors not in _COLORS:
        raise Problem(path, f"is a TIFF whose values mean {colors}", "save it as grey or RGB, or its bands as they are")
    bands = [axis for axis in axes if axis not in "YX"]
    if "Y" not in axes or "X" not in axes or len(bands) > 1 or not set(bands) <= set(_SAMPLES):
        shape = " x ".join(map(str, array.shape))
        raise Problem(path, f"is a TIFF of {shape} ({axes})", "save a picture of rows, columns and bands")
    array = np.moveaxis(array, axes.index(bands[0]), 2) if bands else array[..., None]
    return array, int(turn)
