import argparse
import gzip
import importlib.util
import io
import pathlib
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from keras_liteseg.checkpoints import paddle_file
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError
from tests.checkpoints.pickle_code import Built, Call, Global, Raw, instructions, peak_memory, pickled

FILES = pathlib.Path(__file__).parent / "files"
ROOT = FILES.parents[2]


def weights():
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.normal(size=(4, 3, 3, 3)).astype("float32"),
        "bn._mean": rng.normal(size=300).astype("float32"),
        "fortran": np.asfortranarray(rng.normal(size=(5, 7))),
        "big_endian": np.arange(6, dtype=">f4").reshape(2, 3),
        "_scale": np.ones(1, "float32"),
        "scalar": np.array(2.5, "float32"),
    }


def with_names(arrays):
    return arrays | {"StructuredToParameterName@@": {name: f"{name}_0" for name in arrays}}


def assert_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array.astype(array.dtype.newbyteorder("=")), strict=True)


def tarred(files, mode="w:gz", **options):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, **options) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


# Files as they should be.


@pytest.mark.parametrize("name", ["paddle.pdparams", "paddle_nested.pdparams"])
def test_file_written_by_paddle(name):
    """The files are of Paddle 3.3: a linear layer's state dict, alone or as {"epoch": 3, "model": state_dict}."""
    expected = {
        "weight": np.arange(6, dtype="float32").reshape(3, 2) / 8,
        "bias": np.array([1, -1], "float32"),
    }

    assert_same(read_weights(FILES / name), expected)


@pytest.fixture(scope="module", params=["committed", "written"])
def folder(request, tmp_path_factory):
    """The files of `write_paddle_files`: those in the repository, or written anew by Paddle where it is installed."""
    if request.param == "committed":
        return FILES
    if importlib.util.find_spec("paddle") is None:
        pytest.skip("Paddle is not installed")
    path = tmp_path_factory.mktemp("paddle")
    subprocess.run([sys.executable, "-m", "tests.checkpoints.write_paddle_files", path], cwd=ROOT, check=True)
    return path


