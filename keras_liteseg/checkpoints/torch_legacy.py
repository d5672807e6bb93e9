"""Reading the checkpoint container of PyTorch before release 1.6, without PyTorch and without running a pickle.

The file is five pickles and then raw numbers:

    1  the magic number
    2  the protocol version, 1001
    3  facts about the machine that wrote it
    4  the saved object, whose tensors refer to storages by key
    5  the list of the storage keys
    -  for each of these keys: the number of elements (int64), then the elements, all little-endian

A pickle is a program, so a checkpoint from the internet must not reach `pickle.Unpickler`. Restricting `find_class`
stops it from calling functions, but not from hashing a tuple that is nested a million deep (the interpreter crashes) or
from naming memo slot 2**30 (it takes 16 GB). `_run` therefore interprets the few instructions that a checkpoint needs
itself: it calls nothing, hashes only strings and memo numbers, and builds only the types below.
"""

import dataclasses
import io
import math
import pathlib
import pickletools
import struct

import numpy as np

from keras_liteseg.errors import UserError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC_NUMBER.to_bytes(10, "little")
_PROTOCOL_VERSION = 1001
_ZIP_MAGIC = b"PK\x03\x04"

# A tensor takes about 40 instructions, so this allows for some 50,000 tensors and bounds what a hostile file can cost.
_MAX_INSTRUCTIONS = 2_000_000
_MAX_DIMENSIONS = 32

_ORDERED_DICT = object()
_REBUILD_TENSOR = object()

# What the standard library and NumPy raise for bytes that make no sense. `Warning` because `pickletools` may warn of an
# odd escape sequence, which is an exception where the user turned warnings into errors.
_PARSE_ERRORS = (ValueError, LookupError, TypeError, OverflowError, MemoryError, struct.error, Warning)

