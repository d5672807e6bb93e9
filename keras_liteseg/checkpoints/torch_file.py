"""Reading the two containers of `torch.save`, without PyTorch and without running a pickle.

Up to PyTorch 1.5 the file is five pickles and then raw numbers:

    1  the magic number
    2  the protocol version, 1001
    3  facts about the machine that wrote it
    4  the saved object, whose tensors refer to storages by key
    5  the list of the storage keys
    -  for each of these keys: the number of elements (int64), then the elements, all little-endian

Since PyTorch 1.6 it is a zip archive with a single folder and no compression:

    data.pkl    the saved object, as above
    data/<key>  the elements of a storage
    byteorder   'little' or 'big'; absent before PyTorch 2.1, which means little

In both, a tensor is a call of `_rebuild_tensor_v2` with the persistent id of its storage, offset, sizes and strides.
"""

import dataclasses
import io
import math
import struct
import zipfile

import numpy as np

from keras_liteseg.checkpoints.element_types import BFLOAT16, NUMERIC, ElementType
from keras_liteseg.checkpoints.pickles import checked, checked_sizes, interpret
from keras_liteseg.checkpoints.refusal import Refused, needless
from keras_liteseg.checkpoints.state_dicts import find

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC_NUMBER.to_bytes(10, "little")
_PROTOCOL_VERSION = 1001

_REBUILD_TENSOR = object()
_REBUILD_PARAMETER = object()

# Everything a checkpoint may ask for by name. Storage types stand for the type of their elements.
_NAMES = {
    "torch._utils._rebuild_tensor_v2": _REBUILD_TENSOR,
    "torch._utils._rebuild_parameter": _REBUILD_PARAMETER,
    "torch.DoubleStorage": NUMERIC["f8"],
    "torch.FloatStorage": NUMERIC["f4"],
    "torch.HalfStorage": NUMERIC["f2"],
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": NUMERIC["i8"],
    "torch.IntStorage": NUMERIC["i4"],
    "torch.ShortStorage": NUMERIC["i2"],
    "torch.CharStorage": NUMERIC["i1"],
    "torch.ByteStorage": NUMERIC["u1"],
    "torch.BoolStorage": NUMERIC["b1"],
}


@dataclasses.dataclass(eq=False)
class _Storage:
    type: ElementType
    count: int
    elements: np.ndarray | None = None

    def fill(self, data, order="<"):
        if self.elements is not None or len(data) != self.count * self.type.itemsize:
            raise ValueError("a storage occurs twice, ends too early or is too long")
        self.elements = self.type.decode(data, order)


@dataclasses.dataclass(eq=False)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def starts_as_torch_legacy(head):
    # Protocols 2 and 3 put 4 bytes before the number, protocols 4 and 5 put 13.
    return head[4:14] == _MAGIC_BYTES or head[13:23] == _MAGIC_BYTES


def read_torch_legacy(data):
    """Return the `StateDict`s in a file of PyTorch before 1.6; see `files.read_weights`."""
    stream, storages = io.BytesIO(data), {}
    magic_number, version, _machine, saved, keys = (_interpret(stream, storages) for _ in range(5))
    if magic_number != _MAGIC_NUMBER or version != _PROTOCOL_VERSION:
        raise ValueError("unknown magic number or protocol version")
    for key in checked(keys, list):
        storage = storages[checked(key, str)]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storage.count:
            raise ValueError("a storage has another length than announced")
        storage.fill(stream.read(count * storage.type.itemsize))
    return _arrays(saved)


