import io
import struct
import zlib

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
    with pytest.raises(Problem, match="say 'image: {channels: 1, dtype: uint16}' in the classes.yaml"):
        Folder(root).image(0)
    with pytest.raises(Problem, match="more than 8 bits.*; convert it to 8 bits; of masks, liteseg import does"):
        Folder(root).mask(0)


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
        ("classes: [a, b]\nvalues: {0: a, 1: a, 1: b}", "cannot be read as YAML .the key '1' is there twice"),
        ("classes: [a, 2026-02-30]", "cannot be read as YAML .day is out of range for month"),
        ("- a\n- b\n", "has no list of classes"),
        ("classes: []", "has no list of classes"),
        ("classes: [a]\nignore: 3", "unknown key 'ignore'; did you mean ignore_label"),
        ("classes: [{name: a, colour: [1, 2, 3]}]", "unknown key 'colour'; did you mean color"),
        ("classes: [{color: [1, 2, 3]}]", "has the class None"),
        ("classes: [yes]", "has the class True"),
        ("classes: [a, b, a]", "names the class 'a' 2 times"),
        ("classes: [{name: a, color: [1, 2]}]", r"the color \[1, 2\]"),
        ("classes: [{name: a, color: [1, 2, 256]}]", r"the color \[1, 2, 256\]"),
        ("classes: [a, b]\nignore_label: 1", "has the ignore_label 1, which is the value of the class 'b'; take"),
        ("classes: [a, b]\nignore_label: 0", r"values the classes have, for example values: \{1: a, 2: b\}"),
        ("classes: [a, b]\nignore_label: [255, 256]", "has the ignore_label 256; it must be a whole number from 0"),
        ("classes: [a, b]\nignore_label: true", "has the ignore_label True"),
        ("values: {0: [a, b]}", r"has the class \['a', 'b'\]; a class needs a text as name"),
        ("values: {0: null}", "has the class None; a class needs a text as name"),
        ("classes: [a, b]\nvalues: [0, 255]", r"has the values \[0, 255\]; write for example"),
        ("classes: [a, b]\nvalues: {}", r"has the values \{\}; write for example"),
        ("classes: [a, b]\nvalues: {0: a, 256: b}", "gives 'b' the value 256; values are whole numbers from 0 to 255"),
        ("classes: [a, b]\nvalues: {a: 0, b: 255}", "gives '0' the value 'a'; values are whole numbers"),
        ("classes: [a, b]\nvalues: {0: a, 1: c}", "gives the value 1 to 'c', which is not among its classes"),
        ("classes: [a, b]\nvalues: {0: a, 1: a}", "has no value for the class 'b'"),
        ("classes: [a, b]\nvalues: {0: a, 9: b}\nignore_label: 9", "ignore_label 9, which is the value of the class"),
        ("classes: [a, b]\nignore_label: 256", "has the ignore_label 256"),
        ("classes: [a, b]\nignore_label: void", "has the ignore_label 'void'"),
        ("classes: [" + ", ".join(f"c{n}" for n in range(256)) + "]", "has 256 classes"),
    ],
)
def test_a_wrong_classes_file_is_explained(root, text, message):
    (root / "classes.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        Folder(root)


ONE_CLASS = ["classes: polyp", "classes: [polyp]", "classes: {name: polyp}", "classes: [{name: polyp}]"]


@pytest.mark.parametrize("text", ONE_CLASS)
@pytest.mark.parametrize("value", [1, 255])
def test_one_class_has_the_background_beside_it(root, text, value):
    (root / "classes.yaml").write_text(text)
    labels = np.zeros((40, 40), np.uint8)
    labels[5:35, 5:35] = value
    add(root, "a", labels)
    dataset = Folder(root)
    assert dataset.classes.names == ("background", "polyp")
    assert dataset.classes.colors[0] == (0, 0, 0) != dataset.classes.colors[1]
    np.testing.assert_array_equal(dataset.mask(0), labels > 0)


def test_one_class_in_a_mask_of_one_bit(root):
    (root / "classes.yaml").write_text("classes: polyp")
    Image.fromarray(np.array([[0, 1], [1, 1]], bool)).save(root / "masks/train/a.png")
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1], [1, 1]])