@pytest.mark.parametrize("name", ["paddle_bfloat16.pdparams", "paddle_bfloat16_nested.pdparams"])
def test_bfloat16_of_paddle(folder, name):
    """Paddle pickles it as uint16."""
    expected = {
        "weight": np.arange(6, dtype="float32").reshape(3, 2) / 8 - 0.25,
        "bias": np.array([1, -1], "float32"),
    }

    assert_same(read_weights(folder / name), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_programs_save_beside_the_weights_is_skipped(written, protocol):
    saved = {
        "best": np.float64(0.5),
        "name": np.str_("x"),
        "args": argparse.Namespace(lr=0.1),
        "path": pathlib.PurePosixPath("a"),
        "set": {1, 2},
        "state_dict": weights(),
    }

    assert_same(read_weights(written(pickle.dumps(saved, protocol))), weights())


@pytest.mark.parametrize("spelling", [b"numpy.core", b"numpy._core"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols(written, protocol, spelling):
    # Without frames, whose lengths would change with the spelling.
    pickler = pickle._Pickler(stream := io.BytesIO(), protocol)
    pickler.framer.start_framing = lambda: None
    pickler.dump(with_names(weights()))
    ours = b"numpy._core" if b"numpy._core" in stream.getvalue() else b"numpy.core"
    data = stream.getvalue()
    for module in (b".multiarray", b".numeric"):
        old, new = ours + module, spelling + module
        data = data.replace(b"\x8c" + bytes([len(old)]) + old, b"\x8c" + bytes([len(new)]) + new)
        data = data.replace(b"c" + old, b"c" + new)
    assert data.count(spelling + b".") > 0

    assert_same(read_weights(written(data)), weights())


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_dtypes(written, dtype):
    expected = {"a": np.array([[0, 1, 2], [3, 100, 0]]).astype(dtype)}

    assert_same(read_weights(written(pickle.dumps(expected, 4))), expected)


def test_values_with_parameter_names(written):
    expected = weights()
    saved = {name: (f"{name}_0", array) for name, array in expected.items()}

    assert_same(read_weights(written(pickle.dumps(saved, 4))), expected)


def test_entries_that_are_no_arrays_are_left_out(written):
    saved = {"epoch": 3, "a": np.ones(2), "pair": (1, 2), 5: np.ones(2), "list": [np.ones(2)], "bytes": b"x"}

    assert list(read_weights(written(pickle.dumps(saved, 4)))) == ["a"]


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archive(written, mode, format):
    files = {"PP_STDCNet1/notes.txt": b"notes", "PP_STDCNet1/model.pdparams": pickle.dumps(with_names(weights()), 4)}

    assert_same(read_weights(written(tarred(files, mode, format=format), "a.tar.gz")), weights())


def test_archive_with_extended_headers(written):
    content = pickle.dumps(weights(), 4)
    member = tarfile.TarInfo("model.pdparams")
    member.size, member.mtime, member.pax_headers = len(content), 0.5, {"comment": "x" * 2000}
    with tarfile.open(fileobj=(stream := io.BytesIO()), mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(content))

    assert_same(read_weights(written(stream.getvalue())), weights())


# Files that are refused.


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (np.array([None, "x"]), "arrays of type 'O8'"),
        (np.array(["text"]), "arrays of type 'U4'"),
        (np.zeros(2, "complex64"), "arrays of type 'c8'"),
        (np.zeros(2, "datetime64[s]"), "arrays of type 'M8'"),
        (np.zeros(2, [("a", "f4"), ("b", "i4")]), "arrays of type 'V8'"),
    ],
    ids=["object", "text", "complex", "date", "structure"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_of_other_types_are_refused(written, protocol, array, named):
    with pytest.raises(UserError, match=f"asks for {named}"):
        read_weights(written(pickle.dumps({"a": np.ones(2), "b": array}, protocol)))


def test_arrays_in_pieces_are_refused(written):
    saved = {"w@@.0": np.ones(2), "UnpackBigParamInfor@@": {"w": {"OriginShape": (2,), "slices": ["w@@.0"]}}}

    with pytest.raises(UserError, match="cut into pieces. Save it with .*protocol=4"):
        read_weights(written(pickle.dumps(saved, 2)))


def test_tensors_of_pytorch_in_a_bare_pickle_are_refused_by_name(written):
    rebuild = Call(Global("torch._utils", "_rebuild_tensor_v2"), ())

    with pytest.raises(UserError, match=r"asks for 'torch\._utils\._rebuild_tensor_v2'"):
        read_weights(written(pickled({"a": rebuild})))


@pytest.mark.parametrize("saved", [{}, {"epoch": 3}, [np.ones(2)], np.ones(2), None, {"model": {}}])
def test_file_without_arrays_is_refused(written, saved):
    with pytest.raises(UserError, match="is a Paddle file that holds no named tensors"):
        read_weights(written(pickle.dumps(saved, 4)))


EMPTY = Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), Raw(b"C\x01b")))
HALVES = Raw(b"C\x08" + np.ones(2, "<f4").tobytes())


def dtype(code="f4", order="<", base=None):
    return Built(Call(Global("numpy", "dtype"), (code, False, True)), (3, order, base, None, None, -1, -1, 0))


def array(shape=(2,), type=None, raw=HALVES, fortran=False):
    return Built(EMPTY, (1, shape, type or dtype(), fortran, raw))


def test_array_by_hand(written):
    assert_same(read_weights(written(pickled({"a": array()}))), {"a": np.ones(2, "float32")})


@pytest.mark.parametrize(
    "wrong",
    [
        EMPTY,
        array((3,)),
        array((1,)),
        array((-1,)),
        array((-1, -2)),
        array((2**32, 2**32)),
        array((2**64 + 2,)),
        array((0, 2**62)),
        array((2.0,)),
        array([2]),
        array((1,) * 100 + (2,)),
        array(raw="text"),
        array(raw=["list"]),
        array(raw=5),
        array(raw=Raw(b"C\x07" + bytes(7))),
        array(type=Raw(b"X\x02\x00\x00\x00f4")),
        array(type=dtype(order="=")),
        array(type=dtype(order=5)),
        Built(EMPTY, (1, (2,))),
        Built(EMPTY, {"shape": (2,)}),
        Built(dtype(), ("<",)),
        Call(Global("numpy", "dtype"), (4, False, True)),
        Call(Global("numpy", "dtype"), ("f4",)),
        Call(Global("numpy", "ndarray"), ((2**40,),)),
        Call(Global("numpy.core.multiarray", "_reconstruct"), ()),
        Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "dtype"), (0,), "b")),
        Call(Global("numpy.core.numeric", "_frombuffer"), (HALVES, dtype(), (2,), "K")),
        Call(Global("numpy.core.numeric", "_frombuffer"), (HALVES, "f4", (2,), "C")),
        Call(Global("_codecs", "encode"), ("text", "utf-8")),
        Call(Global("_codecs", "encode"), ("\u20ac", "latin1")),
        Call(Global("_codecs", "encode"), (5, "latin1")),
        Call(Global("builtins", "tuple"), ("text",)),
        Call(Global("builtins", "tuple"), ()),
        Call("text", ()),
    ],
    ids=lambda value: None,
)
def test_contradictions_are_refused(written, wrong):
    with pytest.raises(UserError, match="damaged"):
        read_weights(written(pickled({"right": np.ones(2), "wrong": wrong})))


