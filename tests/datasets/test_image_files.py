import io

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.image_files import encode, read_picture
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.image_format import ImageFormat
from tests.image_sets import deep_png

RNG = np.random.default_rng(0)
DEEP = {channels: RNG.integers(0, 65536, (5, 7, channels), np.uint16) for channels in (1, 2, 3, 4, 6)}
FLAT = {channels: RNG.integers(0, 256, (5, 7, channels), np.uint8) for channels in (1, 2, 3, 4, 6)}


def saved(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_16_bits_keeps_all_of_them(tmp_path, channels):
    path = saved(tmp_path / "a.png", deep_png(DEEP[channels]))
    found = read_picture(path, ImageFormat(channels, "uint16"))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, DEEP[channels])


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_a_png_of_8_bits_keeps_all_channels(tmp_path, mode, channels):
    Image.fromarray(FLAT[channels].squeeze(), mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", ImageFormat(channels)), FLAT[channels])


@pytest.mark.parametrize(
    "options",
    [{}, {"transparency": (1, 2, 3)}, {"dpi": (72, 72)}, {"icc_profile": b"some"}, {"compress_level": 0}],
    ids=str,
)
def test_a_png_of_colours_is_what_pillow_reads(tmp_path, options):
    colors = FLAT[3].copy()
    colors[0, :3] = 1, 2, 3
    Image.fromarray(colors).save(tmp_path / "a.png", **options)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), colors)


