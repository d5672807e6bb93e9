import copyreg
import json
import os
import pickle
import random
import struct
import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest

from keras_liteseg.checkpoints.torch_legacy import read_torch_legacy
from keras_liteseg.errors import UserError

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


# An encoder of the container. It writes pickle instructions by hand, because `pickle` refuses to write names that it
# cannot import, and because the hostile files need instructions that it never writes.


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


@pytest.fixture
def written(tmp_path):
    """A function that writes bytes to a file and returns its path."""

    def write(data):
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return path

    return write


def small_file(protocol=2):
    weight = np.arange(12, dtype="float32").reshape(3, 4)
    count = np.array(7)
    return encoded({"weight": tensor("1", weight), "count": tensor("2", count)}, {"1": weight, "2": count}, protocol)


# Files as they should be.


def test_official_file_has_all_tensors_in_order(shared):
    path = shared / "weights" / "ndnet45_cityscapes.pth"
    expected = json.loads((shared / "parity" / "ndnet45_ende.json").read_text())["state_dict"]

    tensors = read_torch_legacy(path)

    assert [[name, list(array.shape)] for name, array in tensors.items()] == expected
    assert len(tensors) == 359


def test_official_file_has_sensible_values(shared):
    tensors = read_torch_legacy(shared / "weights" / "ndnet45_cityscapes.pth")

    counters = [array for name, array in tensors.items() if name.endswith("num_batches_tracked")]
    assert {(array.dtype.name, int(array)) for array in counters} == {("int64", 100_001)}
    floats = [array for array in tensors.values() if array.dtype == "float32"]
    assert len(floats) + len(counters) == 359
    # Bytes taken from the wrong place would give some huge numbers and negative variances.
    assert all(np.abs(array).max() < 1e3 for array in floats)
    assert all(array.min() >= 0 for name, array in tensors.items() if name.endswith("running_var"))


@pytest.mark.parametrize("dtype", STORAGE_TYPES)
def test_dtypes(written, dtype):
    array = np.array([[0, 1, 2], [3, 100, 0]]).astype(dtype)

    tensors = read_torch_legacy(written(encoded({"a": tensor("1", array)}, {"1": array})))

    assert tensors["a"].dtype == dtype
    np.testing.assert_array_equal(tensors["a"], array)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickle_protocols(written, protocol):
    path = written(small_file(protocol))

    tensors = read_torch_legacy(path)

    assert list(tensors) == ["weight", "count"]
    np.testing.assert_array_equal(tensors["weight"], np.arange(12).reshape(3, 4))
    assert tensors["count"].shape == ()
    assert tensors["count"] == 7


def test_strides_and_offset(written):
    base = np.arange(20, dtype="float32")
    saved = {
        "transposed": tensor("1", base, shape=(4, 5), strides=(1, 4)),
        "every_third": tensor("1", base, offset=1, shape=(7,), strides=(3,)),
        "last": tensor("1", base, offset=19, shape=(), strides=()),
        "empty": tensor("1", base, offset=20, shape=(0, 3), strides=(3, 1)),
    }

    tensors = read_torch_legacy(written(encoded(saved, {"1": base})))

    np.testing.assert_array_equal(tensors["transposed"], base.reshape(5, 4).T)
    np.testing.assert_array_equal(tensors["every_third"], base[1::3])
    assert tensors["last"] == 19
    assert tensors["empty"].shape == (0, 3)


def test_tensors_of_a_storage_share_memory(written):
    base = np.arange(6, dtype="int64")
    other = base + 10
    saved = {
        "a": tensor("1", base),
        "b": tensor("1", base, offset=2, shape=(2, 2), strides=(2, 1)),
        "c": tensor("2", other),
    }

    tensors = read_torch_legacy(written(encoded(saved, {"2": other, "1": base})))

    assert np.shares_memory(tensors["a"], tensors["b"])
    assert not np.shares_memory(tensors["a"], tensors["c"])
    np.testing.assert_array_equal(tensors["b"], [[2, 3], [4, 5]])
    assert not tensors["a"].flags.writeable


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_state_dict_within_a_checkpoint(written, key):
    array = np.ones(3, "float32")
    inner = ordered_dict({"z": tensor("1", array), "a": tensor("1", array)})
    saved = {"epoch": 12, "best": 0.75, "args": None, "outside": tensor("1", array), key: inner}

    assert list(read_torch_legacy(written(encoded(saved, {"1": array})))) == ["z", "a"]


def test_entries_that_are_no_tensors_are_left_out(written):
    array = np.ones(3, "float32")
    saved = ordered_dict({"epoch": 12, "a": tensor("1", array), "names": ["x", "y"], 5: tensor("1", array)})

    assert list(read_torch_legacy(written(encoded(saved, {"1": array})))) == ["a"]


