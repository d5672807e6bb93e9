"""Samples in sharded TFRecord files, as `keras_liteseg.datasets.records` writes them.

    train.json                        manifest: data set, options, classes; count, size and CRC-32 of every shard
    train-00000-of-00016.tfrecord     one tf.train.Example per sample
    train-00000-of-00016.json         index: id of every sample; offset, length and CRC-32 of its image and of its mask

TensorFlow reads the shards as any TFRecord: `image/encoded` holds a PNG or JPEG, or of images with two or more than
four channels an array as NumPy saves it (.npy); `image/segmentation/class/encoded` a PNG of train ids. Both lie in the
shard byte by byte, so that with the index any sample is read without its predecessors and without TensorFlow.
"""

import dataclasses
import io
import json
import pathlib
import zlib

import numpy as np
from PIL import Image

from keras_liteseg.datasets.base import ClassList, SegmentationDataset
from keras_liteseg.datasets.folder import require_folder
from keras_liteseg.datasets.image_files import decode
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import RGB, ImageFormat

CURE = "run the command again that wrote it, which replaces damaged shards"


@dataclasses.dataclass(frozen=True)
class Extent:
    """Where in its shard an image or mask file lies, in bytes, and the CRC-32 of it."""

    offset: int
    length: int
    crc32: int


@dataclasses.dataclass(frozen=True)
class Index:
    """What lies in a shard: ids of the samples, and an `Extent` of the image and of the mask of each.

    `source` tells what the shard was written from, `shard` is its entry in the manifest.
    """

    source: dict
    shard: dict
    ids: list
    images: list
    masks: list


class Records(SegmentationDataset):
    """The folder of records that `keras_liteseg.datasets.records` wrote; its docstring shows the command.

    `name` is that of the data set they were written from. Safe to read from several threads and processes.

    Raises:
        UserError: no records of the split are there, they are not finished, or a shard is missing or cut off.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        manifest = root / f"{split}.json"
        if not manifest.is_file():
            there = ", ".join(sorted(path.stem for path in root.glob("*.json") if "-of-" not in path.name)) or "none"
            raise UserError(
                f"{manifest} does not exist; splits found there: {there}. It is written last: if the command that "
                f"writes the records was interrupted, run it again."
            )
        self.split = split
        self.name, self.classes, shards, images = _read(manifest, _manifest_of)
        self.image_format, self.mean, self.std = images
        self._samples = []
        for shard in shards:
            path = root / shard["file"]
            found = path.stat().st_size if path.is_file() else None
            if found != shard["bytes"]:
                what = "does not exist" if found is None else f"has {found} bytes instead of {shard['bytes']}"
                raise UserError(f"The shard {path} {what}; {CURE}.")
            index = read_index(path)
            if index.shard != shard or any(e.offset + e.length > found for e in index.images + index.masks):
                raise UserError(f"{index_path(path)} does not fit its shard; {CURE}.")
            self._samples += [(path, *sample) for sample in zip(index.ids, index.images, index.masks, strict=True)]

    def __len__(self):
        return len(self._samples)

    def sample_id(self, index):
        return self._samples[index][1]

    def image(self, index):
        """Return the image, (height, width, channels) as `image_format` says.

        Raises:
            Problem: the shard has gone or is damaged there.
        """
        path, name, extent, _ = self._samples[index]
        content = _content(path, extent, f"image of {name}")
        if self.image_format.is_rgb:
            return np.array(Image.open(io.BytesIO(content)).convert("RGB"))
        if content.startswith(b"\x93NUMPY"):
            return np.load(io.BytesIO(content), allow_pickle=False)
        return decode(content, path)

    def mask(self, index):
        """Return the label map, uint8 (height, width), train ids and `IGNORE_LABEL`.

        Raises:
            Problem: as `image`.
        """
        path, name, _, extent = self._samples[index]
        return np.array(Image.open(io.BytesIO(_content(path, extent, f"mask of {name}"))))


def index_path(shard):
    """Return the path of a shard's index."""
    return pathlib.Path(shard).with_suffix(".json")


def read_index(shard):
    """Return the `Index` of a shard.

    Raises:
        UserError: it is missing or broken.
    """
    return _read(index_path(shard), _index_of)


def _read(path, convert):
    try:
        return convert(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {CURE}.") from error
    except (ValueError, TypeError, KeyError, RecursionError, UserError) as error:  # no JSON, not what we wrote
        raise UserError(f"{path} is damaged or not written by keras_liteseg.datasets.records; {CURE}.") from error


def _manifest_of(content):
    classes = content["classes"]
    names = tuple(str(name) for name in classes["names"])
    colors = tuple((_whole(red), _whole(green), _whole(blue)) for red, green, blue in classes["colors"])
    if len(names) != len(colors):
        raise ValueError("as many colours as names")
    for shard in content["shards"]:
        if set(shard) != {"file", "count", "bytes", "crc32"} or not isinstance(shard["file"], str):
            raise ValueError("entries of shards")
    if content["count"] != sum(shard["count"] for shard in content["shards"]):
        raise ValueError("all samples in the shards")
    image_format, mean, std = RGB, None, None
    if "image" in content:
        image = dict(content["image"])
        mean, std = (values and tuple(map(float, values)) for values in (image.pop("mean"), image.pop("std")))
        image_format = ImageFormat(**image)
    return str(content["data"]), ClassList(names, colors), content["shards"], (image_format, mean, std)


def _index_of(content):
    images, masks = ([Extent(*map(_whole, extent)) for extent in content[part]] for part in ("images", "masks"))
    index = Index(content["source"], content["shard"], [str(name) for name in content["ids"]], images, masks)
    if not len(index.ids) == len(index.images) == len(index.masks):
        raise ValueError("an image and a mask for every id")
    return index


def _whole(number):
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no whole number")
    return number


def _content(path, extent, what):
    """Return the bytes of the file that lies in `extent` of the shard `path`."""
    try:
        with open(path, "rb") as shard:
            shard.seek(extent.offset)
            content = shard.read(extent.length)
    except (OSError, OverflowError, MemoryError) as error:
        raise Problem(path, f"cannot be read ({error})", CURE) from error
    if zlib.crc32(content) != extent.crc32:
        raise Problem(path, f"is damaged: the {what} does not have its checksum", CURE)
    return content
