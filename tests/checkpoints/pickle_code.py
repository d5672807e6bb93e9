"""An encoder of PyTorch's containers.

It writes pickle instructions by hand, because `pickle` refuses to write names that it cannot import, and because the
hostile files need instructions that it never writes.
"""

import contextlib
import io
import pickle
import struct
import tracemalloc
import zipfile
from typing import NamedTuple

import numpy as np

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
STORAGE_TYPES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class Global(NamedTuple):
    module: str
    name: str


class Call(NamedTuple):
    function: object
    arguments: tuple


class Built(NamedTuple):
    value: object
    state: object


class Reference(NamedTuple):
    identity: object


class Raw(NamedTuple):
    instructions: bytes


def instructions(value, protocol=2):
    def inner(value):
        return instructions(value, protocol)

    match value:
        case Raw(code):
            return code
        case Global(module, name):
            if protocol >= 4:
                return inner(module) + inner(name) + b"\x93\x94"
            return f"c{module}\n{name}\n".encode()
        case Call(function, arguments):
            return inner(function) + inner(arguments) + b"R"
        case Built(built, state):
            return inner(built) + inner(state) + b"b"
        case Reference(identity):
            return inner(identity) + b"Q"
        case str():
            text = value.encode()
            if protocol >= 4:
                return b"\x8c" + bytes([len(text)]) + text + b"\x94"
            return b"X" + struct.pack("<I", len(text)) + text
        case tuple():
            return b"(" + b"".join(map(inner, value)) + b"t"
        case list():
            return b"](" + b"".join(map(inner, value)) + b"e"
        case dict():
            return b"}(" + b"".join(inner(key) + inner(item) for key, item in value.items()) + b"u"
        case None | bool() | int() | float():
            return pickle.dumps(value, 2)[2:-1]
        case _:
            raise TypeError(value)


def encoded(saved, storages, protocol=2):
    """Return a container. `saved` is what to pickle, `storages` the contents of the storages by key."""
    head = [pickle.dumps(part, protocol) for part in (MAGIC_NUMBER, 1001, MACHINE)]
    body = bytes([0x80, protocol]) + instructions(saved, protocol) + b"."
    raw = [struct.pack("<q", array.size) + array.tobytes() for array in storages.values()]
    return b"".join([*head, body, pickle.dumps(list(storages), protocol), *raw])


def zipped(saved, storages, protocol=2, members=None, compression=zipfile.ZIP_STORED):
    """Return the container of PyTorch 1.6 and later, with further or other `members` {name: content}."""
    body = bytes([0x80, protocol]) + instructions(saved, protocol) + b"."
    contents = {"data.pkl": body, "version": b"3\n"}
    contents |= {f"data/{key}": array.tobytes() for key, array in storages.items()} | (members or {})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(f"weights/{name}"), content, compression)
    return stream.getvalue()


def ordered_dict(entries):
    """What PyTorch writes for a state dict: an OrderedDict that is filled and then given an attribute."""
    made = Call(Global("collections", "OrderedDict"), ())
    metadata = {"_metadata": Call(Global("collections", "OrderedDict"), ())}
    filled = instructions(made) + instructions(entries)[1:]
    return Built(Raw(filled), metadata)


def storage_reference(key, dtype, count, view=None):
    return Reference(("storage", Global("torch", STORAGE_TYPES[str(dtype)]), key, "cuda:0", count, view))


def tensor(key, array, offset=0, shape=None, strides=None, **reference):
    """A tensor in the storage `key` with the contents `array`; contiguous and of its shape unless told otherwise."""
    shape = array.shape if shape is None else shape
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    storage = storage_reference(key, array.dtype, reference.get("count", array.size), reference.get("view"))
    hooks = Call(Global("collections", "OrderedDict"), ())
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), (storage, offset, shape, strides, False, hooks))


def small_file(protocol=2, container=encoded):
    """Return a container with two tensors."""
    weight = np.arange(12, dtype="float32").reshape(3, 4)
    count = np.array(7)
    saved = {"weight": tensor("1", weight), "count": tensor("2", count)}
    return container(saved, {"1": weight, "2": count}, protocol)


def pickled(values, protocol=3):
    """Return a pickle of a dictionary of arrays and hand-written objects, as in a file of Paddle."""
    entries = {
        name: Raw(pickle.dumps(value, 3)[2:-1]) if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }
    return bytes([0x80, protocol]) + instructions(entries, protocol) + b"."


@contextlib.contextmanager
def peak_memory():
    """Context that yields a function which returns the most bytes that were in use within it."""
    tracemalloc.start()
    peak = None
    try:
        yield lambda: peak
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def hostile_objects(command):
    """Pickle code that runs `command` when it is unpickled, and what a refusal must name."""
    system = Global("os", "system")
    text = instructions(command)
    by_import = Call(Global("builtins", "__import__"), ("os",))
    return {
        "reduce": (Call(system, (command,)), "'os.system'"),
        "stack_global": (Raw(instructions(system, 4) + instructions((command,)) + b"R"), "'os.system'"),
        # An attribute of an OrderedDict replaces the method that the second BUILD calls.
        "build": (
            Built(Built(Call(Global("collections", "OrderedDict"), ()), {"__setstate__": system}), command),
            "'os.system'",
        ),
        "eval": (Call(Global("builtins", "eval"), (f"__import__('os').system({command!r})",)), "'builtins.eval'"),
        "getattr": (
            Call(Call(Global("builtins", "getattr"), (by_import, "system")), (command,)),
            "'builtins.getattr'",
        ),
        "dotted_name": (Raw(instructions(Global("shutil", "os.system"), 4) + text + b"\x85R"), "'shutil.os.system'"),
        "inst": (Raw(b"(" + text + b"ios\nsystem\n"), "'os.system'"),
        "obj": (Raw(b"(cos\nsystem\n" + text + b"o"), "'os.system'"),
        "newobj": (Raw(instructions(Global("subprocess", "Popen")) + b"(" + text + b"t\x81"), "'subprocess.Popen'"),
        "extension": (Raw(b"\x82\xf0(" + text + b"tR"), "the pickle instruction 'EXT1'"),
    }
