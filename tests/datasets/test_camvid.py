import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, load_dataset
from keras_liteseg.datasets.camvid import CamVid
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError


@pytest.fixture
def root(tmp_path):
    for name in ("train", "trainannot"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (12, 1)).save(tmp_path / "train/x.png")
    Image.fromarray(np.arange(12, dtype=np.uint8)[None]).save(tmp_path / "trainannot/x.png")
    (tmp_path / "train.txt").write_text("train/x.png trainannot/x.png\n\n")
    return tmp_path


def test_eleven_classes_and_void(root):
    dataset = CamVid(root)
    assert len(dataset) == 1 and dataset.sample_id(0) == "x"
    assert len(dataset.classes) == len(set(dataset.classes.colors)) == 11
    assert dataset.classes.names[3] == "road" and dataset.classes.colors[3] == (128, 64, 128)
    np.testing.assert_array_equal(dataset.mask(0)[0], [*range(11), IGNORE_LABEL])


def test_absolute_paths_of_another_machine_are_found_below_the_root(root):
    (root / "train.txt").write_text("/SegNet/CamVid/train/x.png /SegNet/CamVid/trainannot/x.png\n")
    assert CamVid(root).pairs() == [(root / "train/x.png", root / "trainannot/x.png")]


def test_absolute_paths_that_exist_are_kept(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "x.png"
    (root / "train/x.png").rename(other)
    (root / "train.txt").write_text(f"{other} trainannot/x.png\n")
    assert CamVid(root).pairs() == [(other, root / "trainannot/x.png")]


def test_an_unknown_label_is_named(root):
    Image.fromarray(np.array([[12]], np.uint8)).save(root / "trainannot/x.png")
    with pytest.raises(Problem, match=r"x\.png holds label values outside 0-11: 12 \(1 pixels\)"):
        CamVid(root).mask(0)


def test_a_listed_file_that_is_missing_shows_at_loading(root):
    (root / "train/x.png").unlink()
    with pytest.raises(Problem, match=r"train/x\.png does not exist; add it or remove .*trainannot/x\.png"):
        CamVid(root).image(0)


def test_a_missing_list_tells_what_is_there(root):
    with pytest.raises(UserError, match=r"val\.txt does not exist; .* found there: train\.txt"):
        CamVid(root, "val")


@pytest.mark.parametrize("text, message", [("\n", "is empty"), ("a.png b.png\nc.png\n", r"line 2, is 'c\.png'")])
def test_a_wrong_list_is_explained(root, text, message):
    (root / "train.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        CamVid(root)


def test_real_frames(shared):
    for split, count in (("train", 367), ("val", 101), ("test", 233)):
        dataset = load_dataset("camvid", shared / "data/camvid", split)
        assert len(dataset) == count
        assert dataset.image(0).shape == (360, 480, 3)
        assert {0, 1, 3, IGNORE_LABEL} <= set(np.unique(dataset.mask(0))) <= {*range(11), IGNORE_LABEL}
