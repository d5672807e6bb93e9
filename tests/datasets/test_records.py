import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, load_dataset
from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.datasets.check import check_dataset
from keras_liteseg.datasets.folder import Folder
from keras_liteseg.datasets.records import write_records
from keras_liteseg.errors import UserError
from keras_liteseg.files import alone_in
from keras_liteseg.image_format import ImageFormat
from keras_liteseg.training.pipeline import training_pipeline
from tests.image_sets import FOUR_BANDS, THERMAL, write_set

SAMPLES = 7


@pytest.fixture
def source(tmp_path):
    """Seven samples in JPEG, PNG, and formats that not every decoder reads alike."""
    root = tmp_path / "source"
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (root / kind / "train").mkdir(parents=True)
    (root / "classes.yaml").write_text("classes: [{name: road, color: [1, 2, 3]}, car]\nignore_label: 9")
    for number, suffix in enumerate(["jpg", "png", "bmp", "webp", "png", "jpg", "png"]):
        image = Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8))
        exif = Image.Exif()
        if number == 4:
            image = image.convert("L")
        if number == 5:
            image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6  # to be turned back
        image.save(root / f"images/train/{number}.{suffix}", exif=exif)
        Image.fromarray(rng.choice([0, 1, 9], (8, 12)).astype(np.uint8)).save(root / f"masks/train/{number}.png")
    return root


@pytest.fixture
def dataset(source):
    return load_dataset("folder", source)


@pytest.fixture
def output(dataset, tmp_path):
    """Finished records of `dataset` in three shards."""
    write_records(dataset, tmp_path / "records", shards=3)
    return tmp_path / "records"


def assert_same(records, dataset):
    assert len(records) == len(dataset)
    assert (records.name, records.split, records.classes) == (dataset.name, dataset.split, dataset.classes)
    for index in reversed(range(len(dataset))):
        assert records.sample_id(index) == dataset.sample_id(index)
        for part in ("image", "mask"):
            found = getattr(records, part)(index)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, getattr(dataset, part)(index))


def test_records_give_back_every_sample_in_any_order(dataset, output):
    assert sorted(path.name for path in output.iterdir()) == sorted(
        [
            "train.json",
            *(f"train-{n:05}-of-00003.{suffix}" for n in range(3) for suffix in ("json", "tfrecord")),
        ]
    )
    records = load_dataset("records", output)
    assert_same(records, dataset)
    assert check_dataset(records) == []


def test_the_manifest_tells_what_the_records_are(output):
    manifest = json.loads((output / "train.json").read_text())
    assert (manifest["data"], manifest["split"], manifest["count"]) == ("folder", "train", SAMPLES)
    assert manifest["classes"] == {"names": ["road", "car"], "colors": [[1, 2, 3], [128, 0, 0]]}
    assert [shard["count"] for shard in manifest["shards"]] == [3, 2, 2]
    for shard in manifest["shards"]:
        assert (output / shard["file"]).stat().st_size == shard["bytes"]


def test_tensorflow_reads_the_shards_with_its_own_checksums(source, dataset, output):
    files = sorted(map(str, output.glob("*.tfrecord")))
    features = {
        key: tf.io.FixedLenFeature([], dtype)
        for key, dtype in {
            "image/filename": tf.string,
            "image/encoded": tf.string,
            "image/format": tf.string,
            "image/height": tf.int64,
            "image/width": tf.int64,
            "image/segmentation/class/encoded": tf.string,
        }.items()
    }
    examples = [tf.io.parse_single_example(record, features) for record in tf.data.TFRecordDataset(files)]
    assert len(examples) == SAMPLES
    for index, example in enumerate(examples):
        assert example["image/filename"].numpy().decode() == dataset.sample_id(index)
        assert (example["image/height"], example["image/width"]) == (8, 12)
        mask = tf.io.decode_png(example["image/segmentation/class/encoded"])[..., 0].numpy()
        np.testing.assert_array_equal(mask, dataset.mask(index))
        image = tf.io.decode_image(example["image/encoded"]).numpy()
        assert image.shape == (8, 12, 3)
        if example["image/format"] == b"png":
            np.testing.assert_array_equal(image, dataset.image(index))
    formats = [example["image/format"].numpy() for example in examples]
    assert formats == [b"jpeg", *[b"png"] * 6]  # the turned JPEG too
    assert examples[0]["image/encoded"].numpy() == (source / "images/train/0.jpg").read_bytes()


