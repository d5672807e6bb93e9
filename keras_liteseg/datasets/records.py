"""Write a data set as sharded TFRecords: few large files instead of many small ones, every sample checked once.

The data set 'records' reads them. Several splits may share an output folder. The format is described in
`keras_liteseg.datasets.shards`.
"""

import concurrent.futures
import dataclasses
import io
import json
import os
import pathlib
import zlib

import numpy as np
import tqdm
from PIL import Image

from keras_liteseg.datasets.check import require_readable
from keras_liteseg.datasets.image_files import encode
from keras_liteseg.datasets.in_parallel import CORES
from keras_liteseg.datasets.intact import ORIENTATION
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.datasets.samples import read_sample
from keras_liteseg.datasets.shards import Extent, Index, index_path, read_index
from keras_liteseg.datasets.tiff import is_tiff
from keras_liteseg.errors import UserError
from keras_liteseg.files import alone_in, atomic_path, write_json

_BLOCK = 32
_HEADER, _FOOTER = 12, 4  # of a record, in bytes: its length with a checksum of that; a checksum of the content
_FORMATS = {b"\x89PNG": b"png", b"\x93NUMPY": b"npy", b"": b"jpeg"}


def write_records(dataset, output, shards=16, options=None):
    """Write `dataset` to the folder `output`, or go on where an earlier call was interrupted.

    Args:
        dataset: a `SegmentationDataset`.
        output: folder; made if need be.
        shards: number of files; samples keep their order through them.
        options: what `dataset` was made with, a dict for JSON; kept in the manifest. Shards that were written with
            other options are not continued.

    Returns:
        The path of the manifest.

    Raises:
        UserError: fewer samples than shards; `output` holds records of the split from another data set, of other
            options, classes, samples or number of shards; a sample has a problem; or a file cannot be written.
    """
    if not 1 <= shards <= len(dataset):
        raise UserError(f"{len(dataset)} samples do not go into {shards} shards; choose from 1 to {len(dataset)}.")
    output, split = pathlib.Path(output), dataset.split
    manifest = output / f"{split}.json"
    source = {  # with lists for tuples, as it comes back from JSON
        "data": dataset.name,
        "split": split,
        "options": json.loads(json.dumps(options or {})),
        "classes": {"names": list(dataset.classes.names), "colors": [list(color) for color in dataset.classes.colors]},
    }
    if not dataset.image_format.is_rgb or dataset.mean is not None:
        mean, std = (None if each is None else list(each) for each in (dataset.mean, dataset.std))
        source["image"] = {**dataclasses.asdict(dataset.image_format), "mean": mean, "std": std}
    plan = {
        output / f"{split}-{number:05}-of-{shards:05}.tfrecord": indices.tolist()
        for number, indices in enumerate(np.array_split(np.arange(len(dataset)), shards))
    }
    _refuse_others(output, split, plan)
    with alone_in(output):
        _write(dataset, output, plan, source, manifest)
    return manifest


def _write(dataset, output, plan, source, manifest):
    """Write the shards of a plan that are not there, and then the manifest."""
    split = dataset.split
    for leftover in output.glob(f".partial-*-{split}-?????-of-?????.*"):  # of a process that was killed
        leftover.unlink()
    entries = {path: _finished(path, [dataset.sample_id(i) for i in plan[path]], source) for path in plan}
    kept = sum(len(plan[path]) for path, entry in entries.items() if entry)
    with tqdm.tqdm(desc=f"write {dataset.name} {split}", total=len(dataset), initial=kept, disable=None) as progress:
        for path, indices in plan.items():
            if entries[path] is None:
                manifest.unlink(missing_ok=True)
                try:
                    entries[path] = _write_shard(dataset, indices, path, source, progress)
                except Problem:
                    require_readable(dataset)  # which names every bad sample, not the first alone
                    raise
    write_json(manifest, {**source, "count": len(dataset), "shards": list(entries.values())})


