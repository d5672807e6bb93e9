import argparse
import copyreg
import io
import pathlib
import pickle
import struct

import numpy as np
import pytest

from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.checkpoints.pickles import Dictionary, interpret
from keras_liteseg.checkpoints.refusal import Refused
from keras_liteseg.errors import UserError
from tests.checkpoints.pickle_code import (
    MACHINE,
    MAGIC_NUMBER,
    Built,
    Call,
    Global,
    Raw,
    encoded,
    hostile_objects,
    instructions,
    peak_memory,
    pickled,
    tensor,
    zipped,
)

BASE = np.arange(5, dtype="int64")


def legacy_file(entries):
    return encoded({"a": tensor("1", BASE)} | entries, {"1": BASE})


def zip_file(entries):
    return zipped({"a": tensor("1", BASE)} | entries, {"1": BASE})


def paddle_file(entries):
    return pickled({"a": BASE} | entries)


@pytest.fixture(params=[legacy_file, zip_file, paddle_file])
def file_with(request):
    """A function that makes a weight file with the array `a` and the entries given, for each reader of pickles."""
    return request.param


# The interpreter.


def refuse(callee, arguments):
    raise AssertionError("nothing is to be called")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values(protocol):
    values = [None, True, False, 1, -300, 2**40, 0.5, "text", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ["x", ("y",)]]
    if protocol > 2:
        values.append(b"bytes")
    if protocol == 5:
        values.append(bytearray(b"bytes"))
    stream = io.BytesIO(pickle.dumps(values, protocol) + b"rest")

    assert interpret(stream, {}, refuse) == values
    assert stream.read() == b"rest"


def test_dictionaries_are_pairs():
    value = interpret(io.BytesIO(pickle.dumps({"a": 1, "b": {2: 3}}, 4)), {}, refuse)

    assert isinstance(value, Dictionary)
    (first, (name, inner)) = value.items
    assert (first, name, inner.items) == (("a", 1), "b", [(2, 3)])


def test_names_and_calls_go_to_the_reader():
    code = b"\x80\x02" + instructions([Global("lib", "make"), Call(Global("lib", "make"), (1, "x"))]) + b"."

    value = interpret(io.BytesIO(code), {"lib.make": "stand-in"}, lambda *call: call)

    assert value == ["stand-in", ("stand-in", (1, "x"))]


def test_persistent_ids_are_refused_without_a_reader_for_them():
    with pytest.raises(Refused, match="the pickle instruction 'BINPERSID'"):
        interpret(io.BytesIO(b"\x80\x02K\x01Q."), {}, refuse)


def test_what_lies_beside_weights_is_skipped_without_being_made():
    code = pickle.dumps([1, argparse.Namespace(lr=0.1), pathlib.PurePosixPath("a"), {1, 2}, np.float64(0.5), 2], 4)

    first, *skipped, last = interpret(io.BytesIO(code), {}, refuse)

    assert (first, last) == (1, 2)
    assert len(skipped) == 4 and all(type(value) is object for value in skipped)


@pytest.mark.parametrize("name", ["getattr", "eval", "exec", "open", "__import__", "compile", "type", "map", "super"])
def test_functions_are_not_among_what_is_skipped(name):
    code = b"\x80\x02" + instructions(Global("builtins", name)) + b"."

    with pytest.raises(Refused, match=f"'builtins.{name}'"):
        interpret(io.BytesIO(code), {}, refuse)


@pytest.mark.parametrize("made", [Global("collections", "OrderedDict"), "text", 5])
def test_objects_of_other_classes_are_refused(made):
    code = b"\x80\x02" + instructions(made) + b")\x81."

    with pytest.raises(Refused, match="asks for an object of a class"):
        interpret(io.BytesIO(code), {}, refuse)


# Hostile files.


@pytest.fixture
def extension():
    copyreg.add_extension("os", "system", 0xF0)
    yield
    copyreg.remove_extension("os", "system", 0xF0)


