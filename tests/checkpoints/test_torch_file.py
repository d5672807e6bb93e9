import importlib.util
import json
import pathlib
import pickle
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest

from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError
from tests.checkpoints.pickle_code import (
    STORAGE_TYPES,
    Call,
    Global,
    Reference,
    encoded,
    ordered_dict,
    peak_memory,
    small_file,
    tensor,
    zipped,
)

BASE = np.arange(5, dtype="int64")
FILES = pathlib.Path(__file__).parent / "files"
ROOT = FILES.parents[2]


@pytest.fixture(params=[encoded, zipped])
def container(request):
    """A function that makes a file of either kind."""
    return request.param


# Files as they should be.


def test_official_file_has_all_tensors_in_order(shared):
    path = shared / "weights" / "ndnet45_cityscapes.pth"
    expected = json.loads((shared / "parity" / "ndnet45_ende.json").read_text())["state_dict"]

    tensors = read_weights(path)

    assert [[name, list(array.shape)] for name, array in tensors.items()] == expected
    assert len(tensors) == 359


def test_official_file_has_sensible_values(shared):
    tensors = read_weights(shared / "weights" / "ndnet45_cityscapes.pth")

    counters = [array for name, array in tensors.items() if name.endswith("num_batches_tracked")]
    assert {(array.dtype.name, int(array)) for array in counters} == {("int64", 100_001)}
    floats = [array for array in tensors.values() if array.dtype == "float32"]
    assert len(floats) + len(counters) == 359
    # Bytes taken from the wrong place would give some huge numbers and negative variances.
    assert all(np.abs(array).max() < 1e3 for array in floats)
    assert all(array.min() >= 0 for name, array in tensors.items() if name.endswith("running_var"))


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_file_written_by_pytorch(kind):
    """The files are of PyTorch 2.13: torch.save({"epoch": 3, "model_state_dict": {...}}), with tensors as below."""
    base = np.arange(12, dtype="float32")

    tensors = read_weights(FILES / f"torch_{kind}.pth")

    expected = {
        "weight": base.reshape(3, 4) / 8,
        "transposed": base.reshape(3, 4).T,
        "part": base[2:8].reshape(2, 3),
        "parameter": -np.ones((2, 2), "float32"),
        "bfloat16": np.array([1.5, -2.25, 3], "float32"),
        "half": np.array([0.5, 2], "float16"),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), "float32"),
        "count": np.array(7),
    }
    assert list(tensors) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(tensors[name], array, strict=True)
    assert np.shares_memory(tensors["transposed"], tensors["part"])


@pytest.fixture(scope="module", params=["committed", "written"])
def folder(request, tmp_path_factory):
    """The files of `write_torch_files`: those in the repository, or written anew by PyTorch where it is installed."""
    if request.param == "committed":
        return FILES
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    path = tmp_path_factory.mktemp("torch")
    subprocess.run([sys.executable, "-m", "tests.checkpoints.write_torch_files", path], cwd=ROOT, check=True)
    return path


STATE = {"weight": np.arange(6, dtype="float32").reshape(2, 3) / 8, "bias": np.array([1, -1], "float32")}


@pytest.mark.parametrize("kind", ["beside", "beside_legacy", "beside_protocol_4", "averages", "without_crc"])
def test_what_programs_save_beside_the_weights_is_skipped(folder, kind):
    tensors = read_weights(folder / f"torch_{kind}.pth")

    assert list(tensors) == list(STATE)
    for name, array in STATE.items():
        np.testing.assert_array_equal(tensors[name], array, strict=True)


def test_averages(folder):
    tensors = read_weights(folder / "torch_averages.pth", averaged=True)

    np.testing.assert_array_equal(tensors["weight"], STATE["weight"] + 1)


def test_damage_within_a_file_without_checksums(written):
    data = (FILES / "torch_without_crc.pth").read_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(UserError):
            read_weights(written(data[:length]))


def test_wrong_checksum_is_damage(written):
    data = (FILES / "torch_beside.pth").read_bytes()
    start = data.index(STATE["weight"].tobytes())
    with pytest.raises(UserError, match="damaged"):
        read_weights(written(data[: start + 4] + b"\x01" + data[start + 5 :]))


