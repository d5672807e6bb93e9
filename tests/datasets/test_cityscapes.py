import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, load_dataset
from keras_liteseg.datasets.cityscapes import Cityscapes
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError


@pytest.fixture
def root(tmp_path):
    for frame in ("a_000000_000019", "a_000001_000019"):
        add(tmp_path, "a", frame)
    return tmp_path


def add(root, city, frame, labels=((7, 33),), suffix="png", split="train", kind="gtFine", values="labelIds"):
    image = root / "leftImg8bit" / split / city / f"{frame}_leftImg8bit.{suffix}"
    mask = root / kind / split / city / f"{frame}_{kind}_{values}.png"
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.array(labels, np.uint8)
    Image.new("RGB", labels.shape[::-1]).save(image)
    Image.fromarray(labels).save(mask)
    return image, mask


def test_label_ids_become_train_ids(root):
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    void = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30, 255]
    add(root, "a", "a_000000_000019", [ids + void])
    mask = Cityscapes(root).mask(0)
    np.testing.assert_array_equal(mask[0], list(range(19)) + [IGNORE_LABEL] * len(void))


def test_classes_are_the_official_nineteen(root):
    classes = Cityscapes(root).classes
    assert len(classes) == len(classes.names) == len(classes.colors) == len(set(classes.colors)) == 19
    assert (classes.names[0], classes.colors[0]) == ("road", (128, 64, 128))
    assert (classes.names[18], classes.colors[18]) == ("bicycle", (119, 11, 32))


def test_ids_are_short_and_png_is_taken_before_jpeg(root):
    add(root, "b", "b_000000_000019", suffix="jpg")
    add(root, "a", "a_000001_000019", suffix="jpg")
    dataset = Cityscapes(root)
    assert [dataset.sample_id(i) for i in range(3)] == ["a_000000_000019", "a_000001_000019", "b_000000_000019"]
    assert [image.suffix for image, _ in dataset.pairs()] == [".png", ".png", ".jpg"]


def test_an_unknown_label_id_is_named(root):
    add(root, "a", "a_000001_000019", [[7, 34]])
    with pytest.raises(Problem, match=r"a_000001_000019_gtFine_labelIds\.png holds .* outside 0-33, 255: 34"):
        Cityscapes(root).mask(1)


def test_missing_mates_show_at_loading(root):
    image, _ = add(root, "b", "b_000000_000019")
    _, mask = add(root, "b", "b_000001_000019")
    image.unlink()
    mask.unlink()
    dataset = Cityscapes(root)
    assert len(dataset) == 4
    with pytest.raises(Problem, match=r"b_000000_000019_leftImg8bit\.png does not exist"):
        dataset.image(2)
    with pytest.raises(Problem, match=r"b_000001_000019_gtFine_labelIds\.png does not exist"):
        dataset.mask(3)


def test_a_split_without_images_tells_the_pattern(root):
    with pytest.raises(UserError, match=r"No image matches .*leftImg8bit/val/\*/\*_leftImg8bit\.\{png,jpg\}"):
        load_dataset("cityscapes", root, "val")


def test_coarse_annotations(root):
    add(root, "a", "a_000000_000019", [[7, 0]], kind="gtCoarse")
    add(root, "c", "c_000000_000019", [[0, 26]], kind="gtCoarse", split="train_extra")
    fine, coarse = Cityscapes(root), load_dataset("cityscapes", root, annotations="coarse")
    extra = load_dataset("cityscapes", root, "train_extra", annotations="coarse")
    assert [len(dataset) for dataset in (fine, coarse, extra)] == [2, 2, 1]
    np.testing.assert_array_equal(fine.mask(0), [[0, 18]])
    np.testing.assert_array_equal(coarse.mask(0), [[0, IGNORE_LABEL]])
    np.testing.assert_array_equal(extra.mask(0), [[IGNORE_LABEL, 13]])
    assert (extra.name, extra.split, extra.sample_id(0)) == ("cityscapes", "train_extra", "c_000000_000019")
    with pytest.raises(Problem, match=r"a_000001_000019_gtCoarse_labelIds\.png does not exist"):
        coarse.mask(1)


def test_train_ids_are_read_where_there_are_no_label_ids(root):
    add(root, "a", "a_000000_000019", [[0, 18, 255]], split="val", values="labelTrainIds")
    np.testing.assert_array_equal(Cityscapes(root, "val").mask(0), [[0, 18, IGNORE_LABEL]])
    add(root, "a", "a_000000_000019", [[0, 19]], split="val", values="labelTrainIds")
    with pytest.raises(Problem, match=r"labelTrainIds\.png holds label values outside 0-18, 255: 19"):
        Cityscapes(root, "val").mask(0)
    add(root, "a", "a_000000_000019", [[7, 33]], split="val")  # both there
    np.testing.assert_array_equal(Cityscapes(root, "val").mask(0), [[0, 18]])


def test_missing_or_unknown_annotations_are_explained(root):
    with pytest.raises(UserError, match=r"No mask matches .*gtCoarse/train/\*/\*_gtCoarse_.*put the coarse"):
        Cityscapes(root, annotations="coarse")
    with pytest.raises(UserError, match="annotations is 'corse'; choose fine or coarse"):
        Cityscapes(root, annotations="corse")
    with pytest.raises(UserError, match="no option 'anotations'; its options are .*annotations"):
        load_dataset("cityscapes", root, anotations="coarse")


def test_real_frames(shared):
    for split, count in (("train", 8), ("val", 2)):
        dataset = load_dataset("cityscapes", shared / "data/cityscapes", split)
        assert len(dataset) == count
        image, mask = dataset.image(0), dataset.mask(0)
        assert image.shape == (1024, 2048, 3) and mask.shape == (1024, 2048)
        present = set(np.unique(mask))
        assert {0, 2, 10, IGNORE_LABEL} <= present <= {*range(19), IGNORE_LABEL}
        # Road is grey and lies below the sky.
        assert np.ptp(image[mask == 0].mean(0)) < 25
        assert np.argwhere(mask == 0)[:, 0].mean() > 512 > np.argwhere(mask == 10)[:, 0].mean()


def test_what_would_not_be_read_is_counted_and_named(root):
    for end in ("labelTrainIds", "color", "instanceIds"):
        add(root, "a", "a_000000_000019", [[7, 0]], values=end)
    assert Cityscapes(root).left_out() == []
    images, masks = root / "leftImg8bit/train", root / "gtFine/train"
    (masks / "a/deep").mkdir()
    paths = images / "a/b_leftImg8bit.tif", images / "c.png", masks / "a/a_gtFine_labels.png", masks / "a/deep/x.png"
    for path in paths:
        Image.new("L", (2, 1)).save(path)
    found = [str(problem) for problem in Cityscapes(root).left_out()]
    assert [text.split(";")[0] for text in found] == [
        f"{images}/a has 1 picture (.tif) that would not be read, such as b_leftImg8bit.tif",
        f"{images} has 1 picture (.png) that would not be read, such as c.png",
        f"{masks}/a has 1 picture (.png) that would not be read, such as a_gtFine_labels.png",
        f"{masks}/a/deep has 1 picture (.png) that would not be read, such as x.png",
    ]


def test_a_missing_mask_that_is_there_as_jpeg_is_named(root):
    mask = root / "gtFine/train/a/a_000000_000019_gtFine_labelIds.png"
    with Image.open(mask) as labels:
        labels.save(mask.with_suffix(".jpg"))
    mask.unlink()
    with pytest.raises(Problem, match=r"does not exist; a_000000_000019_gtFine_labelIds\.jpg is there, but JPEG makes"):
        Cityscapes(root).mask(0)