@pytest.mark.parametrize("kind", hostile_objects(""))
def test_hostile_files_are_refused_by_name(written, file_with, tmp_path, extension, kind):
    canary = tmp_path / "canary"
    hostile, name = hostile_objects(f"echo > '{canary}'")[kind]
    if kind != "newobj":  # Popen.__new__ alone starts nothing.
        pickle.loads(b"\x80\x04" + instructions(hostile) + b".")
        canary.unlink()  # Shows that `pickle` would have run the command.

    with pytest.raises(UserError, match=f"asks for {name}, which a tensor file does not need; the file was not loaded"):
        read_weights(written(file_with({"b": hostile})))
    assert not canary.exists()


@pytest.mark.parametrize("position", [1, 2, 4])
def test_all_pickles_of_the_file_are_guarded(written, position):
    parts = [pickle.dumps(part, 2) for part in (MAGIC_NUMBER, 1001, MACHINE, {}, [])]
    parts[position] = b"\x80\x02" + instructions(Call(Global("os", "getcwd"), ())) + b"."

    with pytest.raises(UserError, match=r"asks for 'os\.getcwd'"):
        read_weights(written(b"".join(parts)))


def test_name_in_message_is_short_and_printable(written, file_with):
    with pytest.raises(UserError) as caught:
        read_weights(written(file_with({"b": Raw(b"cos\n\x1b[2J" + b"x" * 100_000 + b"\n")})))

    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_build_does_not_change_anything(written):
    state = {"__class__": "x", "__setstate__": 1, "items": [], "storage": None, "shape": (1000,)}
    saved = Built({"a": Built(tensor("1", BASE), state)}, state)

    tensors = read_weights(written(encoded(saved, {"1": BASE})))

    np.testing.assert_array_equal(tensors["a"], BASE)


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    "bomb",
    [
        Raw(b"X" + struct.pack("<I", HUGE)),
        Raw(b"B" + struct.pack("<I", HUGE)),
        Raw(b"\x8e" + struct.pack("<Q", 2**62)),
        Raw(b"\x8d" + struct.pack("<Q", 2**62)),
        Raw(b"\x96" + struct.pack("<Q", 2**62)),
        Raw(b"\x8b" + struct.pack("<i", HUGE)),
        Raw(b"I" + b"9" * 1_000_000 + b"\n"),
        Raw(b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000),
    ],
    ids=["text", "bytes", "bytes8", "text8", "bytearray8", "integer", "decimal_integer", "long_integer"],
)
def test_memory_bombs_are_refused(written, file_with, bomb):
    path = written(file_with({"bomb": bomb}))

    with peak_memory() as peak, pytest.raises(UserError):
        read_weights(path)

    assert peak() < 10 * 2**20


def test_huge_memo_slot_takes_no_memory(written, file_with):
    path = written(file_with({"b": Raw(b"Nr" + struct.pack("<I", 2**30))}))

    with peak_memory() as peak:
        tensors = read_weights(path)

    assert list(tensors) == ["a"]
    assert peak() < 10 * 2**20


def test_number_of_instructions_is_limited():
    with pytest.raises(Refused, match="more than 2,000,000 pickle instructions"):
        interpret(io.BytesIO(b"\x80\x02" + b"N" * 2_000_001 + b"."), {}, refuse)


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
def test_hostile_keys_do_no_harm(key):
    code = b"\x80\x02}" + instructions(key) + b"NsX\x01\x00\x00\x00aK\x01s."

    assert interpret(io.BytesIO(code), {}, refuse).items[1:] == [("a", 1)]


def test_nested_values_do_no_harm(written, file_with):
    deep = Raw(b"}" + b"X\x01\x00\x00\x00x}" * 100_000 + b"s" * 100_000)

    assert list(read_weights(written(file_with({"deep": deep})))) == ["a"]