@pytest.mark.parametrize("dtype", STORAGE_TYPES)
def test_dtypes(written, container, dtype):
    array = np.array([[0, 1, 2], [3, 100, 0]]).astype(dtype)

    tensors = read_weights(written(container({"a": tensor("1", array)}, {"1": array})))

    assert tensors["a"].dtype == dtype
    np.testing.assert_array_equal(tensors["a"], array)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_pickle_protocols(written, protocol):
    path = written(small_file(protocol))

    tensors = read_weights(path)

    assert list(tensors) == ["weight", "count"]
    np.testing.assert_array_equal(tensors["weight"], np.arange(12).reshape(3, 4))
    assert tensors["count"].shape == ()
    assert tensors["count"] == 7


def test_strides_and_offset(written, container):
    base = np.arange(20, dtype="float32")
    saved = {
        "transposed": tensor("1", base, shape=(4, 5), strides=(1, 4)),
        "every_third": tensor("1", base, offset=1, shape=(7,), strides=(3,)),
        "last": tensor("1", base, offset=19, shape=(), strides=()),
        "empty": tensor("1", base, offset=20, shape=(0, 3), strides=(3, 1)),
    }

    tensors = read_weights(written(container(saved, {"1": base})))

    np.testing.assert_array_equal(tensors["transposed"], base.reshape(5, 4).T)
    np.testing.assert_array_equal(tensors["every_third"], base[1::3])
    assert tensors["last"] == 19
    assert tensors["empty"].shape == (0, 3)


def test_tensors_of_a_storage_share_memory(written, container):
    base = np.arange(6, dtype="int64")
    other = base + 10
    saved = {
        "a": tensor("1", base),
        "b": tensor("1", base, offset=2, shape=(2, 2), strides=(2, 1)),
        "c": tensor("2", other),
    }

    tensors = read_weights(written(container(saved, {"2": other, "1": base})))

    assert np.shares_memory(tensors["a"], tensors["b"])
    assert not np.shares_memory(tensors["a"], tensors["c"])
    np.testing.assert_array_equal(tensors["b"], [[2, 3], [4, 5]])
    assert not tensors["a"].flags.writeable


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net"])
def test_state_dict_within_a_checkpoint(written, container, key):
    array = np.ones(3, "float32")
    inner = ordered_dict({"z": tensor("1", array), "a": tensor("1", array)})
    saved = {"epoch": 12, "best": 0.75, "args": None, "outside": tensor("1", array), key: inner}

    assert list(read_weights(written(container(saved, {"1": array})))) == ["z", "a"]


def test_entries_that_are_no_tensors_are_left_out(written, container):
    array = np.ones(3, "float32")
    saved = ordered_dict({"epoch": 12, "a": tensor("1", array), "names": ["x", "y"], 5: tensor("1", array)})

    assert list(read_weights(written(container(saved, {"1": array})))) == ["a"]


@pytest.mark.parametrize(("order", "dtype"), [(b"little", "<f4"), (b"big", ">f4")])
def test_byte_order(written, order, dtype):
    array = np.arange(3, dtype="float32")
    members = {"byteorder": order, "data/1": array.astype(dtype).tobytes()}

    tensors = read_weights(written(zipped({"a": tensor("1", array)}, {"1": array}, members=members)))

    np.testing.assert_array_equal(tensors["a"], array, strict=True)


def test_converted_storage_is_shared(written):
    """50 tensors in one bfloat16 storage take the memory of one."""
    raw = np.full(100_000, 0x3F80, "uint16")
    kind = Global("torch", "BFloat16Storage")
    storage = Reference(("storage", kind, "1", "cpu", raw.size, None))
    arguments = (storage, 0, raw.shape, (1,), False, None)
    saved = {str(index): Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments) for index in range(50)}

    with peak_memory() as peak:
        tensors = read_weights(written(zipped(saved, {"1": raw})))

    assert len(tensors) == 50
    assert tensors["7"].dtype == "float32"
    assert np.all(tensors["7"] == 1)
    assert peak() < 5 * 2**20


