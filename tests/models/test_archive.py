import io
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_liteseg.datasets import ClassList
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import archive
from keras_liteseg.models.archive import load_model, read_metadata, save_model
from keras_liteseg.models.weights import initialize_from
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


def test_ending_may_be_in_capitals(model, tmp_path):
    save_model(model, tmp_path / "a.keras", METADATA)
    path = (tmp_path / "a.keras").rename(tmp_path / "A.KERAS")
    loaded, metadata = load_model(path)
    assert metadata.model == "tiny" and read_metadata(path) == metadata
    started = tiny()
    assert initialize_from(started, path) == []
    for weights in (loaded.get_weights(), started.get_weights()):
        for ours, theirs in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


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


@pytest.mark.parametrize(
    "version, message",
    [
        ("99.1.0", "a.keras was written by keras_liteseg 99.1.0, and this is .*, which cannot read it; update keras"),
        (
            None,
            "in a way that keras_liteseg .* does not know .*colour_space.*, or was written by a newer version",
        ),
    ],
)
def test_file_of_a_newer_version_says_so(model, tmp_path, monkeypatch, version, message):
    metadata = METADATA.to_json()[:-1] + ', "colour_space": "Lab"}'
    monkeypatch.setattr(Metadata, "to_json", lambda self: metadata)
    if version:
        monkeypatch.setattr(archive, "__version__", version)
    save_model(model, tmp_path / "a.keras", METADATA)
    monkeypatch.undo()
    for read in (load_model, read_metadata):
        with pytest.raises(UserError, match=message):
            read(tmp_path / "a.keras")


def test_layer_of_a_newer_version_says_so(model, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "__version__", "99.0")
    save_model(model, tmp_path / "a.keras", METADATA)
    monkeypatch.undo()
    with zipfile.ZipFile(tmp_path / "a.keras") as old, zipfile.ZipFile(tmp_path / "b.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"BilinearResize", b"BicubicResize"))
    with pytest.raises(UserError, match="b.keras was written by keras_liteseg 99.0, and this is .*; update"):
        load_model(tmp_path / "b.keras")


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_loaded(model, path, value, monkeypatch):
    before = path.read_bytes()
    variable = model.get_layer("seg_score").kernel
    variable.assign(np.where(np.arange(3) == 1, value, variable))
    with pytest.raises(UserError, match="was not written: the model holds NaN or infinity in seg_score/kernel"):
        save_model(model, path, METADATA)
    assert path.read_bytes() == before

    with monkeypatch.context() as patch:  # as earlier versions did
        patch.setattr(archive, "not_finite", lambda variables: [])
        save_model(model, path, METADATA)
    with pytest.raises(UserError, match="holds NaN or infinity in seg_score/kernel"):
        load_model(path)


def test_refusal_tells_all_of_the_reason(path):
    """Keras names the layer and what it lacks in later lines than the first."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with h5py.File(io.BytesIO(members["model.weights.h5"]), "r+") as weights:
        del weights["layers/conv2d_1/vars/1"]
        weights.flush()
        members["model.weights.h5"] = weights.id.get_file_image()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(UserError, match="seg_score.*expected 2 variables, but received 1"):
        load_model(path)


def test_metadata_takes_numbers_of_numpy():
    metadata = Metadata("tiny", "", CLASSES, tuple(np.float32([0.5] * 3)), tuple(np.float64([0.25] * 3)))
    read = Metadata.from_json(metadata.to_json())
    assert (tuple(read.mean), tuple(read.std)) == (metadata.mean, metadata.std)