# Files of another kind.


def test_newer_container_is_named(written):
    path = written(b"PK\x03\x04" + bytes(100))

    with pytest.raises(UserError, match="zip archive, the container of PyTorch 1.6 and later"):
        read_torch_legacy(path)


@pytest.mark.parametrize("data", [b"", b"\x80", b"<!DOCTYPE html>" * 10, pickle.dumps({"a": 1}, 2)])
def test_other_files_are_refused(written, data):
    path = written(data)

    with pytest.raises(UserError, match="weights.pth is not a checkpoint of PyTorch before 1.6"):
        read_torch_legacy(path)


def test_folder_and_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(UserError, match="no checkpoint file"):
            read_torch_legacy(path)


@pytest.mark.parametrize("saved", [{}, {"epoch": 3}, [1, 2], None, "text", {"state_dict": {}}])
def test_file_without_tensors_is_refused(written, saved):
    with pytest.raises(UserError, match="holds no named tensors"):
        read_torch_legacy(written(encoded(saved, {})))


def test_unknown_protocol_version_is_refused(written):
    data = small_file().replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2))

    with pytest.raises(UserError, match="damaged"):
        read_torch_legacy(written(data))


# Files that contradict themselves.

BASE = np.arange(5, dtype="int64")


@pytest.mark.parametrize(
    "wrong",
    [
        tensor("1", BASE, offset=1),
        tensor("1", BASE, offset=-1),
        tensor("1", BASE, offset=2**70, shape=(1,), strides=(1,)),
        tensor("1", BASE, shape=(-5,)),
        tensor("1", BASE, shape=(6,)),
        tensor("1", BASE, shape=(2, 2), strides=(4, 1)),
        tensor("1", BASE, shape=(2,), strides=(-1,)),
        # 4 * 2**59 elements of 8 bytes are 2**64 bytes, which 64-bit arithmetic takes for 0.
        tensor("1", BASE, shape=(5,), strides=(2**59,)),
        tensor("1", BASE, shape=(1,), strides=(2**70,)),
        tensor("1", BASE, shape=(5,), strides=(1, 1)),
        tensor("1", BASE, shape=(1,) * 100, strides=(1,) * 100),
        tensor("1", BASE, shape=("5",), strides=(1,)),
        tensor("1", BASE, count=4),
        tensor("1", BASE, count=-1),
        tensor("1", BASE, view=("1", 0, 5)),
        tensor("absent", BASE),
        Call(Global("torch._utils", "_rebuild_tensor_v2"), (1, 2)),
        Call(Global("torch._utils", "_rebuild_tensor_v2"), ("no storage", 0, (1,), (1,), False, None)),
        Call(Global("torch", "LongStorage"), ()),
        Call("text", ()),
        Reference(("module", Global("torch", "LongStorage"), "1", "cpu", 5, None)),
        Reference("storage"),
    ],
    ids=str,
)
def test_contradictions_are_refused(written, wrong):
    saved = {"right": tensor("1", BASE), "wrong": wrong}

    with pytest.raises(UserError, match="damaged"):
        read_torch_legacy(written(encoded(saved, {"1": BASE})))


def test_storages_that_disagree_are_refused(written):
    saved = {"a": tensor("1", BASE), "b": tensor("1", BASE.astype("float64"))}

    with pytest.raises(UserError, match="damaged"):
        read_torch_legacy(written(encoded(saved, {"1": BASE})))


def test_every_truncation_is_refused(written):
    data = small_file()

    for length in range(len(data)):
        with pytest.raises(UserError):
            read_torch_legacy(written(data[:length]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("protocol", [2, 4])
def test_flipped_bytes_give_arrays_or_user_errors(written, protocol):
    data = small_file(protocol)
    generator = random.Random(protocol)
    outcomes = set()

    for _ in range(2000):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 3)):
            damaged[generator.randrange(len(data))] = generator.randrange(256)
        try:
            tensors = read_torch_legacy(written(damaged))
        except UserError:
            outcomes.add("refused")
        else:
            outcomes.add("loaded")
            assert sum(array.nbytes for array in tensors.values()) <= len(data)

    assert outcomes == {"refused", "loaded"}


# Hostile files.


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


@pytest.fixture
def extension():
    copyreg.add_extension("os", "system", 0xF0)
    yield
    copyreg.remove_extension("os", "system", 0xF0)