# Files of another kind.


@pytest.mark.parametrize("extra", ["constants.pkl", "code/__torch__/network.py"])
def test_torchscript_is_refused(written, extra):
    with pytest.raises(UserError, match="is a TorchScript archive, which is a program"):
        read_weights(written(zipped({"a": tensor("1", BASE)}, {"1": BASE}, members={extra: b""})))


def test_compressed_archive_is_refused(written):
    data = zipped({"a": tensor("1", BASE)}, {"1": BASE}, compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(UserError, match="asks for compressed data"):
        read_weights(written(data))


@pytest.mark.parametrize("members", [{"byteorder": b"middle"}, {"data/1": bytes(39)}, {"data/1": bytes(41)}])
def test_wrong_members_are_refused(written, members):
    with pytest.raises(UserError, match="damaged"):
        read_weights(written(zipped({"a": tensor("1", BASE)}, {"1": BASE}, members=members)))


def test_two_folders_are_refused(written):
    data = zipped({"a": tensor("1", BASE)}, {"1": BASE})
    path = written(data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", b"")

    with pytest.raises(UserError, match="damaged"):
        read_weights(path)


def test_overlapping_members_are_refused(written):
    """Members that lie within each other, each with a header of its own, would add up to far more than the file."""
    count, inner = 200, b""
    saved = {f"{index}": tensor(f"{index}", np.zeros(0)) for index in range(count)}
    headers = []
    for index in reversed(range(count)):
        inner = bytes(1000) + inner
        header = zipfile.ZipInfo(f"weights/data/{index}")
        header.file_size = header.compress_size = len(inner)
        header.CRC = zlib.crc32(inner)
        inner = header.FileHeader() + inner
        headers.append((header, len(inner)))
        saved[f"{index}"] = tensor(f"{index}", np.zeros(0, "uint8"), shape=(1,), strides=(1,), count=header.file_size)
    head = zipped(saved, {})
    path = written(inner + head)
    with zipfile.ZipFile(path, "a") as archive:
        for header, distance in headers:
            header.header_offset = len(inner) - distance
            archive.filelist.append(header)
            archive.NameToInfo[header.filename] = header
        archive._didModify = True
    assert sum(header.file_size for header, _ in headers) > 50 * path.stat().st_size

    with pytest.raises(UserError, match="damaged"), peak_memory() as peak:
        read_weights(path)
    assert peak() < 10 * path.stat().st_size


@pytest.mark.parametrize("saved", [{}, {"epoch": 3}, [1, 2], None, "text", {"state_dict": {}}])
def test_file_without_tensors_is_refused(written, container, saved):
    with pytest.raises(UserError, match="holds no named tensors"):
        read_weights(written(container(saved, {})))


def test_unknown_protocol_version_is_refused(written):
    data = small_file().replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2))

    with pytest.raises(UserError, match="damaged"):
        read_weights(written(data))


# Files that contradict themselves.


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
def test_contradictions_are_refused(written, container, wrong):
    saved = {"right": tensor("1", BASE), "wrong": wrong}

    with pytest.raises(UserError, match="damaged"):
        read_weights(written(container(saved, {"1": BASE})))


def test_storages_that_disagree_are_refused(written, container):
    saved = {"a": tensor("1", BASE), "b": tensor("1", BASE.astype("float64"))}

    with pytest.raises(UserError, match="damaged"):
        read_weights(written(container(saved, {"1": BASE})))


@pytest.mark.parametrize(
    "bomb",
    [
        tensor("1", BASE, shape=(10**12,), strides=(0,)),
        tensor("1", BASE, shape=(2,) * 40, strides=(0,) * 40),
        tensor("2", BASE, shape=(10**15,), count=10**15),
    ],
    ids=["expanded_tensor", "many_dimensions", "storage_beyond_the_file"],
)
def test_memory_bombs_are_refused(written, container, bomb):
    path = written(container({"a": tensor("1", BASE), "bomb": bomb}, {"1": BASE, "2": BASE}))

    with peak_memory() as peak, pytest.raises(UserError, match="damaged"):
        read_weights(path)

    assert peak() < 10 * 2**20
