import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.drawing import overlay as module
from keras_liteseg.drawing.overlay import SIGNAL, colorize, highlight, overlay, save_image
from keras_liteseg.errors import UserError

CLASSES = ClassList(names=("road", "sky", "car"), colors=((128, 64, 128), (70, 130, 180), (0, 0, 142)))
GREY = np.full((6, 8, 3), 100, np.uint8)


@pytest.fixture
def labels():
    """Road on the left, a car on the right, and one ignored column at the right rim."""
    labels = np.zeros((6, 8), np.uint8)
    labels[:, 4:] = 2
    labels[:, 7] = IGNORE_LABEL
    return labels


def test_colorize_gives_each_class_its_color_and_ignored_pixels_black(labels):
    rgb = colorize(labels, CLASSES)
    assert rgb.dtype == np.uint8 and rgb.shape == (6, 8, 3)
    assert rgb[0, 0].tolist() == [128, 64, 128]
    assert rgb[5, 6].tolist() == [0, 0, 142]
    assert rgb[:, 7].max() == 0


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_colorize_takes_any_integers(labels, dtype):
    assert np.array_equal(colorize(labels.astype(dtype), CLASSES), colorize(labels, CLASSES))


@pytest.mark.parametrize("wrong", [3, 254, -1, 256])
def test_colorize_refuses_a_label_without_class(labels, wrong):
    labels = labels.astype(np.int32)
    labels[2, 2] = wrong
    with pytest.raises(UserError, match=f"{wrong}.*there are 3 classes"):
        colorize(labels, CLASSES)


def test_overlay_blends_inside_outlines_in_full_color_and_leaves_ignored_pixels(labels):
    rgb = overlay(GREY, labels, CLASSES, opacity=0.5)
    assert rgb.dtype == np.uint8
    assert rgb[0, 0].tolist() == [114, 82, 114]
    assert rgb[3, 3].tolist() == [128, 64, 128] and rgb[3, 4].tolist() == [0, 0, 142]
    assert (rgb[:, 7] == 100).all()


def test_overlay_at_the_ends_of_opacity(labels):
    flat = np.zeros((6, 8), np.uint8)
    assert np.array_equal(overlay(GREY, flat, CLASSES, opacity=0), GREY)
    covered = overlay(GREY, labels, CLASSES, opacity=1)
    assert np.array_equal(covered[:, :7], colorize(labels, CLASSES)[:, :7])


def test_overlay_of_a_high_picture_is_that_of_its_parts():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3000, 5, 3), np.uint8)
    labels = rng.choice(np.uint8([0, 0, 0, 2, IGNORE_LABEL]), (3000, 5))
    whole = overlay(image, labels, CLASSES)
    for top in range(0, 2990, 7):  # an outline hangs on the neighbours of a pixel alone
        part = slice(max(0, top - 1), top + 8)
        drawn = overlay(image[part], labels[part], CLASSES)
        np.testing.assert_array_equal(drawn[top - part.start :][:7], whole[top : top + 7])


def test_overlay_of_one_class_has_no_outline():
    rgb = overlay(GREY, np.zeros((6, 8), np.uint8), CLASSES)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("opacity", [0.55, 0.3, 1.0])
def test_overlay_is_the_weighted_mean_to_half_a_step(opacity):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 80, 3), np.uint8)
    labels = rng.choice(np.array([0, 1, 2, IGNORE_LABEL], np.uint8), (6, 8)).repeat(10, axis=0).repeat(10, axis=1)
    padded = np.pad(labels, 1, mode="edge")
    neighbours = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    outline = np.any([labels != other for other in neighbours], axis=0)
    strength = (np.where(outline, 1, opacity) * (labels != IGNORE_LABEL))[..., None]
    expected = (1 - strength) * image + strength * colorize(labels, CLASSES)
    assert np.abs(overlay(image, labels, CLASSES, opacity) - expected).max() <= 0.5 + 1e-4


def test_overlay_does_not_change_its_input(labels):
    image, before = GREY.copy(), labels.copy()
    overlay(image, labels, CLASSES)
    assert np.array_equal(image, GREY) and np.array_equal(labels, before)


@pytest.mark.parametrize("band", [1, 8 * 9, 2**18])
def test_overlay_in_bands_and_in_place_is_the_same(band, monkeypatch):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 9, 3), np.uint8)
    labels = rng.choice(np.array([0, 1, 2, IGNORE_LABEL], np.uint8), (10, 3)).repeat(3, axis=0).repeat(3, axis=1)
    expected = overlay(image, labels, CLASSES)
    monkeypatch.setattr(module, "_BAND", band)
    np.testing.assert_array_equal(overlay(image, labels, CLASSES), expected)
    assert overlay(image, labels, CLASSES, out=image) is image
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("shape", [(6, 9), (6, 8, 1)])
def test_overlay_refuses_another_size(shape):
    with pytest.raises(UserError, match="6x8 pixels and the label map " + "x".join(map(str, shape))):
        overlay(GREY, np.zeros(shape, np.uint8), CLASSES)


def test_highlight_marks_only_the_given_pixels():
    where = np.zeros((6, 8), bool)
    where[1, 2] = True
    rgb = highlight(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), where)
    assert rgb[1, 2].tolist() == list(SIGNAL)
    rest = rgb[~where]
    assert (rest == rest[:, :1]).all()


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "new/a.jpeg"])
def test_save_image_writes_the_format_of_the_suffix(tmp_path, labels, name):
    rgb = overlay(GREY, labels, CLASSES)
    save_image(tmp_path / name, rgb)
    with Image.open(tmp_path / name) as image:
        assert image.format == ("PNG" if name.lower().endswith("png") else "JPEG")
        read = np.asarray(image)
    assert np.abs(read.astype(int) - rgb).mean() < (1e-9 if image.format == "PNG" else 6)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [name.rsplit("/")[-1]]


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.png.txt"])
def test_save_image_refuses_other_suffixes(tmp_path, name):
    with pytest.raises(UserError, match=r"\.png, \.jpg or \.jpeg"):
        save_image(tmp_path / name, GREY)
    assert not list(tmp_path.iterdir())


def test_save_image_into_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        save_image(tmp_path / "file" / "a.png", GREY)


def test_picture_on_a_full_disk_is_told_and_not_left(disk):
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3), np.uint8)
    with pytest.raises(UserError, match="Cannot write .*a.png: No space left on device"):
        save_image(disk / "a.png", noise)
    assert not list(disk.iterdir())
