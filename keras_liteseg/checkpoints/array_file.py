"""Reading NumPy's `.npz` and the `.safetensors` files of the library of that name: named arrays and nothing else."""

import io
import math
import zipfile

import numpy as np
import safetensors

from keras_liteseg.checkpoints.element_types import BFLOAT16, NUMERIC
from keras_liteseg.checkpoints.refusal import Refused, needless, quoted

# Compressed members can stand for a thousand times their size.
_MAX_UNPACKED = 4 * 2**30

_SAFETENSORS_TYPES = {
    "BOOL": NUMERIC["b1"],
    "I8": NUMERIC["i1"],
    "I16": NUMERIC["i2"],
    "I32": NUMERIC["i4"],
    "I64": NUMERIC["i8"],
    "U8": NUMERIC["u1"],
    "U16": NUMERIC["u2"],
    "U32": NUMERIC["u4"],
    "U64": NUMERIC["u8"],
    "F16": NUMERIC["f2"],
    "BF16": BFLOAT16,
    "F32": NUMERIC["f4"],
    "F64": NUMERIC["f8"],
}


def read_npz(archive):
    """Return the named arrays in an open `.npz` archive; see `files.read_weights`."""
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    size = sum(info.file_size for info in members)
    if size > _MAX_UNPACKED:
        raise Refused(
            f"unpacks to {size / 2**30:,.1f} GiB, but at most {_MAX_UNPACKED / 2**30:g} GiB are read. "
            "Save the weights alone."
        )
    return {info.filename.removesuffix(".npy"): _read_npy(_member(archive, info)) for info in members}


def _member(archive, info):
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise needless("a compression that NumPy does not write")
    with archive.open(info) as stream:
        # Without a size, `read` unpacks whatever the compressed bytes hold before it looks at the announced size.
        return stream.read(info.file_size)


def _read_npy(data):
    """Return the array in a `.npy` file, having checked that it holds as many bytes as its shape takes: NumPy sets the
    memory aside before it reads them."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[version](stream)
    if dtype.str[1:] not in NUMERIC:
        raise needless(f"arrays of type {quoted(str(dtype))}")
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError("an array is of another size than its shape")
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    return array.astype(dtype.newbyteorder("="), copy=False)


def starts_as_safetensors(head):
    # Size of the header, which the format limits to 100 MB, and then the header: a JSON object.
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000


def read_safetensors(data):
    """Return the named arrays in a `.safetensors` file; see `files.read_weights`."""
    try:
        entries = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    arrays = {}
    for name, entry in entries:
        if entry["dtype"] not in _SAFETENSORS_TYPES:
            raise needless(f"arrays of type {quoted(entry['dtype'])}")
        arrays[name] = _SAFETENSORS_TYPES[entry["dtype"]].decode(entry["data"]).reshape(entry["shape"])
    return arrays
