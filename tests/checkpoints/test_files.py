import gzip
import io
import os
import pickle
import random
import struct
import warnings
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from keras_liteseg.checkpoints import darknet_file
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError
from tests.checkpoints.pickle_code import peak_memory, small_file, zipped
from tests.checkpoints.test_array_file import npz
from tests.checkpoints.test_paddle_file import tarred

ARRAYS = {"weight": np.arange(12, dtype="float32").reshape(3, 4), "count": np.array(7)}

# A small file of every kind with these arrays; Darknet's has others.
FILES = {
    "torch_legacy": small_file(2),
    "torch_legacy_protocol_4": small_file(4),
    "torch_zip": small_file(2, zipped),
    "paddle_protocol_2": pickle.dumps(ARRAYS, 2),
    "paddle_protocol_4": pickle.dumps(ARRAYS, 4),
    "paddle_protocol_5": pickle.dumps(ARRAYS, 5),
    "paddle_tar": tarred({"model.pdparams": pickle.dumps(ARRAYS, 4)}, "w"),
    "paddle_tar_gz": tarred({"model.pdparams": pickle.dumps(ARRAYS, 4)}),
    "npz": npz(ARRAYS),
    "npz_compressed": npz(ARRAYS, np.savez_compressed),
    "safetensors": safetensors.numpy.save(ARRAYS),
    "darknet": struct.pack("<4i", 0, 1, 0, 7) + np.arange(20, dtype="<f4").tobytes(),
}


@pytest.fixture
def tiny_darknet(monkeypatch):
    """Cut Darknet19 down to one convolution, because its files are too large to alter thousands of times."""
    monkeypatch.setattr(darknet_file, "_CONVOLUTIONS", ((1, 2, 2, 1),))


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "darknet"])
@pytest.mark.parametrize("name", ["weights", "weights.zip", "model.weights"])
def test_kind_is_told_by_content(written, kind, name):
    arrays = read_weights(str(written(FILES[kind], name)))

    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_safetensors_header_of_any_length(written):
    """Some lengths begin with the byte of a pickle."""
    for length in (0x80, 0x280, 0x480):
        data = safetensors.numpy.save({"a": ARRAYS["weight"]}, {"x": "y"})
        (size,) = struct.unpack("<Q", data[:8])
        text = data[8 : 8 + size].rstrip().ljust(length)
        assert read_weights(written(struct.pack("<Q", len(text)) + text + data[8 + size :])).keys() == {"a"}


# Every file that is none.


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="There is no checkpoint file .*missing.pth. Check the path."):
        read_weights(tmp_path / "missing.pth")


def test_folder(tmp_path):
    with pytest.raises(UserError, match="is a folder, not a weight file"):
        read_weights(tmp_path)


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(UserError, match="is no plain file, not a weight file"):
        read_weights(tmp_path / "pipe")


def test_name_that_is_too_long():
    with pytest.raises(UserError, match="Cannot read x.*: File name too long"):
        read_weights("x" * 5000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty. Copy or download it again."),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "is a pointer of Git LFS"),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE html><html>", "is a web page, not a weight file"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a web page, not a weight file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), r"is an HDF5 file\. .* ends in \.weights\.h5"),
        (b"just some text", "is no weight file of a known kind. Readable are the weight files of PyTorch"),
        (bytes(1000), "is no weight file of a known kind"),
        (pickle.dumps({"a": 1}, 0), "is no weight file of a known kind"),
        (b"\x80", "is no weight file of a known kind"),
    ],
)
def test_other_content(written, data, message):
    with pytest.raises(UserError, match=message):
        read_weights(written(data))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (["config.json", "metadata.json", "model.weights.h5"], "is a model that Keras saved. .* ends in .keras"),
        (["notes.txt"], "is a zip archive without weights of a known kind. Readable are"),
        ([], "is a zip archive without weights of a known kind"),
    ],
)
def test_other_zip_archives(written, members, message):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in members:
            archive.writestr(name, "content")

    with pytest.raises(UserError, match=message):
        read_weights(written(stream.getvalue()))


@pytest.mark.parametrize("kind", FILES)
def test_message_names_file_and_kind(written, tiny_darknet, kind):
    path = written(FILES[kind][: 600 if kind == "paddle_tar" else -40], "model.weights")

    message = "ends too early or is damaged: it starts as a |is too short for Darknet19"
    with pytest.raises(UserError, match=message) as caught:
        read_weights(path)
    assert str(caught.value).startswith(str(path))


# Damage.


def damaged(data, generator):
    """Return `data` cut, with some bytes changed, or with a piece of it doubled or taken out."""
    data = bytearray(data)
    match generator.randrange(8):
        case 0:
            return data[: generator.randrange(len(data))]
        case 1:
            start, length = generator.randrange(len(data)), generator.randrange(100)
            return data[:start] + data[start + length :]
        case 2:
            start, length = generator.randrange(len(data)), generator.randrange(100)
            return data[: start + length] + data[start:]
        case 3:
            # Sizes and offsets: 8 equal bytes.
            start = generator.randrange(len(data))
            data[start : start + 8] = bytes([generator.choice([0, 0x7F, 0xFF])]) * 8
        case _:
            for _ in range(generator.randint(1, 3)):
                data[generator.randrange(len(data))] = generator.randrange(256)
    return data


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_give_arrays_or_user_errors(written, tiny_darknet, kind):
    data = FILES[kind]
    generator = random.Random(kind)
    outcomes = set()

    with warnings.catch_warnings(), peak_memory() as peak:
        warnings.simplefilter("error")
        for _ in range(1000):
            path = written(damaged(data, generator), "model.weights")
            try:
                arrays = read_weights(path)
            except UserError as error:
                assert str(error).startswith(str(path))
                outcomes.add("refused")
            else:
                outcomes.add("loaded")
                assert all(isinstance(name, str) for name in arrays)
                assert all(isinstance(array, np.ndarray) and array.dtype.kind in "biuf" for array in arrays.values())
                assert sum(array.nbytes for array in arrays.values()) <= 2 * len(data) + 200

    assert outcomes == {"refused", "loaded"}
    assert peak() < 20 * 2**20


def test_damage_within_the_gzip_stream(written):
    """Altered content under an intact gzip stream."""
    data = FILES["paddle_tar"]
    generator = random.Random(0)
    outcomes = set()

    for _ in range(200):
        try:
            read_weights(written(gzip.compress(damaged(data[:2048], generator), 1)))
        except UserError:
            outcomes.add("refused")
        else:
            outcomes.add("loaded")

    assert outcomes == {"refused", "loaded"}


@pytest.mark.parametrize("kind", ["torch_legacy", "torch_zip", "paddle_protocol_4", "safetensors", "npz"])
def test_every_truncation_is_refused(written, kind):
    for length in range(len(FILES[kind])):
        with pytest.raises(UserError):
            read_weights(written(FILES[kind][:length]))
