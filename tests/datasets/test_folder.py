import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, list_datasets, load_dataset, parse_options
from keras_liteseg.datasets.folder import Folder
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

CLASSES = "classes:\n  - {name: road, color: [1, 2, 3]}\n  - car\n"


@pytest.fixture
def root(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
    (tmp_path / "classes.yaml").write_text(CLASSES)
    add(tmp_path, "a", [[0, 1], [1, 255]])
    return tmp_path


def add(root, stem, labels, mode="L"):
    labels = np.array(labels, np.uint8)
    Image.new("RGB", labels.shape[::-1], (10, 20, 30)).save(root / "images/train" / f"{stem}.png")
    mask = Image.fromarray(labels)
    if mode == "P":
        mask.putpalette([200, 0, 0, 0, 200, 0])
    mask.save(root / "masks/train" / f"{stem}.png")


def test_a_sample_is_rgb_and_train_ids(root):
    dataset = Folder(root, "train")
    assert (dataset.name, dataset.split, len(dataset), dataset.sample_id(0)) == ("folder", "train", 1, "a")
    assert dataset.classes.names == ("road", "car")
    assert dataset.classes.colors[0] == (1, 2, 3)
    np.testing.assert_array_equal(dataset.image(0), np.full((2, 2, 3), (10, 20, 30)))
    assert dataset.image(0).dtype == dataset.mask(0).dtype == np.uint8
    np.testing.assert_array_equal(dataset.mask(0), [[0, 1], [1, IGNORE_LABEL]])


def test_palette_masks_are_read_as_indices(root):
    add(root, "a", [[0, 1, 1]], mode="P")
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1, 1]])


def test_the_ignore_label_of_the_file_becomes_ours(root):
    (root / "classes.yaml").write_text(CLASSES + "ignore_label: 7\n")
    add(root, "a", [[0, 7, 1]])
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, IGNORE_LABEL, 1]])


def test_images_and_masks_pair_by_stem_in_sorted_order(root):
    add(root, "b", [[0]])
    (root / "images/train/b.png").rename(root / "images/train/b.JPG")
    (root / "images/train/notes.txt").write_text("no image")
    assert [(image.name, mask.name) for image, mask in Folder(root).pairs()] == [("a.png", "a.png"), ("b.JPG", "b.png")]


def test_grey_images_become_rgb_and_exif_orientation_is_applied(root):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    Image.new("L", (3, 2), 9).save(root / "images/train/a.png", exif=exif)
    image = Folder(root).image(0)
    assert image.shape == (3, 2, 3)
    assert (image == 9).all()


def test_generated_colors_are_distinct_from_each_other_and_from_given_ones(root):
    names = "\n".join(f"  - class{number}" for number in range(254))
    (root / "classes.yaml").write_text(f"classes:\n  - {{name: first, color: [128, 0, 0]}}\n{names}\n")
    colors = Folder(root).classes.colors
    assert len(colors) == len(set(colors)) == 255
    assert all(0 <= channel <= 255 for color in colors for channel in color)


def test_an_unknown_value_is_named_with_its_pixels_and_file(root):
    add(root, "a", [[0, 9, 9], [1, 200, 255]])
    with pytest.raises(Problem, match=r"a\.png holds label values outside 0-1, 255: 9 \(2 pixels\), 200 \(1 pixels\)"):
        Folder(root).mask(0)


