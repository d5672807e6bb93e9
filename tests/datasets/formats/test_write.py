"""What is written of an export: classes, splits, names, turned pictures; and that nothing is where it fails."""

import dataclasses
import subprocess

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.check import check_dataset
from keras_liteseg.datasets.formats.base import IGNORED, UNLABELED, Export, Sample, named
from keras_liteseg.datasets.formats.write import by_lists, by_share, write_folder
from keras_liteseg.datasets.image_files import encode
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import ImageFormat
from tests.image_sets import FOUR_BANDS, THERMAL, scene

DRAWN = np.array([[UNLABELED, 0, 1], [IGNORED, 1, 1]], np.int16)


def sample(folder, name, split="train", labels=DRAWN, size=(3, 2), turn=None):
    path = folder / f"{name.replace('/', '-')}.jpg"
    exif = Image.Exif()
    if turn:
        exif[0x0112] = turn
    Image.new("RGB", size, (9, 9, 9)).save(path, exif=exif)
    return Sample(name, path, split, lambda size: labels)


@pytest.fixture
def write(tmp_path):
    """Function that writes samples and returns (the data set of a split, what `write_folder` returned)."""

    def write(samples, split="train", classes=("cat", "dog"), drawn=True, **options):
        export = Export(named(classes), samples, [], drawn)
        splits = {name: [each for each in samples if each.split == name] for name in {each.split for each in samples}}
        written = write_folder(export, tmp_path / "out", splits=splits, **options)
        return load_dataset("folder", tmp_path / "out", split), written

    return write


@pytest.mark.parametrize(
    ("classes", "options", "names", "expected"),
    [
        (("cat", "dog"), {}, ("background", "cat", "dog"), [[0, 1, 2], [255, 2, 2]]),
        (("cat", "dog"), {"unlabeled": "ignore"}, ("cat", "dog"), [[255, 0, 1], [255, 1, 1]]),
        (("cat", "dog"), {"unlabeled": "dog"}, ("cat", "dog"), [[1, 0, 1], [255, 1, 1]]),
        (("cat", "_background_"), {}, ("cat", "_background_"), [[1, 0, 1], [255, 1, 1]]),
        (("cat", "dog"), {"ignored": ["cat"]}, ("background", "dog"), [[0, 255, 1], [255, 1, 1]]),
    ],
)
def test_unlabelled_background_and_ignored(write, tmp_path, classes, options, names, expected):
    dataset, written = write([sample(tmp_path, "a")], classes=classes, **options)
    assert dataset.classes.names == written.names == names
    np.testing.assert_array_equal(dataset.mask(0), expected)
    assert written.unlabeled == 1 / 6 and written.pixels["train"].sum() == 6 and check_dataset(dataset) == []


def test_masks_without_unlabelled_pixels_get_no_background(write, tmp_path):
    labels = np.array([[0, 0, 1], [1, 1, IGNORED]])
    dataset, written = write([sample(tmp_path, "a", labels=labels)], drawn=False)
    assert dataset.classes.names == ("cat", "dog") and written.unlabeled is None


def test_names_are_the_last_part_where_that_is_enough(write, tmp_path):
    dataset, _ = write([sample(tmp_path, "city/a"), sample(tmp_path, "town/b")])
    assert [dataset.sample_id(index) for index in range(2)] == ["a", "b"]


def test_names_have_their_folders_where_the_last_part_is_not_enough(write, tmp_path):
    dataset, _ = write([sample(tmp_path, "city/a"), sample(tmp_path, "town/A")])
    assert [dataset.sample_id(index) for index in range(2)] == ["city_a", "town_A"]