@pytest.mark.parametrize("kind", hostile_objects(""))
def test_hostile_files_are_refused_by_name(written, tmp_path, extension, kind):
    canary = tmp_path / "canary"
    hostile, name = hostile_objects(f"echo > '{canary}'")[kind]
    if kind != "newobj":  # Popen.__new__ alone starts nothing.
        pickle.loads(b"\x80\x04" + instructions(hostile) + b".")
        canary.unlink()  # Shows that `pickle` would have run the command.

    with pytest.raises(UserError, match=f"asks for {name}, which a tensor file does not need; the file was not loaded"):
        read_torch_legacy(written(encoded({"a": tensor("1", BASE), "b": hostile}, {"1": BASE})))
    assert not canary.exists()


@pytest.mark.parametrize("position", [1, 2, 4])
def test_all_pickles_of_the_file_are_guarded(written, position):
    parts = [pickle.dumps(part, 2) for part in (MAGIC_NUMBER, 1001, MACHINE, {}, [])]
    parts[position] = b"\x80\x02" + instructions(Call(Global("os", "getcwd"), ())) + b"."

    with pytest.raises(UserError, match=r"asks for 'os\.getcwd'"):
        read_torch_legacy(written(b"".join(parts)))


def test_name_in_message_is_short_and_printable(written):
    with pytest.raises(UserError) as caught:
        read_torch_legacy(written(encoded(Raw(b"cos\n\x1b[2J" + b"x" * 100_000 + b"\n"), {})))

    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_build_does_not_change_anything(written):
    state = {"__class__": "x", "__setstate__": 1, "items": [], "storage": None, "shape": (1000,)}
    saved = Built({"a": Built(tensor("1", BASE), state)}, state)

    tensors = read_torch_legacy(written(encoded(saved, {"1": BASE})))

    np.testing.assert_array_equal(tensors["a"], BASE)


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    "bomb",
    [
        tensor("1", BASE, shape=(10**12,), strides=(0,)),
        tensor("1", BASE, shape=(2,) * 40, strides=(0,) * 40),
        tensor("2", BASE, shape=(10**15,), count=10**15),
        Raw(b"X" + struct.pack("<I", HUGE)),
        Raw(b"B" + struct.pack("<I", HUGE)),
        Raw(b"\x8e" + struct.pack("<Q", 2**62)),
        Raw(b"\x8d" + struct.pack("<Q", 2**62)),
        Raw(b"\x96" + struct.pack("<Q", 2**62)),
        Raw(b"\x8b" + struct.pack("<i", HUGE)),
        Raw(b"I" + b"9" * 1_000_000 + b"\n"),
        Raw(b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000),
    ],
    ids=[
        *("expanded_tensor", "many_dimensions", "storage_beyond_the_file", "text", "bytes", "bytes8", "text8"),
        *("bytearray8", "integer", "decimal_integer", "long_integer"),
    ],
)
def test_memory_bombs_are_refused(written, bomb):
    path = written(encoded({"a": tensor("1", BASE), "bomb": bomb}, {"1": BASE, "2": BASE}))
    tracemalloc.start()
    try:
        with pytest.raises(UserError):
            read_torch_legacy(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10 * 2**20


def test_huge_memo_slot_takes_no_memory(written):
    path = written(encoded({"a": tensor("1", BASE), "b": Raw(b"Nr" + struct.pack("<I", 2**30))}, {"1": BASE}))
    tracemalloc.start()
    try:
        tensors = read_torch_legacy(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert list(tensors) == ["a"]
    assert peak < 10 * 2**20


def test_number_of_instructions_is_limited(written):
    with pytest.raises(UserError, match="more than 2,000,000 pickle instructions"):
        read_torch_legacy(written(encoded(Raw(b"N" * 2_000_001), {})))


@pytest.mark.parametrize(
    "key",
    [
        # Hashing the first key overflows the C stack; hashing the second takes 2**100 steps.
        Raw(b")" + b"\x85" * 200_000),
        Raw(b")" + b"q\x00h\x00\x86" * 100),
        Raw(b"]q\x00h\x00a"),
    ],
    ids=["deep", "wide", "recursive"],
)
def test_hostile_keys_do_no_harm(written, key):
    entries = b"}" + instructions(key) + b"Ns" + instructions({"a": tensor("1", BASE)})[1:]

    tensors = read_torch_legacy(written(encoded(Raw(entries), {"1": BASE})))

    assert list(tensors) == ["a"]


def test_nested_values_do_no_harm(written):
    deep = Raw(b"}" + b"X\x01\x00\x00\x00x}" * 100_000 + b"s" * 100_000)

    tensors = read_torch_legacy(written(encoded({"deep": deep, "a": tensor("1", BASE)}, {"1": BASE})))

    assert list(tensors) == ["a"]


def test_message_names_the_file(written):
    path = written(small_file()[:-1])

    with pytest.raises(UserError, match="ends too early or is damaged") as caught:
        read_torch_legacy(path)
    assert os.fspath(path) in str(caught.value)