# Everything a checkpoint may ask for by name. Storage types stand for the type of their elements.
_GLOBALS = {
    "collections.OrderedDict": _ORDERED_DICT,
    "torch._utils._rebuild_tensor_v2": _REBUILD_TENSOR,
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


class _Refused(Exception):
    """The file asks for something that is not needed for reading tensors; the message names it."""


@dataclasses.dataclass(eq=False)
class _Dictionary:
    """A dictionary as a list of pairs, because hashing what a file gives as key is not safe."""

    items: list


@dataclasses.dataclass(eq=False)
class _Storage:
    dtype: np.dtype
    count: int
    elements: np.ndarray | None = None


@dataclasses.dataclass(eq=False)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def read_torch_legacy(path):
    """Return the named tensors of a checkpoint of PyTorch before release 1.6.

    Nothing in the file is executed, and memory and time stay within a multiple of the file size.

    Args:
        path: a file written by `torch.save` before 1.6, or later with `_use_new_zipfile_serialization=False`. It holds
            a state dict, or a dictionary with the state dict under 'state_dict' or 'model'.

    Returns:
        A dictionary name -> array, in the order of the file. The arrays have the shape and dtype of the tensors; they
        are read-only, and tensors that share a storage are views of the same memory. Entries that are no tensors, such
        as an epoch number, are left out.

    Raises:
        UserError: the file cannot be read, is not of this kind, is damaged, holds no named tensors, or asks for
            anything but tensors and dictionaries; the message names what.
    """
    path = pathlib.Path(path)
    # Opening a pipe or a device could wait for ever.
    if not path.is_file():
        raise UserError(f"There is no checkpoint file {path}. Check the path.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}. Check its permissions.") from error
    if data.startswith(_ZIP_MAGIC):
        raise UserError(
            f"{path} is a zip archive, the container of PyTorch 1.6 and later, but this reader takes the older one. "
            "Load it with PyTorch and save its state_dict with torch.save(..., _use_new_zipfile_serialization=False)."
        )
    if not _starts_as_legacy(data[:32]):
        raise UserError(
            f"{path} is not a checkpoint of PyTorch before 1.6: it lacks the magic number. "
            "Check that the download is complete and is the weight file itself."
        )
    try:
        tensors = _read_container(io.BytesIO(data))
    except _Refused as error:
        raise UserError(
            f"{path} asks for {error}, which a tensor file does not need; the file was not loaded. "
            "If you trust its source, load it with PyTorch and save its state_dict alone."
        ) from error
    except _PARSE_ERRORS as error:
        raise UserError(
            f"{path} ends too early or is damaged: it starts as a PyTorch checkpoint but makes no sense further on. "
            "Copy or download it again."
        ) from error
    if not tensors:
        raise UserError(
            f"{path} holds no named tensors; expected a state dict, alone or under 'state_dict' or 'model'. "
            "Save model.state_dict() with PyTorch."
        )
    return tensors


def _starts_as_legacy(head):
    # Protocols 2 and 3 put 4 bytes before the number, protocols 4 and 5 put 13.
    return head[4:14] == _MAGIC_BYTES or head[13:23] == _MAGIC_BYTES


def _read_container(stream):
    storages = {}
    magic_number, protocol_version, _machine, saved, keys = (_run(stream, storages) for _ in range(5))
    if magic_number != _MAGIC_NUMBER or protocol_version != _PROTOCOL_VERSION:
        raise ValueError("unknown magic number or protocol version")
    _read_storages(stream, storages, keys)
    return {
        name: _array(value)
        for name, value in _state_dict(saved).items
        if isinstance(name, str) and isinstance(value, _Tensor)
    }


def _read_storages(stream, storages, keys):
    for key in _checked(keys, list):
        storage = storages[_checked(key, str)]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storage.count or count < 0 or storage.elements is not None:
            raise ValueError("a storage has another length than announced, or occurs twice")
        data = stream.read(count * storage.dtype.itemsize)
        storage.elements = np.frombuffer(data, storage.dtype)
        if len(storage.elements) != count:
            raise ValueError("a storage ends too early")


def _state_dict(saved):
    """Return the dictionary of tensors in the saved object, which may hold it beside epoch numbers and the like."""
    if not isinstance(saved, _Dictionary):
        return _Dictionary([])
    for name, value in saved.items:
        if isinstance(name, str) and name in ("state_dict", "model") and isinstance(value, _Dictionary):
            return value
    return saved


def _array(tensor):
    """Return the tensor as a view of its storage."""
    storage = tensor.storage
    if storage.elements is None:
        raise ValueError("a tensor refers to a storage that the file does not hold")
    # An expanded tensor (stride 0) would let a few bytes stand for a huge array.
    elements = math.prod(tensor.shape)
    if elements > storage.count:
        raise ValueError("a tensor has more elements than its storage")
    # NumPy makes the next check as well, but with 64-bit arithmetic, which huge strides overflow.
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if elements and last >= storage.count:
        raise ValueError("a tensor reaches beyond its storage")
    itemsize = storage.dtype.itemsize
    return np.ndarray(
        tensor.shape,
        storage.dtype,
        buffer=storage.elements,
        offset=tensor.offset * itemsize,
        strides=[stride * itemsize for stride in tensor.strides],
    )


def _run(stream, storages):
    """Interpret one pickle and leave `stream` behind it; collect the storages it refers to in `storages` by key.

    Returns None, a number, a string, a `_Tensor`, or a tuple, list or `_Dictionary` of these. The instructions are
    those with which the pickle protocols 2 to 5 write these types; `pickletools` describes them.

    Raises:
        _Refused: for any other instruction, or a name that is not in `_GLOBALS`.
        ValueError, LookupError, TypeError: the pickle makes no sense.
    """
    stack, marks, memo = [], [], {}

    def pop_to_mark():
        start = marks.pop()
        values = stack[start:]
        del stack[start:]
        return values

    for index, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        if index == _MAX_INSTRUCTIONS:
            raise _Refused(f"more than {_MAX_INSTRUCTIONS:,} pickle instructions")
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))

            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            # LONG4 is not among them: arithmetic with numbers of millions of digits takes too long.
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)

            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                values = [stack.pop() for _ in range(int(instruction.name[-1]))]
                stack.append(tuple(reversed(values)))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))

            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                value = stack.pop()
                _checked(stack[-1], list).append(value)
            case "APPENDS":
                values = pop_to_mark()
                _checked(stack[-1], list).extend(values)

            case "EMPTY_DICT":
                stack.append(_Dictionary([]))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _checked(stack[-1], _Dictionary).items.append((key, value))
            case "SETITEMS":
                values = pop_to_mark()
                pairs = zip(values[::2], values[1::2], strict=True)
                _checked(stack[-1], _Dictionary).items.extend(pairs)

            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])

            case "GLOBAL":
                stack.append(_global(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_global(f"{_checked(module, str)}.{_checked(name, str)}"))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_reduced(function, arguments))
            case "BINPERSID":
                stack.append(_storage(stack.pop(), storages))
            # Sets attributes. The only ones in a checkpoint are the `_metadata` of a state dict, which nobody needs.
            case "BUILD":
                stack.pop()

            case "INST":
                raise _Refused(_quoted(argument.replace(" ", ".", 1)))
            case other:
                raise _Refused(f"the pickle instruction '{other}'")


def _global(name):
    if name not in _GLOBALS:
        raise _Refused(_quoted(name))
    return _GLOBALS[name]


def _reduced(function, arguments):
    """Return what the call `function(*arguments)` in a pickle stands for."""
    if function is _ORDERED_DICT and not _checked(arguments, tuple):
        return _Dictionary([])
    if function is _REBUILD_TENSOR:
        storage, offset, shape, strides, _requires_grad, _hooks = _checked(arguments, tuple)
        if len(_checked(shape, tuple)) > _MAX_DIMENSIONS or len(_checked(strides, tuple)) != len(shape):
            raise ValueError("a tensor has too many dimensions or another number of strides")
        if any(_checked(number, int) < 0 for number in (offset, *shape, *strides)):
            raise ValueError("a tensor has a negative offset, size or stride")
        return _Tensor(_checked(storage, _Storage), offset, shape, strides)
    raise ValueError("a call of something that is no function")


def _storage(reference, storages):
    """Return the storage for a persistent id ('storage', type, key, device, number of elements, None)."""
    kind, dtype, key, _device, count, view = _checked(reference, tuple)
    if _checked(kind, str) != "storage" or view is not None:
        raise ValueError("a reference to something else than a whole storage")
    new = _Storage(_checked(dtype, np.dtype), _checked(count, int))
    storage = storages.setdefault(_checked(key, str), new)
    if storage.dtype != new.dtype or storage.count != new.count:
        raise ValueError("two references to a storage disagree")
    return storage


def _checked(value, kind):
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _quoted(name):
    # As ASCII, because the name goes to a terminal, which control characters could fool.
    return ascii(name[:100])
