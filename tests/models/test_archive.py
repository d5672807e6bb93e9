import keras
import numpy as np
import pytest

from keras_liteseg.datasets import ClassList
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import Metadata
from keras_liteseg.models.archive import load_model, read_metadata, save_model
from tests.tiny import tiny

CLASSES = ClassList(("Straße", "car", "sky"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
METADATA = Metadata("tiny", "camvid", CLASSES, [0.5] * 3, [0.25] * 3)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return tiny()


@pytest.fixture
def path(model, tmp_path):
    save_model(model, tmp_path / "a.keras", METADATA.replace(ranges={"images": [-1.0, 0.5]}))
    return tmp_path / "a.keras"


def test_round_trip(path, model):
    found, metadata = load_model(path)
    assert metadata == read_metadata(path) == METADATA.replace(ranges={"images": [-1.0, 0.5]})
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 24, 3)).astype(np.float32)
    np.testing.assert_array_equal(found.predict_on_batch(image), model.predict_on_batch(image))
    assert [file.name for file in path.parent.iterdir()] == ["a.keras"]


def test_keras_itself_reads_the_file(path, model):
    assert keras.saving.load_model(path).count_params() == model.count_params()


def test_plain_keras_file_is_refused(model, tmp_path):
    model.save(tmp_path / "plain.keras")
    with pytest.raises(UserError, match="plain.keras does not say which network it holds"):
        load_model(tmp_path / "plain.keras")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="There is no model file"):
        load_model(tmp_path / "missing.keras")


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="is no Keras model file or is damaged"):
        load_model(path)


def test_file_with_damaged_weights_is_refused(path):
    content = bytearray(path.read_bytes())
    start = content.index(b"\x89HDF")
    content[start : start + 4000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        load_model(path)


def test_file_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot write"):
        save_model(model, tmp_path / "file" / "a.keras", METADATA)