@pytest.mark.parametrize("place", [20, 60, -20])
def test_a_damaged_png_of_colours_is_refused(tmp_path, place):
    Image.fromarray(RNG.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[place] ^= 255
    with pytest.raises(Problem, match="cannot be read as an image"):
        read_picture(saved(tmp_path / "b.png", bytes(content)))
    with pytest.raises(Problem, match="cannot be read as an image"):
        read_picture(saved(tmp_path / "c.png", (tmp_path / "a.png").read_bytes()[: 40 * 50]))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("data", ["folder", "cityscapes", "camvid", "bdd100k"])
def test_every_data_set_refuses_16_bits_that_are_not_declared(tmp_path, data, channels):
    places = {
        "folder": ("images/train/a.png", "masks/train/a.png"),
        "cityscapes": ("leftImg8bit/train/x/x_0_leftImg8bit.png", "gtFine/train/x/x_0_gtFine_labelIds.png"),
        "camvid": ("701_StillsRaw_full/0001TP_006690.png", "LabeledApproved_full/0001TP_006690_L.png"),
        "bdd100k": ("images/10k/train/a.png", "labels/sem_seg/masks/train/a.png"),
    }
    (tmp_path / "classes.yaml").write_text("classes: [road, car]")
    image, mask = (tmp_path / place for place in places[data])
    for path in (image, mask):
        path.parent.mkdir(parents=True)
    image.write_bytes(deep_png(DEEP[channels] >> 4))  # 12 bits, of which 8 would leave 0 to 15
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(mask)
    dataset = load_dataset(data, tmp_path)
    declaration = f"image: {{channels: {channels}, dtype: uint16}}"
    with pytest.raises(Problem, match=f"is uint16 of {channels} channel.* 8-bit RGB; .*'{declaration}'") as caught:
        dataset.image(0)
    assert caught.value.path == image
    if data == "folder":
        (tmp_path / "classes.yaml").write_text(f"classes: [road, car]\n{declaration}")
        np.testing.assert_array_equal(load_dataset(data, tmp_path).image(0), DEEP[channels] >> 4)


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_masks_of_16_bits_are_refused(tmp_path, channels):
    (tmp_path / "701_StillsRaw_full").mkdir()
    (tmp_path / "LabeledApproved_full").mkdir()
    Image.new("RGB", (7, 5)).save(tmp_path / "701_StillsRaw_full/0001TP_006690.png")
    saved(tmp_path / "LabeledApproved_full/0001TP_006690_L.png", deep_png(DEEP[channels]))
    with pytest.raises(Problem, match="more than 8 bits"):
        load_dataset("camvid", tmp_path).mask(0)


def test_an_alpha_channel_that_holds_something_is_not_dropped(tmp_path):
    for mode, channels in (("LA", 2), ("RGBA", 4)):
        Image.fromarray(FLAT[channels], mode).save(tmp_path / "a.png")
        with pytest.raises(
            Problem, match="save it as RGB, without alpha, or, if these are data, say 'image: {channels"
        ):
            read_picture(tmp_path / "a.png")


def test_what_loses_nothing_is_read(tmp_path):
    grey = FLAT[1]
    full = np.full_like(grey, 255)
    for number, (array, wanted, channels) in enumerate(
        [
            (np.dstack([grey] * 3), grey, 1),
            (np.dstack([grey, full]), grey, 1),
            (np.dstack([grey] * 3 + [full]), grey, 1),
            (np.dstack([grey, full]), np.dstack([grey] * 3), 3),
            (np.dstack([FLAT[3], full]), FLAT[3], 3),
        ]
    ):
        Image.fromarray(array).save(tmp_path / f"{number}.png")
        np.testing.assert_array_equal(read_picture(tmp_path / f"{number}.png", ImageFormat(channels)), wanted)
    path = saved(tmp_path / "deep.png", deep_png(np.dstack([DEEP[3], np.full((5, 7), 65535, np.uint16)])))
    np.testing.assert_array_equal(read_picture(path, ImageFormat(3, "uint16")), DEEP[3])


@pytest.mark.parametrize(
    ("image_format", "said"),
    [
        (ImageFormat(4), "is uint8 of 3 channels, where pictures are uint8 of 4 channels"),
        (ImageFormat(1), "is uint8 of 3 channels, where pictures are uint8 of 1 channel,"),
        (ImageFormat(3, "uint16"), "is uint8 of 3 channels, where pictures are uint16 of 3 channels"),
    ],
)
def test_another_kind_than_declared_is_refused(tmp_path, image_format, said):
    Image.fromarray(FLAT[3]).save(tmp_path / "a.png")
    with pytest.raises(Problem, match=f"{said}.*convert it, or, if all pictures are so, say 'image: "):
        read_picture(tmp_path / "a.png", image_format)


def test_values_that_the_sensor_is_said_not_to_give_are_refused(tmp_path):
    path = saved(tmp_path / "a.png", encode(np.uint16([[[100], [4100]]]))[0])
    for limits in (dict(max=4095), dict(min=101)):
        with pytest.raises(Problem, match="has values from 100 to 4100, where pictures have .* min and max of 'image'"):
            read_picture(path, ImageFormat(1, "uint16", **limits))
    assert read_picture(path, ImageFormat(1, "uint16", 100, 4100)).max() == 4100


def test_of_a_picture_without_data_set_values_beyond_the_limits_count_as_these(tmp_path):
    path = saved(tmp_path / "a.png", encode(np.uint16([[[100], [200], [4100]]]))[0])
    found = read_picture(path, ImageFormat(1, "uint16", 150, 4095), in_data_set=False)
    assert found.dtype == np.uint16 and found.ravel().tolist() == [150, 200, 4095]


@pytest.mark.parametrize(
    ("channels", "image_format", "said"),
    [
        (
            4,
            ImageFormat(),
            "is uint8 of 4 channels, where the network takes 8-bit RGB; save it without alpha, or use a ",
        ),
        (
            3,
            ImageFormat(1, "uint16"),
            "is uint8 of 3 channels, where the network takes uint16 .*; convert it, or use a ",
        ),
    ],
)
def test_what_a_network_does_not_take_is_refused_without_advice_about_data_sets(tmp_path, channels, image_format, said):
    Image.fromarray(FLAT[channels]).save(tmp_path / "a.png")
    with pytest.raises(Problem, match=f"{said}network that was trained on such pictures") as caught:
        read_picture(tmp_path / "a.png", image_format, in_data_set=False)
    assert "classes.yaml" not in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(FLAT[3]).save(tmp_path / "a.png", exif=exif)
    expected = np.array(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), expected)


def test_other_files_of_16_bits_are_refused(tmp_path):
    header = b"P6 7 5 65535\n"
    path = saved(tmp_path / "a.png", header + DEEP[3].astype(">u2").tobytes())
    with pytest.raises(Problem, match="is a PPM of more than 8 bits; save it as PNG or TIFF of 16 bits"):
        read_picture(path)
    Image.fromarray(DEEP[1][..., 0]).save(tmp_path / "a.jp2")
    with pytest.raises(Problem, match="is a JPEG2000 of more than 8 bits"):
        read_picture(tmp_path / "a.jp2")


@pytest.mark.parametrize("pictures", [FLAT, DEEP])
def test_encoding_loses_nothing(pictures, tmp_path):
    for channels, picture in pictures.items():
        content, kind = encode(picture)
        assert kind == ("png" if channels in (1, 3, 4) else "npy")
        if kind == "npy":
            found = np.load(io.BytesIO(content))
        else:
            found = read_picture(saved(tmp_path / "a.png", content), ImageFormat(channels, str(picture.dtype)))
        assert found.dtype == picture.dtype
        np.testing.assert_array_equal(found, picture)
