import io
import json
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from keras_liteseg.checkpoints import array_file
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError
from tests.checkpoints.pickle_code import peak_memory

DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"]


def npz(arrays, save=np.savez):
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()


def npy(shape, descr="<f4", content=b"", version=b"\x01\x00"):
    """An array file by hand, whose header may say anything."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header + content


def archive(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return stream.getvalue()


def safetensors(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def assert_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


# NumPy's archives.


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", DTYPES)
def test_npz(written, save, dtype):
    array = np.array([[0, 1, 2], [3, 100, 0]]).astype(dtype)
    expected = {"block.0.weight": array, "fortran": np.asfortranarray(array), "scalar": array[0, 0], "empty": array[:0]}
    expected["scalar"] = np.asarray(expected["scalar"])

    assert_same(read_weights(written(npz(expected, save))), expected)


def test_big_endian_npz_becomes_native(written):
    array = np.arange(3, dtype="float32")

    assert_same(read_weights(written(npz({"a": array.astype(">f4")}))), {"a": array})


def test_npz_without_arrays_is_refused(written):
    with pytest.raises(UserError, match="without weights of a known kind"):
        read_weights(written(npz({})))


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (np.array([None, "x"]), "arrays of type 'object'"),
        (np.array(["text"]), "arrays of type '<U4'"),
        (np.zeros(2, "complex64"), "arrays of type 'complex64'"),
        (np.zeros(2, "longdouble"), "arrays of type 'float128'"),
        (np.zeros(2, [("a", "f4"), ("b", "i4")]), r"arrays of type \"\[\('a', '<f4'\), \('b', '<i4'\)\]\""),
    ],
    ids=["object", "text", "complex", "longdouble", "structure"],
)
def test_npz_of_other_types_is_refused(written, array, named):
    with pytest.raises(UserError, match=f"asks for {named}"):
        read_weights(written(npz({"a": np.ones(2), "b": array})))


@pytest.mark.parametrize(
    "member",
    [
        npy((2,), content=bytes(7)),
        npy((2,), content=bytes(9)),
        npy((10**12,)),
        npy((2**32, 2**32)),
        npy((-1, -2), content=bytes(8)),
        npy((-2,), content=bytes(8)),
        npy(("2",), content=bytes(8)),
        npy([2], content=bytes(8)),
        npy((2,), descr="nonsense", content=bytes(8)),
        npy((2,), descr=[("a",)], content=bytes(8)),
        npy((2,), content=bytes(8), version=b"\x03\x00"),
        npy((2,), content=bytes(8), version=b"\x09\x00"),
        b"\x93NUMPY\x01\x00\x06\x00((((((",
        b"\x93NUMPY\x01\x00\x08\x00 if 1:\n ",
        b"\x93NUMPY\x02\x00\x00\x00\x01\x00" + b"(" * 65536,
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
        b"text",
        b"",
    ],
    ids=lambda value: None,
)
def test_contradictions_in_npz_are_refused(written, member):
    path = written(archive({"right.npy": npy((2,), content=bytes(8)), "wrong.npy": member}))

    with peak_memory() as peak, pytest.raises(UserError, match="damaged"):
        read_weights(path)

    assert peak() < 5 * 2**20


def test_npz_that_unpacks_to_too_much_is_refused(written, monkeypatch):
    monkeypatch.setattr(array_file, "_MAX_UNPACKED", 2**20)
    path = written(npz({"a": np.zeros(10**7, "float32")}, np.savez_compressed))

    with peak_memory() as peak, pytest.raises(UserError, match="unpacks to 0.0 GiB, but at most 0.000976562 GiB"):
        read_weights(path)

    assert peak() < 5 * 2**20


def test_npz_that_announces_terabytes_is_refused(written):
    data = archive({"a.npy": npy((2,), content=bytes(8))})
    entry = data.rindex(b"PK\x01\x02")
    # Sizes of 2**32 - 1 refer to a field of 64 bits.
    extra = struct.pack("<HHQ", 1, 8, 10**13)
    head = bytearray(data[entry : entry + 46])
    head[24:28] = b"\xff" * 4
    head[30:32] = struct.pack("<H", len(extra))
    directory = bytes(head) + b"a.npy" + extra
    end = bytearray(data[-22:])
    end[12:16] = struct.pack("<I", len(directory))

    with pytest.raises(UserError, match="unpacks to 9,313.2 GiB, but at most 4 GiB are read"):
        read_weights(written(data[:entry] + directory + end))


def test_member_that_unpacks_to_more_than_it_announces_takes_no_memory(written):
    data = archive({"a.npy": npy((2,), content=bytes(50 * 2**20))}, zipfile.ZIP_DEFLATED)
    size = struct.pack("<I", len(npy((2,))) + 50 * 2**20)
    assert data.count(size) == 2
    path = written(data.replace(size, struct.pack("<I", len(npy((2,))) + 8)))

    with peak_memory() as peak, pytest.raises(UserError, match="damaged"):
        read_weights(path)

    assert peak() < 5 * 2**20


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_of_another_compression_is_refused(written, compression):
    with pytest.raises(UserError, match="a compression that NumPy does not write"):
        read_weights(written(archive({"a.npy": npy((2,), content=bytes(8))}, compression)))


# Safetensors.


@pytest.mark.parametrize("dtype", [*DTYPES, "uint16", "uint32", "uint64"])
def test_safetensors(written, dtype):
    array = np.array([[0, 1, 2], [3, 100, 0]]).astype(dtype)
    expected = {"block.0.weight": array, "empty": array[:0], "scalar": np.array(array[1, 1])}

    arrays = read_weights(written(save(expected)))

    assert_same(dict(sorted(arrays.items())), expected)


def test_bfloat16_becomes_float32(written):
    header = {"a": {"dtype": "BF16", "shape": [3, 1], "data_offsets": [0, 6]}, "__metadata__": {"format": "pt"}}
    content = np.array([0x3FC0, 0xC010, 0x7F80], "<u2").tobytes()

    arrays = read_weights(written(safetensors(header, content)))

    assert_same(arrays, {"a": np.array([[1.5], [-2.25], [np.inf]], "float32")})


@pytest.mark.parametrize("dtype", ["F8_E4M3", "C64"])
def test_safetensors_of_other_types_are_refused(written, dtype):
    size = {"F8_E4M3": 1, "C64": 8}[dtype]
    header = {"a": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}

    with pytest.raises(UserError, match=f"asks for arrays of type '{dtype}'"):
        read_weights(written(safetensors(header, bytes(size))))


def test_safetensors_without_arrays_are_refused(written):
    with pytest.raises(UserError, match="is a safetensors file that holds no named tensors"):
        read_weights(written(safetensors({})))


def entry(shape=(2,), offsets=(0, 8), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry((3,))},
        {"a": entry(offsets=(0, 12))},
        {"a": entry((10**12,), (0, 4 * 10**12))},
        {"a": entry((2**32, 2**32))},
        {"a": entry((-2,))},
        {"a": entry(), "b": entry()},
        {"a": entry((1,), (4, 8))},
        {"a": entry(dtype="F33")},
        {"a": 5},
        b"{" * 100_000,
        b'{"a"',
    ],
    ids=lambda value: None,
)
def test_contradictions_in_safetensors_are_refused(written, header):
    path = written(safetensors(header, bytes(8)))

    with peak_memory() as peak, pytest.raises(UserError, match="damaged"):
        read_weights(path)

    assert peak() < 5 * 2**20
