"""Small data sets of images that are not 8-bit RGB, in real files."""

import struct
import zlib

import numpy as np
from PIL import Image

from keras_liteseg.datasets.image_files import encode
from keras_liteseg.image_format import ImageFormat

FOUR_BANDS = ImageFormat(channels=4)
THERMAL = ImageFormat(channels=1, dtype="uint16", min=1000, max=5095)


def scene(image_format, size=(64, 128), seed=0):
    """Return (image, mask) of two classes: cold ground with a warm rectangle, of another colour in every channel."""
    rng = np.random.default_rng(seed)
    height, width = size
    mask = np.zeros(size, np.uint8)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    mask[top : top + height // 2, left : left + width // 3] = 1
    warm = 0.75 - 0.1 * np.arange(image_format.channels)
    unit = np.where(mask[..., None] == 1, warm, 0.3) + rng.normal(0, 0.05, (*size, image_format.channels))
    values = image_format.min + np.clip(unit, 0, 1) * (image_format.max - image_format.min)
    return np.rint(values).astype(image_format.dtype), mask


def write_set(root, image_format, counts=(("train", 6), ("val", 2)), size=(64, 128), more=""):
    """Write a data set 'folder' with images as PNG, and return its folder.

    Args:
        more: text behind the format in the entry `image`, such as ', mean: [0.5]'.
    """
    for split, count in counts:
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            image, mask = scene(image_format, size, seed=number + 100 * (split == "val"))
            (root / f"images/{split}/{number}.png").write_bytes(encode(image)[0])
            Image.fromarray(mask).save(root / f"masks/{split}/{number}.png")
    declared = image_format.declaration().removesuffix("}")
    (root / "classes.yaml").write_text(f"classes: [ground, warm]\n{declared}{more}}}\n")
    return root


def deep_png(array):
    """Return the bytes of a PNG of 16 bits, uint16 (height, width, channels), written by hand, in whatever channels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = array.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
