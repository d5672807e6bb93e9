import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.image_format import ImageFormat

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def tifffile():
    return pytest.importorskip("tifffile", reason="pip install -r requirements-tiff.txt")


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 13])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate", "pages"])
def test_all_bands_are_read_however_they_lie(tifffile, tmp_path, bands, dtype, planar):
    array = RNG.integers(0, np.iinfo(dtype).max, (6, 8, bands), dtype)
    path, grey = tmp_path / "a.tif", {"photometric": "minisblack"}
    if bands == 1:
        tifffile.imwrite(path, array[..., 0], **grey)
    elif planar == "contig":
        tifffile.imwrite(path, array, planarconfig=planar, **grey)
    elif planar == "separate":
        tifffile.imwrite(path, array.transpose(2, 0, 1), planarconfig=planar, **grey)
    else:
        tifffile.imwrite(path, array.transpose(2, 0, 1), **grey)
    np.testing.assert_array_equal(read_picture(path, ImageFormat(bands, dtype)), array)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits"])
def test_compressed_files(tifffile, tmp_path, compression):
    array = RNG.integers(0, 4096, (40, 50, 4), np.uint16)
    options = {"compression": compression, "tile": (16, 16)}
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig", **options)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif", ImageFormat(4, "uint16", max=4095)), array)


def test_pillow_and_tifffile_agree_on_rgb(tifffile, tmp_path):
    array = RNG.integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), array)
    Image.fromarray(array).save(tmp_path / "turned.tif", tiffinfo={0x0112: 6})
    np.testing.assert_array_equal(read_picture(tmp_path / "turned.tif"), np.rot90(array, -1))


@pytest.mark.parametrize(
    ("array", "options", "said"),
    [
        (np.zeros((5, 6, 8), np.uint16), {"photometric": "minisblack"}, "say 'image: {channels: 5, dtype: uint16}'"),
        (
            np.zeros((6, 8), np.float32),
            {},
            "is float32 of 1 channel, where pictures are 8-bit RGB; save it as uint8 or",
        ),
        (np.zeros((6, 8), np.uint8), {"photometric": "miniswhite"}, "is a TIFF whose values mean MINISWHITE"),
        (np.zeros((2, 3, 6, 8), np.uint8), {"photometric": "minisblack"}, "is a TIFF of 2 x 3 x 6 x 8"),
    ],
)
def test_what_is_no_picture_of_the_data_set_is_refused(tifffile, tmp_path, array, options, said):
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    with pytest.raises(Problem, match=said):
        read_picture(tmp_path / "a.tif")


def test_a_broken_file_is_named(tifffile, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((600, 800), np.uint16), compression="deflate")
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:300])
    with pytest.raises(Problem, match=r"a\.tif cannot be read as a TIFF"):
        read_picture(tmp_path / "a.tif")


def test_without_tifffile_it_says_how_to_install_it(tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tifffile" else find_spec(name))
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
    (tmp_path / "classes.yaml").write_text("classes: [road, car]")
    Image.new("I;16", (8, 6)).save(tmp_path / "images/train/a.tif")
    buffer = io.BytesIO()
    Image.new("L", (8, 6)).save(buffer, "PNG")
    (tmp_path / "masks/train/a.png").write_bytes(buffer.getvalue())
    with pytest.raises(Problem, match=r"tifffile reads and is not installed; .*pip install 'keras-liteseg\[tiff\]'"):
        load_dataset("folder", tmp_path).image(0)