@pytest.mark.parametrize("turn", [6, 8])
def test_labels_of_turned_pictures(write, tmp_path, turn):
    """They are drawn as the picture is seen, or, by tools that do not turn it, as it is stored."""
    drawn = np.array([[0, 0], [1, 0], [1, 1]])
    stored = np.rot90(drawn, 1 if turn == 6 else -1)
    samples = [sample(tmp_path, "a", labels=drawn, turn=turn), sample(tmp_path, "b", labels=stored, turn=turn)]
    dataset, _ = write(samples, unlabeled="ignore")
    for index in range(2):
        np.testing.assert_array_equal(dataset.mask(index), drawn)
        assert dataset.image(index).shape == (3, 2, 3)


def test_links_and_copies(write, tmp_path):
    dataset, _ = write([sample(tmp_path, "a")], link=True)
    assert dataset.files(0)[0].samefile(tmp_path / "a.jpg")


def test_nothing_is_written_where_something_is_wrong(write, tmp_path):
    good, missing, small = (sample(tmp_path, name) for name in "abc")
    missing.image.unlink()
    small = Sample("c", small.image, "train", lambda size: DRAWN[:1])
    with pytest.raises(UserError) as error:
        write([good, missing, small])
    message = str(error.value)
    assert "because of 2 of 3 samples" in message and "b.jpg does not exist" in message
    assert "c.jpg is 2x3 and its labels are 1x3" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "c.jpg"]