def _refuse_others(output, split, plan):
    there = {path.name for path in output.glob(f"{split}-?????-of-?????.tfrecord")}
    others = sorted(there - {path.name for path in plan})
    if others:
        raise UserError(
            f"{output} holds {others[0]}, which is not one of {len(plan)} shards; give the number of shards that it "
            f"was begun with, or choose another folder."
        )


def _finished(path, ids, source):
    """Return the shard's entry in the manifest, or None when it has to be written."""
    try:
        index = read_index(path)
    except UserError:  # not there: interrupted before it was written; damaged: as good as not there
        return None
    if index.source != source or index.ids != ids:
        raise UserError(
            f"{path} was written from other data, options or samples; choose another folder or remove its records."
        )
    return index.shard if path.is_file() and index.shard == _entry(path, len(ids)) else None


def _write_shard(dataset, indices, path, source, progress):
    """Write a shard and then its index, and return its entry in the manifest."""
    import tensorflow as tf

    index = Index(source, {}, [], [], [])
    index_path(path).unlink(missing_ok=True)  # else it would describe the new shard, if we were interrupted
    with atomic_path(path) as temporary:
        try:
            with tf.io.TFRecordWriter(os.fsencode(temporary)) as writer:
                end = 0
                for name, image, mask, size in _samples(dataset, indices):
                    record = _example(name, image, mask, size).SerializeToString(deterministic=True)
                    writer.write(record)
                    for content, extents in ((image, index.images), (mask, index.masks)):
                        start = end + _HEADER + record.index(content)
                        extents.append(Extent(start, len(content), zlib.crc32(content)))
                    index.ids.append(name)
                    end += _HEADER + len(record) + _FOOTER
                    progress.update()
        except tf.errors.OpError as error:
            reason = error.message.rpartition("; ")[2]  # after the name of the temporary file
            raise UserError(f"Cannot write {path}: {reason}. Free some space or choose another folder.") from error
        entry = _entry(temporary, len(indices)) | {"file": path.name}
    columns = {part: [dataclasses.astuple(extent) for extent in getattr(index, part)] for part in ("images", "masks")}
    write_json(index_path(path), {"source": source, "shard": entry, "ids": index.ids, **columns})
    return entry


def _samples(dataset, indices):
    """Yield (id, image file, mask file, (height, width)) in order; a block is loaded at a time, to bound the memory."""
    with concurrent.futures.ThreadPoolExecutor(min(8, CORES)) as pool:
        for start in range(0, len(indices), _BLOCK):
            yield from pool.map(lambda index: _load(dataset, index), indices[start : start + _BLOCK])


def _load(dataset, index):
    name, (image, mask) = dataset.sample_id(index), read_sample(dataset, index)
    files = dataset.files(index)
    if not dataset.image_format.is_rgb:
        return name, encode(image)[0], _png(mask), mask.shape
    return name, _stored(files[0], image) if files else _png(image), _png(mask), mask.shape


def _stored(path, image):
    """Return the bytes of an image file where every decoder reads them alike, else the decoded image as PNG."""
    content = pathlib.Path(path).read_bytes()
    if is_tiff(content):
        return _png(image)
    with Image.open(io.BytesIO(content)) as file:
        plain = file.format in ("PNG", "JPEG") and file.mode == "RGB" and file.getexif().get(ORIENTATION, 1) == 1
    return content if plain else _png(image)


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def _example(name, image, mask, size):
    import tensorflow as tf

    values = {
        "image/filename": os.fsencode(name),
        "image/encoded": image,
        "image/format": next(word for head, word in _FORMATS.items() if image.startswith(head)),
        "image/height": size[0],
        "image/width": size[1],
        "image/segmentation/class/encoded": mask,
        "image/segmentation/class/format": b"png",
    }
    features = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for key, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def _entry(path, count):
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 24):
            checksum = zlib.crc32(block, checksum)
    return {"file": path.name, "count": count, "bytes": path.stat().st_size, "crc32": checksum}


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg records` now.")
