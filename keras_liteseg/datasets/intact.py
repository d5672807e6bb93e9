"""Whether a picture's file is whole, and how large the picture is, without the time that its pixels take."""

import struct
import zlib

from PIL import Image

from keras_liteseg.image_format import LIMITS, RGB

ORIENTATION = 0x0112  # tag of EXIF
SWAPPED = (5, 6, 7, 8)  # orientations that swap height and width
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG, by its colour type
_PALETTE = 3  # colour type of a PNG
_EIGHT_BITS_RGB = b"\x08\x02"  # depth and colour type in the header of a PNG
_PLAIN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"tIME", b"bKGD", b"tRNS"}
_TEXTS, _TURNING = {b"tEXt", b"zTXt", b"iTXt"}, (b"Raw profile type", b"XML:com.adobe.xmp")
_LARGEST_RATIO = 1032  # of deflate


def intact_size(path, image_format=RGB):
    """Return the (height, width) of a whole picture, as EXIF turns it, or None where only decoding can tell.

    A PNG of up to 8 bits is whole when all its checksums are right. A JPEG, which has none, is decoded at an eighth of
    its size, which reads all of it. Of anything else, of files with unusual parts, of all that may be damaged, and of
    pictures that their header alone does not show to be as `image_format` says, nothing is said.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            if head == _PNG:
                return _png_size(head + file.read(), image_format)
        return _jpeg_size(path, image_format) if head.startswith(_JPEG) else None
    except Exception:  # whatever is wrong, decoding says it
        return None


def is_plain_rgb(content):
    """Return whether bytes are a whole PNG of 8-bit RGB without unusual parts."""
    try:
        return content[:8] == _PNG and content[24:26] == _EIGHT_BITS_RGB and _png_size(content, RGB) is not None
    except Exception:  # whatever is wrong, decoding says it
        return False


def orientation(path):
    """Return the orientation, 1 to 8, that the EXIF data of a JPEG gives; 1 for every other file."""
    try:
        with open(path, "rb") as file:
            if file.read(3) != _JPEG:
                return 1
        with Image.open(path) as image:
            return image.getexif().get(ORIENTATION, 1)
    except Exception:  # decoding says what is wrong
        return 1


def _fits(channels, image_format):
    """Return whether every picture of 8 bits and of so many channels is one of `image_format`, as grey ones are RGB."""
    full = (image_format.dtype, image_format.min, image_format.max) == ("uint8", 0, LIMITS["uint8"])
    return full and (channels == image_format.channels or (channels, image_format.channels) == (1, 3))


def _jpeg_size(path, image_format):
    with Image.open(path) as image:
        if not _fits(1 if image.mode == "L" else 3, image_format):
            return None
        width, height = image.size
        turned = image.getexif().get(ORIENTATION, 1) in SWAPPED
        image.draft(None, (width // 8, height // 8))
        image.load()
    return (width, height) if turned else (height, width)


def _png_size(content, image_format):
    """Return the size in the header of a PNG, or None where anything is unusual or wrong, or not of `image_format`."""
    view, start, pixels, header = memoryview(content), len(_PNG), 0, None
    while True:
        length, kind = struct.unpack_from(">I4s", content, start)
        data, end = view[start + 8 : start + 8 + length], start + 12 + length
        plain = kind in _PLAIN or kind in _TEXTS and not bytes(data[:20]).startswith(_TURNING)
        if not plain or zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            return None
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", data)
        if kind == b"IDAT":
            if not pixels:
                zlib.decompressobj().decompress(data, 1024)
            pixels += length
        if kind == b"IEND":
            break
        start = end
    width, height, bits, color, *_ = header
    expected = height * (width * bits * _CHANNELS[color] / 8 + 1)
    if bits > 8 or not _fits(3 if color == _PALETTE else _CHANNELS[color], image_format):
        return None
    if width * height > (Image.MAX_IMAGE_PIXELS or 0) or pixels * _LARGEST_RATIO < expected:
        return None
    return height, width