def test_one_class_and_what_the_file_says_of_its_values(root):
    add(root, "a", [[0, 1], [255, 255]])
    for more, expected in (
        ("ignore_label: 255", [[0, 1], [IGNORE_LABEL] * 2]),
        ("ignore_label: 1", [[0, IGNORE_LABEL], [1, 1]]),
        ("values: {1: polyp, 255: polyp}", [[0, 1], [1, 1]]),
        ("values: {0: polyp, 255: background, 1: polyp}", [[1, 1], [0, 0]]),
    ):
        (root / "classes.yaml").write_text(f"classes: polyp\n{more}\n")
        np.testing.assert_array_equal(Folder(root).mask(0), expected)
    (root / "classes.yaml").write_text("classes: polyp\n")
    with pytest.raises(Problem, match="holds both 1 and 255, and with one class in classes.yaml either may be 'polyp'"):
        Folder(root).mask(0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: background", "has no class but 'background'; name what is to be found"),
        ("classes: [yes]", "has the class True"),
        ("classes: polyp\nvalues: {0: polyp}", "has no value for the class 'background'"),
        ("classes: polyp\nignore_label: [1, 255]", "has no value for the class 'polyp'"),
        ("classes: polyp\nignore_label: 0", "has the ignore_label 0, which is the value of the class 'background'"),
        ("classes: ''", "has the class ''"),
    ],
)
def test_one_class_that_cannot_be_meant(root, text, message):
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
    with pytest.raises(UserError, match="'folder' has no option 'size'; its options are absent_classes, label_map"):
        load_dataset("folder", root, size=(2, 2))


def test_load_dataset_passes_options_to_street_scenes(root):
    dataset = load_dataset("street_scenes", split="val", length=3, size=(64, 128))
    assert (len(dataset), dataset.split, dataset.image(0).shape) == (3, "val", (64, 128, 3))
    with pytest.raises(UserError, match="no option 'lenght'; its options are .*length"):
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


@pytest.mark.parametrize(
    "text, message",
    [
        ("coarse", "'coarse' has no '='"),
        ("a=[1", r"'a=\[1' is not YAML"),
        ("a=2026-02-30", "'a=2026-02-30' is not YAML: day is out of range for month"),
        ("label_map={a: [b], a: [c]}", "is not YAML: the key 'a' is there twice"),
    ],
)
def test_wrong_options_are_explained(text, message):
    with pytest.raises(UserError, match=message):
        parse_options([text])