def test_structured_type_is_refused(written):
    with pytest.raises(UserError, match="asks for arrays of structures"):
        read_weights(written(pickled({"a": array(type=dtype(base=("f4", (2,))))})))


@pytest.mark.parametrize("kind", ["encoded", "swapped", "buffer"])
def test_repeated_arrays_take_no_memory(written, kind):
    """A megabyte in the file, of which a few more bytes each ask for another copy."""
    text = "x" * 2**20
    put, get = b"q\x00", Raw(b"h\x00")
    if kind == "encoded":
        first = Raw(b"X" + len(text).to_bytes(4, "little") + text.encode() + put)
        copy = Call(Global("_codecs", "encode"), (get, "latin1"))
    else:
        first = Raw(b"B" + len(text).to_bytes(4, "little") + text.encode() + put)
        if kind == "swapped":
            copy = array((2**18,), dtype(order=">"), get)
        else:
            copy = Call(Global("numpy.core.numeric", "_frombuffer"), (get, dtype(order=">"), (2**18,), "C"))
    path = written(pickled({"first": first} | {f"copy {index}": copy for index in range(500)}))
    assert path.stat().st_size < 1.2 * 2**20

    with peak_memory() as peak, pytest.raises(UserError, match="damaged"):
        read_weights(path)

    assert peak() < 10 * 2**20


def test_an_array_under_many_names_is_one_array(written):
    """As big-endian numbers it has to be converted, but once."""
    first = Raw(instructions(array((2**18,), dtype(order=">"), Raw(b"B\x00\x00\x10\x00" + bytes(2**20)))) + b"q\x00")
    path = written(pickled({"first": first} | {f"{index}": Raw(b"h\x00") for index in range(500)}))

    with peak_memory() as peak:
        arrays = read_weights(path)

    assert len(arrays) == 501
    assert peak() < 10 * 2**20


# Archives that are refused.


@pytest.mark.parametrize(
    ("names", "listed"),
    [([], "none"), (["readme"], "none"), (["b.pdparams", "a/c.pdparams"], "'b.pdparams', 'a/c.pdparams'")],
)
def test_archive_without_a_single_file_is_refused(written, names, listed):
    data = tarred({name: pickle.dumps(weights(), 4) for name in names})

    with pytest.raises(UserError, match=f"should hold one .pdparams file, but it holds {listed}"):
        read_weights(written(data))


def test_archive_that_unpacks_to_too_much_is_refused(written, monkeypatch):
    monkeypatch.setattr(paddle_file, "_MAX_UNPACKED", 2**20)
    path = written(gzip.compress(bytes(50 * 2**20)))

    with peak_memory() as peak, pytest.raises(UserError, match="unpacks to more than 0.000976562 GiB"):
        read_weights(path)

    assert peak() < 10 * 2**20


def test_gzipped_file_that_is_no_archive_is_refused(written):
    with pytest.raises(UserError, match="damaged"):
        read_weights(written(gzip.compress(pickle.dumps(weights(), 4))))


@pytest.mark.parametrize("size", [2**40, -512, -1024, -(2**62)])
def test_member_of_impossible_size_is_refused(written, size):
    header = tarfile.TarInfo("model.pdparams")
    header.size = size
    data = header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)

    with pytest.raises(UserError, match="damaged"):
        read_weights(written(data))


def test_number_of_members_is_limited(written, monkeypatch):
    monkeypatch.setattr(paddle_file, "_MAX_MEMBERS", 20)

    with pytest.raises(UserError, match="more than 20 files in an archive"):
        read_weights(written(tarred({f"{index}": b"" for index in range(21)})))


def test_links_and_sparse_files_are_no_files(written):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for type in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE):
            member = tarfile.TarInfo("model.pdparams")
            member.type, member.linkname = type, "/etc/hostname"
            archive.addfile(member)

    with pytest.raises(UserError, match="it holds none"):
        read_weights(written(stream.getvalue()))