def read_torch_zip(archive, data):
    """Return the `StateDict`s in a zip archive of PyTorch 1.6 or later; see `files.read_weights`.

    Args:
        archive: the open archive.
        data: the bytes that it is open on.
    """
    members = {info.filename: info for info in archive.infolist()}
    (folder,) = {name.removesuffix("data.pkl") for name in members if name.count("/") == 1 and is_torch_pickle(name)}
    if f"{folder}constants.pkl" in members or any(name.startswith(f"{folder}code/") for name in members):
        raise Refused(
            "is a TorchScript archive, which is a program and not a checkpoint. "
            "Load it with torch.jit.load and save its state_dict() with torch.save."
        )
    # Members may overlap, so a small archive could hold many large ones.
    budget = len(data)
    # PyTorch leaves the checksums out where it is told to (`torch.serialization.set_crc32_options`).
    checksums = any(info.CRC for info in members.values())

    def read(name):
        nonlocal budget
        info = members[folder + name]
        if info.compress_type != zipfile.ZIP_STORED:
            raise needless("compressed data")
        budget -= info.file_size
        if budget < 0:
            raise ValueError("the members are larger than the archive")
        return archive.read(info) if checksums else _stored(data, info)

    order = {b"little": "<", b"big": ">"}[read("byteorder") if f"{folder}byteorder" in members else b"little"]
    storages = {}
    saved = _interpret(io.BytesIO(read("data.pkl")), storages)
    for key, storage in storages.items():
        storage.fill(read(f"data/{key}"), order)
    return _arrays(saved)


def _stored(data, info):
    """Return the bytes of a member that is not compressed, which `zipfile` reads only with the right checksum."""
    name, extra = struct.unpack_from("<HH", data, info.header_offset + 26)
    start = info.header_offset + 30 + name + extra
    content = data[start : start + info.file_size]
    if len(content) != info.file_size:
        raise EOFError("a member ends too early")
    return content


def is_torch_pickle(name):
    """Return whether a zip archive with a member of this name is PyTorch's."""
    return name.endswith("/data.pkl")


def _interpret(stream, storages):
    """Interpret one pickle; collect the storages it refers to in `storages` by key."""

    def refer(identity):
        # ('storage', type, key, device, number of elements); the older container adds a view, which is None.
        kind, element_type, key, _device, count, *view = checked(identity, tuple)
        if checked(kind, str) != "storage" or view not in ([], [None]):
            raise ValueError("a reference to something else than a whole storage")
        if checked(count, int) < 0:
            raise ValueError("a storage has a negative length")
        new = _Storage(checked(element_type, ElementType), count)
        storage = storages.setdefault(checked(key, str), new)
        if (storage.type, storage.count) != (new.type, new.count):
            raise ValueError("two references to a storage disagree")
        return storage

    # The only attributes in a checkpoint are the `_metadata` of a state dict, which nobody needs: no `build`.
    return interpret(stream, _NAMES, _call, refer=refer)


def _call(callee, arguments):
    if callee is _REBUILD_TENSOR:
        storage, offset, shape, strides, *_gradient_and_hooks = arguments
        checked_sizes((offset,))
        if len(checked_sizes(shape)) != len(checked_sizes(strides)):
            raise ValueError("a tensor has another number of strides than of dimensions")
        return _Tensor(checked(storage, _Storage), offset, shape, strides)
    if callee is _REBUILD_PARAMETER:
        tensor, *_gradient_and_hooks = arguments
        return checked(tensor, _Tensor)
    raise ValueError("a call of something that is no function")


def _arrays(saved):
    return [
        dataclasses.replace(state, entries={name: _array(value) for name, value in entries if _is_tensor(value)})
        for state, entries in find(saved, _is_tensor)
    ]


def _is_tensor(value):
    return isinstance(value, _Tensor)


def _array(tensor):
    """Return the tensor as a view of its storage."""
    elements = tensor.storage.elements
    if elements is None:
        raise ValueError("a tensor refers to a storage that the file does not hold")
    # An expanded tensor (stride 0) would let a few bytes stand for a huge array.
    count = math.prod(tensor.shape)
    if count > len(elements):
        raise ValueError("a tensor has more elements than its storage")
    # NumPy makes the next check as well, but with 64-bit arithmetic, which huge strides overflow.
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if count and last >= len(elements):
        raise ValueError("a tensor reaches beyond its storage")
    if not count:
        return np.empty(tensor.shape, elements.dtype)
    return np.ndarray(
        tensor.shape,
        elements.dtype,
        buffer=elements,
        offset=tensor.offset * elements.itemsize,
        strides=[stride * elements.itemsize for stride in tensor.strides],
    )