def test_splits_and_data_sets_without_files_share_a_folder(output):
    scenes = load_dataset("street_scenes", split="val", length=2, size=(64, 64))
    write_records(scenes, output, shards=1, options={"length": 2, "size": (64, 64)})
    assert_same(load_dataset("records", output, "val"), scenes)
    assert len(load_dataset("records", output)) == SAMPLES


def test_a_training_gets_the_same_batches_from_records(dataset, output):
    batches = [
        next(training_pipeline(data, Augmentation((8, 8)), 4, (0,) * 3, (1,) * 3).as_numpy_iterator())
        for data in (dataset, load_dataset("records", output))
    ]
    for files, records in zip(*batches, strict=True):
        np.testing.assert_array_equal(files, records)


def test_records_can_be_remapped(dataset, output):
    records = load_dataset("records", output, label_map={"vehicle": "car"})
    np.testing.assert_array_equal(records.mask(0) == 0, dataset.mask(0) == 1)
    assert set(np.unique(records.mask(0))) == {0, IGNORE_LABEL}


def test_a_killed_command_goes_on_and_keeps_finished_shards(source, tmp_path):
    output, blocked = tmp_path / "records", source / "images/train/4.png"
    moved = blocked.rename(tmp_path / "moved.png")
    os.mkfifo(blocked)  # the command waits here, in the second of three shards
    command = [sys.executable, "-m", "keras_liteseg", "records", "--data", "folder", "--data_dir", str(source)]
    command += ["--output_dir", str(output), "--shards", "3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Should the command end early, this opens the other end, and the test goes on to fail below.
    guard = threading.Thread(target=lambda: (process.wait(), os.close(os.open(blocked, os.O_RDONLY | os.O_NONBLOCK))))
    guard.start()
    with open(blocked, "wb"):  # returns when the command reads the picture
        process.kill()
        _, errors = process.communicate()
    guard.join()
    names = sorted(path.name for path in output.iterdir() if not path.name.startswith("."))
    assert names == ["train-00000-of-00003.json", "train-00000-of-00003.tfrecord"], errors
    assert len(list(output.glob(".partial-*"))) == 1
    with pytest.raises(UserError, match=r"train\.json does not exist; splits found there: none\. .* interrupted"):
        load_dataset("records", output)

    blocked.unlink()
    moved.rename(blocked)
    first = (output / "train-00000-of-00003.tfrecord").stat()
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "7 samples in 3 shards" in finished.stdout
    again = (output / "train-00000-of-00003.tfrecord").stat()
    assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert not list(output.glob(".*"))
    assert_same(load_dataset("records", output), load_dataset("folder", source))


def test_a_bad_sample_stops_the_writing_and_finished_shards_stay(source, dataset, tmp_path):
    Image.new("L", (5, 8)).save(source / "masks/train/6.png")
    with pytest.raises(UserError, match="image of 6 is 8x12 and its mask 8x5"):
        write_records(dataset, tmp_path / "records", shards=3)
    Image.new("L", (12, 8), 200).save(source / "masks/train/6.png")
    Image.new("L", (12, 8), 201).save(source / "masks/train/5.png")
    with pytest.raises(UserError, match="2 problems") as error:
        write_records(dataset, tmp_path / "records", shards=3)
    for number, value in ((5, 201), (6, 200)):
        assert f"{number}.png holds label values outside 0-1, 9: {value}" in str(error.value)
    assert len(list((tmp_path / "records").iterdir())) == 4


def test_other_records_are_not_overwritten(source, dataset, output):
    before = {path: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(UserError, match="not one of 2 shards; give the number of shards that it was begun with"):
        write_records(dataset, output, shards=2)
    with pytest.raises(UserError, match="was written from other data, options or samples"):
        write_records(dataset, output, shards=3, options={"label_map": {"a": ["road"], "b": ["car"]}})
    with pytest.raises(UserError, match="was written from other data, options or samples"):
        write_records(load_dataset("folder", source, label_map={"a": "road"}), output, shards=3)
    (source / "images/train/0.jpg").unlink()
    (source / "masks/train/0.png").unlink()
    with pytest.raises(UserError, match="was written from other data, options or samples"):
        write_records(load_dataset("folder", source), output, shards=3)
    assert {path: path.read_bytes() for path in output.iterdir()} == before


@pytest.mark.parametrize("shards", [0, -1, SAMPLES + 1])
def test_a_wrong_number_of_shards_is_explained(dataset, tmp_path, shards):
    with pytest.raises(UserError, match=f"7 samples do not go into {shards} shards; choose from 1 to 7"):
        write_records(dataset, tmp_path / "records", shards=shards)
    assert not (tmp_path / "records").exists()


def test_a_full_disk_leaves_no_half_shard(tmp_path):
    scenes = load_dataset("street_scenes", split="val", length=1, size=(64, 128))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Cannot write \S*val-00000-of-00001\.tfrecord: File too large\."):
            write_records(scenes, tmp_path, shards=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_damaged_picture_leaves_no_folder(source, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(source, folder)
    (folder / "images/train/0.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="0.jpg cannot be read"):
        write_records(load_dataset("folder", folder), tmp_path / "new" / "records", shards=1)
    assert not (tmp_path / "new").exists()


def test_two_at_once_are_refused(dataset, tmp_path):
    output = tmp_path / "records"
    with alone_in(output), pytest.raises(UserError, match="Another process writes into"):
        write_records(dataset, output, shards=2)
    assert not output.exists()


def test_a_truncated_or_missing_shard_is_named_and_replaced(dataset, output):
    shard = output / "train-00001-of-00003.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=rf"00001-of-00003\.tfrecord has {len(whole) - 1} bytes instead of"):
        load_dataset("records", output)
    shard.unlink()
    with pytest.raises(UserError, match=r"00001-of-00003\.tfrecord does not exist; run the command again"):
        load_dataset("records", output)
    write_records(dataset, output, shards=3)
    assert shard.read_bytes() == whole


def test_a_damaged_picture_is_a_problem_of_its_sample(dataset, output):
    shard = output / "train-00001-of-00003.tfrecord"
    content = bytearray(shard.read_bytes())
    offset, length, _ = json.loads(shard.with_suffix(".json").read_text())["masks"][0]
    content[offset + length // 2] ^= 1
    shard.write_bytes(content)
    (problem,) = check_dataset(load_dataset("records", output))
    assert problem.path == shard and problem.what.startswith("is damaged: the mask of 3 does not have its checksum")
    write_records(dataset, output, shards=3)
    assert check_dataset(load_dataset("records", output)) == []


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", "1e999", '{"shards": 3}', "[" * 100_000, "\ud800", '{"ids": [[]]}']
)
@pytest.mark.parametrize("name", ["train.json", "train-00002-of-00003.json"])
def test_a_broken_list_is_named(output, name, content):
    (output / name).write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(UserError, match=rf"{name} is damaged or not written by keras_liteseg"):
        load_dataset("records", output)


@pytest.mark.parametrize(("old", "new"), [('"car"', '"road"'), ("128", "999"), ("128", "-1")])
def test_classes_of_a_list_that_cannot_be_are_damage(output, old, new):
    manifest = output / "train.json"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match="train.json is damaged or not written by keras_liteseg"):
        load_dataset("records", output)


def test_damage_anywhere_gives_the_right_pixels_or_a_clear_error(dataset, output, tmp_path):
    rng = np.random.default_rng(0)
    wanted = [(dataset.image(index), dataset.mask(index)) for index in range(SAMPLES)]
    names = sorted(path.name for path in output.iterdir())
    refused = 0
    for number in range(300):
        shutil.copytree(output, tmp_path / f"copy{number}")
        path = tmp_path / f"copy{number}" / names[number % len(names)]
        content = bytearray(path.read_bytes())
        kind, place = rng.integers(4), rng.integers(len(content))
        if kind == 0:
            content = content[:place]
        elif kind == 1:
            content[place] ^= 1 << rng.integers(8)
        elif kind == 2:
            content[place : place + 1] = b"99999999999999999999"
        else:
            del content[place]
        path.write_bytes(content)
        try:
            records = load_dataset("records", path.parent)
            found = [(records.image(index), records.mask(index)) for index in range(len(records))]
        except UserError as error:
            refused += 1
            assert path.name.split(".")[0] in str(error) or path.name == "train.json"
            continue
        for (image, mask), (wanted_image, wanted_mask) in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(image, wanted_image)
            np.testing.assert_array_equal(mask, wanted_mask)
    assert refused > 150


def test_a_split_without_records_is_explained(output):
    with pytest.raises(UserError, match=r"val\.json does not exist; splits found there: train\. It is written last"):
        load_dataset("records", output, "val")


def test_reading_needs_no_tensorflow(output):
    code = (
        "import sys; from keras_liteseg.datasets import load_dataset; "
        f"print(load_dataset('records', {str(output)!r}).image(0).shape, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=_ROOT)
    assert done.stdout.strip() == "(8, 12, 3) False", done.stderr


_ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_real_frames(shared, tmp_path):
    frames = load_dataset("cityscapes", shared / "data/cityscapes", "val")
    write_records(frames, tmp_path, shards=2)
    assert_same(load_dataset("records", tmp_path, "val"), frames)
    assert load_dataset("records", tmp_path, "val").name == "cityscapes"


@pytest.mark.parametrize("image_format", [THERMAL, FOUR_BANDS, ImageFormat(3, "uint16", max=4095)])
def test_images_that_are_not_8_bit_rgb_stay_whole(tmp_path, image_format):
    numbers = ", ".join(["0.5"] * image_format.channels)
    root = write_set(tmp_path / "source", image_format, size=(16, 24), more=f", mean: [{numbers}], std: [{numbers}]")
    dataset = load_dataset("folder", root)
    write_records(dataset, tmp_path / "records", shards=2)
    records = load_dataset("records", tmp_path / "records")
    assert (records.image_format, records.mean, records.std) == (image_format, dataset.mean, dataset.std)
    for index in range(len(dataset)):
        assert records.image(index).dtype == image_format.dtype
        np.testing.assert_array_equal(records.image(index), dataset.image(index))
        np.testing.assert_array_equal(records.mask(index), dataset.mask(index))


def test_images_of_a_number_of_channels_that_png_has_not_stay_whole(tmp_path):
    rng = np.random.default_rng(0)

    class Bands(Folder):
        image_format = ImageFormat(6, "uint16")

        def image(self, index):
            return rng.integers(index, index + 1, (16, 24, 6), np.uint16)

    source = Bands(write_set(tmp_path / "source", FOUR_BANDS, size=(16, 24)))
    source.image_format = Bands.image_format
    write_records(source, tmp_path / "records", shards=1)
    records = load_dataset("records", tmp_path / "records")
    assert records.image_format == Bands.image_format and records.mean is None
    np.testing.assert_array_equal(records.image(3), np.full((16, 24, 6), 3))
    record = next(iter(tf.data.TFRecordDataset(str(next((tmp_path / "records").glob("*.tfrecord"))))))
    features = tf.train.Example.FromString(record.numpy()).features.feature
    assert features["image/format"].bytes_list.value[0] == b"npy"
