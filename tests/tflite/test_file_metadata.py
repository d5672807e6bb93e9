import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from keras_liteseg.datasets import ClassList
from keras_liteseg.errors import UserError
from keras_liteseg.inference.segmenter import Segmenter
from keras_liteseg.metadata import Metadata
from keras_liteseg.tflite.file_metadata import ENTRY, read_metadata
from keras_liteseg.tflite.flatbuffer import read_model
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.tflite.metadata_buffers import pack, with_metadata

METADATA = Metadata("ndnet45", "camvid", ClassList(("Straße", "car"), ((1, 2, 3), (4, 5, 6))), [0.5] * 3, [0.25] * 3)


@pytest.fixture(scope="module")
def plain():
    """Bytes of a file as the converter makes it."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), batch_size=1)
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, keras.layers.Conv2D(2, 3)(image))).convert()


@pytest.fixture
def path(plain, tmp_path):
    """A file with metadata."""
    path = tmp_path / "a.tflite"
    path.write_bytes(with_metadata(plain, METADATA))
    return path


def test_round_trip(path):
    assert read_metadata(path) == METADATA


def test_it_is_what_the_schema_of_litert_reads(path):
    model = read_model(path)
    # Behind other entries, and in the first buffer of all, whose index is no field of the entry.
    entry = next(entry for entry in model.metadata if entry.name == ENTRY)
    model.buffers[0], model.buffers[entry.buffer] = model.buffers[entry.buffer], model.buffers[0]
    entry.buffer = 0
    model.metadata = [other for other in model.metadata if other is not entry] + [entry]
    other = schema.MetadataT()
    other.name, other.buffer = b"other", 1
    model.metadata.insert(0, other)
    path.write_bytes(pack(model, METADATA))
    assert read_metadata(path) == METADATA


def test_file_without_metadata_is_refused(plain, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(plain)
    with pytest.raises(UserError, match="does not say which network and classes"):
        read_metadata(path)
    model = read_model(path)
    model.metadata = None
    path.write_bytes(pack(model, METADATA))
    with pytest.raises(UserError, match="does not say which network and classes"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("old", "new"), [(b'"align_corners"', b'"align_cornerz"'), (b'{"model"', b'["model"'), (b'"classes"', b'"klasses"')]
)
def test_what_another_version_says_is_refused(path, old, new):
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(
        UserError, match=r"a.tflite says what it holds in a way .* or was written by a newer version: update"
    ):
        read_metadata(path)
    assert inspect(path).runtimes  # which tells of any file


def test_missing_and_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_metadata(tmp_path / "missing.tflite")
    with pytest.raises(UserError, match="Is a directory"):
        read_metadata(tmp_path)
    for content in ("", "text", "no network at all"):
        (tmp_path / "text.tflite").write_text(content)
        with pytest.raises(UserError, match="not a TFLite file"):
            read_metadata(tmp_path / "text.tflite")


def test_cut_off_and_damaged_files_are_refused(path):
    content = path.read_bytes()
    refused = 0
    for length in range(8, len(content) - 200, 97):
        path.write_bytes(content[:length])
        # What is cut off may be weights, which only LiteRT looks at.
        with pytest.raises(UserError, match="damaged or truncated"):
            Segmenter(path)
        refused += 1
    assert refused > 20
    damaged = bytearray(content)
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged[rng.integers(8, len(content))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_metadata(path)
        except (UserError, ValueError, KeyError, TypeError) as error:
            assert "Traceback" not in str(error)
