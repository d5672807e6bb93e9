import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_liteseg.datasets import image_files
from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.datasets.pictures import Problem, find_pictures, open_picture
from keras_liteseg.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def save(path, image=RGB, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_reading_8_bit_rgb(tmp_path, suffix):
    found = read_picture(save(tmp_path / f"a.{suffix}"))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RGB)


def test_grey_palette_and_transparent_pictures_become_rgb(tmp_path):
    grey = save(tmp_path / "grey.png", RGB[..., 0])
    np.testing.assert_array_equal(read_picture(grey), np.repeat(RGB[..., :1], 3, -1))
    opaque = np.dstack([RGB, np.full((5, 7), 255, np.uint8)])
    np.testing.assert_array_equal(read_picture(save(tmp_path / "alpha.png", opaque)), RGB)
    Image.fromarray(RGB // 128 * 255).quantize(8).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "palette.png"), RGB // 128 * 255)


@pytest.mark.parametrize("band", [1, 14, 21])
def test_bands_of_a_large_picture_make_one(tmp_path, band, monkeypatch):
    monkeypatch.setattr(image_files, "_BAND", band)
    np.testing.assert_array_equal(read_picture(save(tmp_path / "a.png")), RGB)
    Image.fromarray(RGB // 128 * 255).quantize(8).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "palette.png"), RGB // 128 * 255)


def test_picture_is_turned_as_its_camera_was(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    path = save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(path), np.rot90(RGB, -1))


def test_high_picture(tmp_path):
    high = np.random.default_rng(0).integers(0, 256, (2500, 3, 3), np.uint8)
    np.testing.assert_array_equal(read_picture(save(tmp_path / "a.png", high)), high)
    np.testing.assert_array_equal(read_picture(save(tmp_path / "grey.png", high[..., 0])), high[..., :1].repeat(3, -1))


@pytest.mark.parametrize("suffix", ["gif", "jp2", "jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_pictures_are_what_pillow_reads(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", exif=exif)
    with Image.open(path) as file:
        expected = np.array(ImageOps.exif_transpose(file).convert("RGB"))
    np.testing.assert_array_equal(read_picture(path), expected)


def test_missing_picture(tmp_path):
    with pytest.raises(Problem, match="does not exist; check the path") as error:
        read_picture(tmp_path / "a.png")
    assert error.value.path == tmp_path / "a.png"
    with pytest.raises(Problem, match="does not exist; draw it"):
        open_picture(tmp_path / "a.png", "draw it")


@pytest.mark.parametrize("share", [0, 0.5])
def test_damaged_picture(tmp_path, share):
    path = save(tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(Problem, match="cannot be read as an image"):
        read_picture(path)


def test_find_one_picture(tmp_path):
    path = save(tmp_path / "street.PNG")
    assert find_pictures(path) == [path]


def test_find_pictures_in_a_folder_and_below(tmp_path):
    for name in ("b.png", "a.JPG", "town/a.webp", "town/.hidden.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "lost.tif").symlink_to(tmp_path / "missing.tif")
    found = [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path)]
    assert found == ["a.JPG", "b.png", "lost.tif", "town/a.webp"]


def test_linked_folders_are_searched_once_and_hidden_ones_not_at_all(tmp_path):
    for name in ("in/a.png", "in/.thumbnails/a.png", "elsewhere/b.png"):
        save(tmp_path / name)
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "in")
    found = [str(path.relative_to(tmp_path / "in")) for path in find_pictures(tmp_path / "in")]
    assert found == ["a.png", "linked/b.png"]


def test_folder_counts_by_its_own_name_and_not_by_that_of_a_link(tmp_path):
    """In whatever order a disk lists them."""
    save(tmp_path / "in/m/a.png")
    save(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/m/again.png").symlink_to("a.png")
    for number in range(20):
        (tmp_path / f"in/{number}").mkdir()
        (tmp_path / f"in/{number}/to_m").symlink_to("../m")
        (tmp_path / f"in/{'abz'[number % 3]}{number}").symlink_to("m")
        (tmp_path / f"in/link{number:02}").symlink_to(tmp_path / "elsewhere")
    found = [str(path.relative_to(tmp_path / "in")) for path in find_pictures(tmp_path / "in")]
    assert found == ["link00/b.png", "m/a.png", "m/again.png"]


def test_folder_of_results_is_left_out_where_it_lies_below(tmp_path):
    for name in ("a.png", "out/a.png", "out/town/a.png", "outside/a.png"):
        save(tmp_path / name)
    found = [str(path.relative_to(tmp_path)) for path in find_pictures(tmp_path, tmp_path / "town" / ".." / "out")]
    assert found == ["a.png", "outside/a.png"]
    assert find_pictures(tmp_path / "out", tmp_path) == find_pictures(tmp_path / "out", tmp_path / "out")
    assert len(find_pictures(tmp_path / "out", tmp_path)) == 2


def test_large_picture_is_read_without_a_word(tmp_path, recwarn):
    """Pillow warns of more than 89 million pixels, and refuses more than 179 million."""
    path = tmp_path / "a.png"
    Image.new("L", (18000, 10000), 7).save(path, compress_level=1)
    assert open_picture(path).size == (18000, 10000) and len(recwarn) == 0


def test_picture_that_is_too_large(tmp_path, recwarn):
    path = save(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    for side in (32769, 300_000):
        data[16:24] = np.array([side, side], ">i4").tobytes()
        data[29:33] = np.array([zlib.crc32(data[12:29])], ">u4").tobytes()
        path.write_bytes(data)
        with pytest.raises(Problem, match="a.png has more than 1,073,741,824 pixels; cut it into smaller pictures"):
            read_picture(path)


def test_nothing_to_find(tmp_path):
    with pytest.raises(UserError, match="There is no picture or folder"):
        find_pictures(tmp_path / "missing")
    with pytest.raises(UserError, match="has no pictures; wanted files that end in .png"):
        find_pictures(tmp_path)