@pytest.mark.parametrize("where", ["", "new"])
def test_place_that_cannot_be_written(tmp_path, where, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    export = Export(named(["cat", "dog"]), [sample(tmp_path, "a")], [], True)
    with pytest.raises(UserError, match="Cannot write .*: Read-only file system. .*folder that you may write to"):
        write_folder(export, disk / where / "data", splits={"train": export.samples})


def test_what_is_refused_leaves_no_folder(tmp_path):
    bad = sample(tmp_path, "a")
    bad.image.write_bytes(b"no picture")
    with pytest.raises(UserError, match="because of 1 of 1 samples"):
        write_folder(Export(named(["cat", "dog"]), [bad], [], True), tmp_path / "new/data", splits={"train": [bad]})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_picture_that_is_cut_off_is_named(write, tmp_path, as_bytes):
    labels = np.zeros((80, 90), np.int16)
    good, bad = (sample(tmp_path, name, labels=labels, size=(90, 80)) for name in "ab")
    content = bad.image.read_bytes()[:-90]
    bad.image.write_bytes(content)
    bad = dataclasses.replace(bad, image=content) if as_bytes else bad
    with pytest.raises(UserError, match="because of 1 of 2 samples:\n  .* cannot be read as an image"):
        write([good, bad], drawn=False)
    assert not (tmp_path / "out").exists()


def test_refusals(write, tmp_path):
    one = sample(tmp_path, "a")
    with pytest.raises(UserError, match="2 classes that are called 'cat'"):
        write([one], classes=("cat", "cat"))
    with pytest.raises(UserError, match="no class 'dgo' to ignore; did you mean dog"):
        write([one], ignored=["dgo"])
    with pytest.raises(UserError, match="no class 'dgo' for unlabelled"):
        write([one], unlabeled="dgo")
    with pytest.raises(UserError, match="301 classes, and masks of 8 bits"):
        write([one], classes=[str(number) for number in range(300)])
    write([one])
    with pytest.raises(UserError, match="is there already"):
        write([one])


def test_pictures_that_show_most_classes_come_first(write, tmp_path):
    plain = np.zeros((2, 3), int)
    _, written = write([sample(tmp_path, "a", labels=plain), sample(tmp_path, "b", labels=plain + [[0, 1, 1]])])
    assert written.shown == {"train": [1, 0]}


def loose(names, split=None):
    return [Sample(name, b"", split, None) for name in names]


def test_shares_are_drawn_by_seed_and_not_by_order():
    names = [f"{number:02}" for number in range(20)]
    splits, note = by_share(loose(names), 0.2, 0.1, seed=3)
    assert {split: len(found) for split, found in splits.items()} == {"train": 14, "val": 4, "test": 2}
    assert sorted(each.name for found in splits.values() for each in found) == names and "by seed 3" in note
    again, _ = by_share(loose(names[::-1]), 0.2, 0.1, seed=3)
    assert {split: [each.name for each in found] for split, found in again.items()} == {
        split: [each.name for each in found] for split, found in splits.items()
    }
    assert by_share(loose(names), seed=4)[0]["val"] != splits["val"]
    with pytest.raises(UserError, match="give smaller shares"):
        by_share(loose("ab"), 0.5, 0.5)


def test_splits_of_the_export_are_kept():
    splits, note = by_share([*loose("ab", "train"), *loose("c", "val"), *loose("d")])
    assert [each.name for each in splits["train"]] == ["a", "b", "d"] and set(splits) == {"train", "val"}
    assert "1 pictures that are in no split are in train" in note


def test_lists(tmp_path):
    (tmp_path / "train.txt").write_text("city/a.jpg\nb\n")
    (tmp_path / "val.txt").write_text("\ntown/a\n")
    splits, note = by_lists(loose(["city/a", "x/b", "town/a", "c"]), tmp_path)
    assert {split: [each.name for each in found] for split, found in splits.items()} == {
        "train": ["city/a", "x/b"],
        "val": ["town/a"],
    }
    assert "Left out 1 others" in note
    (tmp_path / "val.txt").write_bytes("Höhe\n".encode("latin-1"))
    with pytest.raises(UserError, match="val.txt is not in UTF-8"):
        by_lists(loose(["city/a", "x/b"]), tmp_path)
    (tmp_path / "val.txt").write_text("b\n")
    with pytest.raises(UserError, match="is in train.txt and in val.txt"):
        by_lists(loose(["city/a", "x/b"]), tmp_path)
    (tmp_path / "val.txt").write_text("z\n")
    with pytest.raises(UserError, match="names 'z', which the export does not have"):
        by_lists(loose(["city/a", "x/b"]), tmp_path)
    with pytest.raises(UserError, match="none of train.txt"):
        by_lists(loose("a"), tmp_path / "none")


def deep(folder, name, image_format, split="train"):
    image, mask = scene(image_format, (16, 24))
    path = folder / f"{name}.png"
    path.write_bytes(encode(image)[0])
    return Sample(name, path, split, lambda size: mask.astype(np.int16))


@pytest.mark.parametrize("image_format", [THERMAL, ImageFormat(3, "uint16"), FOUR_BANDS])
def test_pictures_that_are_not_8_bit_rgb_are_declared(write, tmp_path, image_format):
    dataset, written = write([deep(tmp_path, name, image_format) for name in "ab"], drawn=False)
    assert dataset.image_format == ImageFormat(image_format.channels, image_format.dtype)
    np.testing.assert_array_equal(dataset.image(0), scene(image_format, (16, 24))[0])
    assert check_dataset(dataset) == []
    assert f"The pictures are {dataset.image_format}, as 'image' in classes.yaml says." in written.notes[-1]


def test_pictures_of_two_kinds_are_refused(write, tmp_path):
    samples = [deep(tmp_path, "a", THERMAL), sample(tmp_path, "b")]
    with pytest.raises(UserError, match="the picture a is uint16 of 1 channel, .*, and b is 8-bit RGB; a data set has"):
        write(samples)
    assert not (tmp_path / "out").exists()


def test_a_tiff_stays_one(write, tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="pip install -r requirements-tiff.txt")
    image, mask = scene(ImageFormat(6, "uint16"), (16, 24))
    tifffile.imwrite(tmp_path / "a.tiff", image, photometric="minisblack", planarconfig="contig")
    dataset, _ = write([Sample("a", tmp_path / "a.tiff", "train", lambda size: mask.astype(np.int16))])
    assert dataset.files(0)[0].suffix == ".tiff"
    np.testing.assert_array_equal(dataset.image(0), image)