def test_many_unknown_values_are_cut_short(root):
    add(root, "a", [list(range(2, 32))])
    with pytest.raises(Problem, match="and 22 more"):
        Folder(root).mask(0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_color_mask_is_refused_with_the_cure(root, mode):
    Image.new(mode, (2, 2)).save(root / "masks/train/a.png")
    with pytest.raises(Problem, match=r"a\.png has colour channels .*; convert it to an 8-bit single-channel"):
        Folder(root).mask(0)


def test_16_bit_files_are_refused(root):
    for kind in ("images", "masks"):
        Image.fromarray(np.full((2, 2), 300, np.uint16)).save(root / kind / "train/a.png")
    for load in (Folder(root).image, Folder(root).mask):
        with pytest.raises(Problem, match="more than 8 bits"):
            load(0)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_broken_file_is_named(root, kind):
    path = root / kind / "train/a.png"
    path.write_bytes(path.read_bytes()[:40])
    dataset = Folder(root)
    with pytest.raises(Problem, match=r"a\.png cannot be read as an image") as caught:
        (dataset.image if kind == "images" else dataset.mask)(0)
    assert caught.value.path == path


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_missing_mate_shows_at_loading_and_not_at_construction(root, kind):
    add(root, "b", [[0]])
    (root / kind / "train/b.png").unlink()
    dataset = Folder(root)
    assert len(dataset) == 2
    with pytest.raises(Problem, match=rf"{kind}/train/b\.png does not exist; add it or remove"):
        (dataset.image if kind == "images" else dataset.mask)(1)


def test_two_images_of_one_stem_are_refused(root):
    Image.new("RGB", (2, 2)).save(root / "images/train/a.jpg")
    with pytest.raises(UserError, match=r"a\.jpg and .*a\.png have the same stem"):
        Folder(root)


def test_an_empty_split_tells_the_pattern(root):
    with pytest.raises(UserError, match=r"No image matches .*images/val/\*\{\.png,\.jpg"):
        Folder(root, "val")


@pytest.mark.parametrize(
    "text, message",
    [
        ("classes: [a, {", "cannot be read as YAML"),
        ("- a\n- b\n", "has no list of classes"),
        ("classes: []", "has no list of classes"),
        ("classes: [a]\nignore: 3", "unknown key 'ignore'; did you mean ignore_label"),
        ("classes: [{name: a, colour: [1, 2, 3]}]", "unknown key 'colour'; did you mean color"),
        ("classes: [{color: [1, 2, 3]}]", "has the class None"),
        ("classes: [yes]", "has the class True"),
        ("classes: [a, b, a]", "names the class 'a' 2 times"),
        ("classes: [{name: a, color: [1, 2]}]", r"the color \[1, 2\]"),
        ("classes: [{name: a, color: [1, 2, 256]}]", r"the color \[1, 2, 256\]"),
        ("classes: [a, b]\nignore_label: 1", "has the ignore_label 1; it must be a whole number from 2"),
        ("classes: [a, b]\nignore_label: 256", "has the ignore_label 256"),
        ("classes: [a, b]\nignore_label: void", "has the ignore_label 'void'"),
        ("classes: [" + ", ".join(f"c{n}" for n in range(256)) + "]", "has 256 classes"),
    ],
)
def test_a_wrong_classes_file_is_explained(root, text, message):
    (root / "classes.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        Folder(root)


def test_a_missing_classes_file_is_explained(root):
    (root / "classes.yaml").unlink()
    with pytest.raises(UserError, match=r"classes\.yaml does not exist"):
        Folder(root)


def test_load_dataset_finds_it_by_name(root):
    assert "folder" in list_datasets()
    assert len(load_dataset("folder", root, "train")) == 1


def test_load_dataset_explains_what_is_wrong(root):
    with pytest.raises(UserError, match="no data set 'citiscapes'; did you mean cityscapes"):
        load_dataset("citiscapes")
    with pytest.raises(UserError, match="say in which folder"):
        load_dataset("folder")
    with pytest.raises(UserError, match="nowhere does not exist"):
        load_dataset("folder", root / "nowhere")
    with pytest.raises(UserError, match=r"classes\.yaml is a file, not a folder"):
        load_dataset("folder", root / "classes.yaml")
    with pytest.raises(UserError, match="'folder' has no option 'size'; did you mean one of label_map"):
        load_dataset("folder", root, size=(2, 2))


def test_load_dataset_passes_options_to_street_scenes(root):
    dataset = load_dataset("street_scenes", split="val", length=3, size=(64, 128))
    assert (len(dataset), dataset.split, dataset.image(0).shape) == (3, "val", (64, 128, 3))
    with pytest.raises(UserError, match="no option 'lenght'; did you mean one of length"):
        load_dataset("street_scenes", lenght=3)
    with pytest.raises(UserError, match="reads no files"):
        load_dataset("street_scenes", root)


def test_options_are_read_from_texts():
    texts = ["annotations=coarse", "size=[64, 128]", "label_map={ground: [road, lane]}"]
    assert parse_options(texts) == {
        "annotations": "coarse",
        "size": [64, 128],
        "label_map": {"ground": ["road", "lane"]},
    }


@pytest.mark.parametrize("text, message", [("coarse", "'coarse' has no '='"), ("a=[1", r"'a=\[1' is not YAML")])
def test_wrong_options_are_explained(text, message):
    with pytest.raises(UserError, match=message):
        parse_options([text])
