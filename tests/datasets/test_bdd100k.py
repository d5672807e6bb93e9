import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, load_dataset
from keras_liteseg.datasets.cityscapes import CLASSES
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError


@pytest.fixture
def root(tmp_path):
    for stem in ("00054602-3bf57337", "00067cfb-e535423e"):
        add(tmp_path, stem)
    return tmp_path


def add(root, stem, labels=((0, 18, 255),)):
    image, mask = root / "images/10k/val" / f"{stem}.jpg", root / "labels/sem_seg/masks/val" / f"{stem}.png"
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.array(labels, np.uint8)
    Image.new("RGB", labels.shape[::-1], (90, 90, 90)).save(image)
    Image.fromarray(labels).save(mask)
    return image, mask


def test_images_and_train_ids(root):
    dataset = load_dataset("bdd100k", root, "val")
    assert (dataset.name, dataset.split, len(dataset), dataset.classes) == ("bdd100k", "val", 2, CLASSES)
    assert dataset.sample_id(1) == "00067cfb-e535423e"
    assert dataset.image(0).shape == (1, 3, 3)
    np.testing.assert_array_equal(dataset.mask(0), [[0, 18, IGNORE_LABEL]])


def test_an_unknown_train_id_is_named(root):
    add(root, "00054602-3bf57337", [[19, 0]])
    with pytest.raises(Problem, match="holds label values outside 0-18, 255: 19"):
        load_dataset("bdd100k", root, "val").mask(0)


def test_a_missing_mask_shows_at_loading(root):
    _, mask = add(root, "c")
    mask.unlink()
    with pytest.raises(Problem, match=r"sem_seg/masks/val/c\.png does not exist"):
        load_dataset("bdd100k", root, "val").mask(2)


def test_another_folder_or_split_is_explained(root):
    for data_dir, split in ((root, "train"), (root / "images", "val")):
        with pytest.raises(UserError, match=rf"No image matches .*images/10k/{split}/\*"):
            load_dataset("bdd100k", data_dir, split)