def write_png(path, labels, bits):
    """Write a grey PNG with that many bits for each pixel, which Pillow does not write."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    lines = ["".join(f"{value:0{bits}b}" for value in row) for row in labels]
    lines = [line + "0" * (-len(line) % 8) for line in lines]
    pixels = b"".join(b"\0" + int(line, 2).to_bytes(len(line) // 8) for line in lines)
    header = struct.pack(">IIBBBBB", len(labels[0]), len(labels), bits, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_files_of_fewer_bits_hold_the_same_numbers(root, bits):
    write_png(root / "masks/train/a.png", [[0, 1], [1, 0]], bits)
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1], [1, 0]])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_what_an_optimiser_made_of_255_is_read_as_255(root, bits):
    (root / "classes.yaml").write_text("classes: [background, polyp]\nvalues: {0: background, 255: polyp}")
    write_png(root / "masks/train/a.png", [[0, 2**bits - 1], [2**bits - 1, 0]], bits)
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1], [1, 0]])


def test_a_file_of_one_bit_with_two_readings_is_refused(root):
    (root / "classes.yaml").write_text("values: {0: background, 1: knife, 255: polyp}")
    write_png(root / "masks/train/a.png", [[0, 1], [1, 0]], 1)
    with pytest.raises(
        Problem,
        match="pixels that are 'knife' by their value 1 and 'polyp' by their grey 255; some program has numbered",
    ):
        Folder(root).mask(0)
    add(root, "a", [[0, 1], [255, 0]])
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1], [2, 0]])


def test_values_are_given_to_classes_and_ignored_as_the_file_says(root):
    (root / "classes.yaml").write_text(
        "classes: [road, car]\nvalues: {3: car, 1: road, 2: road, 255: car}\nignore_label: [0, 7]"
    )
    add(root, "a", [[0, 1, 2, 3], [7, 255, 1, 3]])
    np.testing.assert_array_equal(Folder(root).mask(0), [[255, 0, 0, 1], [255, 1, 0, 1]])
    add(root, "a", [[9, 1]])
    with pytest.raises(Problem, match=r"outside 0-3, 7, 255: 9 \(1 pixels\)"):
        Folder(root).mask(0)


def test_values_alone_are_a_list_of_classes(root):
    (root / "classes.yaml").write_text("values: {0: background, 255: polyp}")
    add(root, "a", [[0, 255]])
    dataset = Folder(root)
    assert dataset.classes.names == ("background", "polyp")
    np.testing.assert_array_equal(dataset.mask(0), [[0, 1]])


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (16, 16), (40, 60), (400, 300)])
def test_an_object_in_255_that_nobody_declared_is_refused(root, shape):
    labels = np.zeros(shape, np.uint8)
    labels[shape[0] // 3 :, shape[1] // 3 :] = 255
    add(root, "a", labels)
    cure = r"classes\.yaml does not say .*'values: \{0: road, 255: car\}', or.*'ignore_label: 255'"
    with pytest.raises(Problem, match=rf"has whole areas of the value 255 .*{cure}"):
        Folder(root).mask(0)


def test_a_declared_255_and_borders_of_it_are_ignored(root):
    labels = np.zeros((300, 400), np.uint8)
    labels[100:200, 100:200] = 255
    labels[105:195, 105:195] = 1
    labels[300 - 7 :] = 255
    add(root, "a", labels)
    np.testing.assert_array_equal(Folder(root).mask(0), labels)
    labels[labels == 1] = 255
    (root / "classes.yaml").write_text(CLASSES + "ignore_label: 255")
    add(root, "a", labels)
    np.testing.assert_array_equal(Folder(root).mask(0), labels)


@pytest.mark.parametrize("kind, options", [("JPEG", {"quality": 95}), ("WEBP", {"quality": 80})])
def test_a_mask_that_is_compressed_as_a_photo_is_refused_whatever_its_name(root, kind, options):
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(root / "masks/train/a.png", kind, **options)
    with pytest.raises(Problem, match=r"a\.png is compressed as a photo, which makes classes along the borders"):
        Folder(root).mask(0)


def save_palette(root, labels, colors):
    add(root, "a", labels)
    mask = Image.fromarray(np.array(labels, np.uint8), "P")
    mask.putpalette([channel for color in colors for channel in color])
    mask.save(root / "masks/train/a.png")


COLORS = "classes: [{name: road, color: [9, 0, 0]}, {name: car, color: [0, 9, 0]}, {name: sky, color: [0, 0, 9]}]"


def test_a_palette_with_the_colours_of_other_classes_is_refused(root):
    (root / "classes.yaml").write_text(COLORS)
    save_palette(root, [[0, 1]], [(9, 0, 0), (0, 0, 9)])
    message = r"'car' by their value 1 and 'sky' by their colour \(0, 0, 9\) in the palette"
    with pytest.raises(Problem, match=message):
        Folder(root).mask(0)


@pytest.mark.parametrize("colors", [[(9, 0, 0), (0, 9, 0)], [(0, 0, 9), (5, 5, 6)], [(128, 0, 0), (0, 128, 0)]])
def test_other_palettes_are_no_more_than_a_look(root, colors):
    (root / "classes.yaml").write_text(COLORS)
    save_palette(root, [[0, 1]], colors)
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1]])


def test_greys_that_an_optimiser_put_into_a_palette(root):
    (root / "classes.yaml").write_text("classes: [a, b, c, d]")
    save_palette(root, [[0, 1]], [(0, 0, 0), (3, 3, 3)])
    with pytest.raises(Problem, match="'b' by their value 1 and 'd' by their grey 3"):
        Folder(root).mask(0)
    save_palette(root, [[0, 1]], [(0, 0, 0), (255, 255, 255)])  # for the eye
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1]])
    (root / "classes.yaml").write_text("values: {10: a, 255: b}")
    save_palette(root, [[0, 1]], [(10, 10, 10), (255, 255, 255)])
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1]])


def test_sub_folders_are_read_and_named(root):
    for name in ("day/a", "day/deep/b"):
        for kind in ("images", "masks"):
            (root / kind / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        add(root, name, [[0, 1]])
    dataset = Folder(root)
    assert [dataset.sample_id(index) for index in range(3)] == ["a", "day/a", "day/deep/b"]
    np.testing.assert_array_equal(dataset.mask(2), [[0, 1]])
    assert dataset.left_out() == []


def test_a_linked_sub_folder_is_read_and_a_circle_of_links_ends(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("RGB", (2, 1)).save(elsewhere / "x.png")
    (root / "images/train/linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root / "images/train")
    assert [image.name for image, _ in Folder(root).pairs()] == ["a.png", "x.png"]


@pytest.mark.parametrize("suffix", ["tif", "tiff", "TIF", "bmp", "gif"])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_of_other_lossless_kinds_are_read(root, suffix, mode):
    add(root, "a", [[0, 1], [1, 0]], mode)
    path = root / "masks/train/a.png"
    with Image.open(path) as mask:
        mask.save(path.with_suffix(f".{suffix}"))
    path.unlink()
    np.testing.assert_array_equal(Folder(root).mask(0), [[0, 1], [1, 0]])


def test_a_picture_of_8_bits_may_be_tiff(root):
    path = root / "images/train/a.png"
    with Image.open(path) as picture:
        picture.save(path.with_suffix(".tif"), compression="tiff_lzw")
    path.unlink()
    np.testing.assert_array_equal(Folder(root).image(0), np.full((2, 2, 3), (10, 20, 30)))
    assert Folder(root).image_size(0) == (2, 2)


def test_a_mask_that_is_there_as_jpeg_alone_is_refused_as_one(root):
    path = root / "masks/train/a.png"
    with Image.open(path) as mask:
        mask.save(path.with_suffix(".jpg"))
    path.unlink()
    with pytest.raises(Problem, match=r"a\.jpg is compressed as a photo, which makes classes along the borders"):
        Folder(root).mask(0)


@pytest.mark.parametrize("options, message", [(dict(compression="jpeg"), "compressed as a photo"), ({}, "2 pictures")])
def test_masks_in_tiff_of_other_kinds_are_refused(root, options, message):
    path = root / "masks/train/a.png"
    mask = Image.open(path)
    more = {} if options else dict(save_all=True, append_images=[mask])
    mask.save(path.with_suffix(".tif"), **options, **more)
    path.unlink()
    with pytest.raises(Problem, match=message):
        Folder(root).mask(0)


def test_many_strange_values_along_borders_hint_at_jpeg(root):
    rows, columns = np.mgrid[:64, :64]
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(255 * ((rows - 32) ** 2 + (columns - 30) ** 2 < 400))).save(buffer, "JPEG", quality=90)
    add(root, "a", np.asarray(Image.open(buffer)))
    (root / "classes.yaml").write_text("values: {0: background, 255: polyp}")
    with pytest.raises(Problem, match="outside 0, 255: .* the mask went through JPEG or was resized smoothly"):
        Folder(root).mask(0)


def test_the_size_of_a_picture_is_that_of_the_picture(root):
    """Whatever is read for it."""
    rng = np.random.default_rng(0)
    for mode in ("RGB", "L", "P", "1", "RGBA", "LA"):
        for suffix in ("png", "jpg", "bmp", "webp", "tif"):
            for orientation in (1, 3, 6):
                exif = Image.Exif()
                exif[0x0112] = orientation
                picture = Image.fromarray(rng.integers(0, 255, (5, 9, 3), np.uint8)).convert(mode)
                picture = picture.convert("RGB") if suffix != "png" else picture
                path = root / f"images/train/a.{suffix}"
                picture.save(path, **({} if suffix == "bmp" else {"exif": exif}))
                dataset, turned = Folder(root), orientation == 6 and suffix != "bmp"
                assert dataset.image_size(0) == dataset.image(0).shape[:2] == ((9, 5) if turned else (5, 9))
                path.unlink()
