"""Reading the files of `paddle.save`, without Paddle and without running a pickle.

A `.pdparams` file is one pickle of a dictionary of NumPy arrays. NumPy's own way of pickling an array is a call of
`_reconstruct` that makes an empty array and a state that fills it (protocols 2 to 4), or a call of `_frombuffer`
(protocol 5). Protocol 2 has no bytes, so text is encoded. Paddle writes tensors in nested dictionaries as
`tuple((name, array))`, and bfloat16, which NumPy lacks, as uint16; it has no uint16 of its own.
"""

import dataclasses
import io
import tarfile
import zlib

import numpy as np

from keras_liteseg.checkpoints.element_types import BFLOAT16, NUMERIC, ElementType
from keras_liteseg.checkpoints.pickles import checked, checked_sizes, interpret
from keras_liteseg.checkpoints.refusal import Refused, needless, quoted
from keras_liteseg.checkpoints.state_dicts import find

# Bound what a small hostile archive can cost; the official ones unpack to some 50 MB and hold a few files.
_MAX_UNPACKED = 2 * 2**30
_MAX_MEMBERS = 10_000

_ARRAY, _DTYPE, _ENCODE, _FROMBUFFER, _RECONSTRUCT, _TUPLE = (object() for _ in range(6))

# Everything a file may ask for by name. NumPy 2 renamed `numpy.core`, and protocol 2 uses Python 2's names.
_NAMES = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.core.numeric._frombuffer": _FROMBUFFER,
    "numpy._core.numeric._frombuffer": _FROMBUFFER,
    "numpy.ndarray": _ARRAY,
    "numpy.dtype": _DTYPE,
    "_codecs.encode": _ENCODE,
    "builtins.tuple": _TUPLE,
    "__builtin__.tuple": _TUPLE,
}

_TYPES = NUMERIC | {"u2": BFLOAT16}

# Under this key, protocols 2 and 3 tell into which pieces they cut arrays of more than 1 GiB.
_CUT_ARRAYS = "UnpackBigParamInfor@@"


@dataclasses.dataclass(eq=False)
class _Dtype:
    code: str
    type: ElementType | None
    order: str = "<"


@dataclasses.dataclass(eq=False)
class _Array:
    values: np.ndarray | None = None


def read_paddle(data):
    """Return the `StateDict`s in a `.pdparams` file; see `files.read_weights`."""
    # Calls may repeat, so a small file could ask for many copies of large arrays. Protocol 2 needs two of each array:
    # the encoded text, and the numbers in native byte order.
    budget = 2 * len(data)

    def spend(count):
        nonlocal budget
        budget -= count
        if budget < 0:
            raise ValueError("the arrays are larger than the file")

    def array(raw, dtype, shape, order):
        dtype = checked(dtype, _Dtype)
        if dtype.type is None:
            raise needless(f"arrays of type {quoted(dtype.code)}")
        if not isinstance(raw, bytes | bytearray):
            raise TypeError("the numbers of an array are no bytes")
        spend(len(raw))
        return dtype.type.decode(raw, dtype.order).reshape(checked_sizes(shape), order=order)

    def call(callee, arguments):
        if callee is _RECONSTRUCT:
            if arguments[0] is not _ARRAY:
                raise ValueError("an array of an unknown class")
            return _Array()
        if callee is _FROMBUFFER:
            raw, dtype, shape, order = arguments
            return _Array(array(raw, dtype, shape, order={"C": "C", "F": "F"}[checked(order, str)]))
        if callee is _DTYPE:
            code, _align, _copy = arguments
            # Other types are those of numbers beside the weights, which are skipped.
            return _Dtype(code, _TYPES.get(checked(code, str)))
        if callee is _ENCODE:
            text, encoding = arguments
            if checked(encoding, str) != "latin1":
                raise ValueError("text in an unknown encoding")
            spend(len(checked(text, str)))
            return text.encode("latin1")
        if callee is _TUPLE:
            (values,) = arguments
            return checked(values, tuple)
        raise ValueError("a call of something that is no function")

    def build(value, state):
        if isinstance(value, _Array):
            _version, shape, dtype, fortran_order, raw = checked(state, tuple)
            value.values = array(raw, dtype, shape, order="F" if fortran_order else "C")
        elif isinstance(value, _Dtype) and value.type:
            _version, order, base, names, fields, *_sizes = checked(state, tuple)
            if not (base is names is fields is None):
                raise needless("arrays of structures")
            value.order = {"<": "<", ">": ">", "|": "<"}[checked(order, str)]

    found = []
    for state, entries in find(interpret(io.BytesIO(data), _NAMES, call, build), _is_array):
        if any(name == _CUT_ARRAYS for name, _ in entries):
            raise Refused("holds arrays that are cut into pieces. Save it with paddle.save(..., protocol=4).")
        arrays = {name: _unpacked(value).values for name, value in entries if _is_array(value)}
        if any(values is None for values in arrays.values()):
            raise ValueError("an array without numbers")
        found.append(dataclasses.replace(state, entries=arrays))
    return found


def _is_array(value):
    return isinstance(_unpacked(value), _Array)


def _unpacked(value):
    """Return the array of a pair (name, array), and other values as they are."""
    return value[1] if isinstance(value, tuple) and len(value) == 2 else value


def read_paddle_tar(data):
    """Return the `StateDict`s in the only `.pdparams` file of a tar archive, which may be gzipped."""
    if data.startswith(b"\x1f\x8b"):
        data = _gunzipped(data)
    found = {name: content for name, content in _tar_files(data) if name.endswith(".pdparams")}
    if len(found) != 1:
        listed = ", ".join(quoted(name) for name in list(found)[:5]) or "none"
        raise Refused(
            f"is an archive that should hold one .pdparams file, but it holds {listed}. Give the .pdparams file itself."
        )
    return read_paddle(*found.values())


def _gunzipped(data):
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    unpacked = unpacker.decompress(data, _MAX_UNPACKED + 1)
    if len(unpacked) > _MAX_UNPACKED:
        raise Refused(
            f"unpacks to more than {_MAX_UNPACKED / 2**30:g} GiB. Unpack it yourself if you trust its source."
        )
    if not unpacker.eof:
        raise EOFError("the gzip stream ends too early")
    return unpacked


def _tar_files(data):
    """Yield name and content of each plain file.

    `tarfile.open` reads extended headers with claimed sizes, negative ones too, that cost unbounded time and memory;
    names of official files fit the plain headers.
    """
    offset = 0
    for _ in range(_MAX_MEMBERS):
        header = data[offset : offset + tarfile.BLOCKSIZE]
        if not header.strip(b"\0"):
            return
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        start = offset + tarfile.BLOCKSIZE
        content = data[start : start + member.size]
        if len(content) != member.size:
            raise EOFError("a member ends too early")
        if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield member.name, content
        offset = start + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    raise needless(f"more than {_MAX_MEMBERS:,} files in an archive")
