import logging
import subprocess
import sys

import numpy as np
import pytest

from keras_liteseg.datasets import ClassList, SegmentationDataset, load_dataset
from keras_liteseg.datasets.class_statistics import (
    count_classes,
    inverse_log_weights,
    measure_images,
    median_frequency_weights,
    repeat_factors,
)
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import ImageFormat
from tests.image_sets import THERMAL, write_set

MASKS = (
    [[0, 0, 0, 1, 255]],
    [[0, 0, 0, 0, 0]],
    [[1, 2, 2, 255, 255]],
    [[255, 255, 255, 255, 255]],
)


class InMemory(SegmentationDataset):
    name, split, classes = "in_memory", "train", ClassList(("road", "car", "pole", "train"), ((0, 0, 0),) * 4)

    def __init__(self, masks):
        self.masks = np.array(masks, np.uint8)

    def __len__(self):
        return len(self.masks)

    def sample_id(self, index):
        return f"sample{index}"

    def image(self, index):
        raise AssertionError("counting needs no image")

    def mask(self, index):
        return self.masks[index]


def test_counts():
    counts = count_classes(InMemory(MASKS))
    np.testing.assert_array_equal(counts.pixels, [8, 2, 2, 0])
    np.testing.assert_array_equal(counts.images, [2, 2, 1, 0])
    np.testing.assert_array_equal(counts.pixels_of_images, [9, 7, 3, 0])


def test_weights_are_median_over_frequency_and_one_without_pixels():
    weights = median_frequency_weights(count_classes(InMemory(MASKS)))
    frequency = np.array([8 / 9, 2 / 7, 2 / 3])
    np.testing.assert_allclose(weights, [*(2 / 3 / frequency), 1])


def test_inverse_log_weights_follow_the_share_of_all_labelled_pixels():
    weights = inverse_log_weights(count_classes(InMemory(MASKS)))
    np.testing.assert_allclose(weights, 1 / np.log(1.02 + np.array([8, 2, 2, 0]) / 12))
    assert weights[3] == pytest.approx(50.5, abs=0.01)


@pytest.mark.parametrize("masks", [MASKS[3:], np.zeros((0, 1, 5))])
def test_nothing_to_count(masks):
    with pytest.raises(UserError, match="in_memory has no labelled pixel in its split 'train'"):
        count_classes(InMemory(masks))


def run(*arguments):
    command = [sys.executable, "-m", "keras_liteseg", "statistics", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_prints_a_row_per_class(shared):
    done = run("--data", "camvid", "--data_dir", shared / "data/camvid", "--split", "val")
    assert done.returncode == 0, done.stderr
    title, head, *rows = done.stdout.splitlines()
    assert title == "camvid val: 101 images"
    assert head.split() == ["class", "share", "images", "median_frequency", "inverse_log"]
    assert [row[2:22].strip() for row in rows] == list(load_dataset("camvid", shared / "data/camvid").classes.names)
    assert sum(float(row[22:30].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.1)


def test_the_command_refuses_without_a_traceback(tmp_path):
    done = run("--data", "camvid", "--data_dir", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: The list ") and "Traceback" not in done.stderr


def test_repeat_factors(caplog):
    """Of 4 pictures, road is in 2, car in 2, pole in 1 and train in none; the last picture has no label at all."""
    caplog.set_level(logging.INFO, "keras_liteseg")
    found = repeat_factors(InMemory(MASKS), 0.75)
    frequent, rare = np.sqrt(0.75 / 0.5), np.sqrt(0.75 / 0.25)
    np.testing.assert_allclose(found, [frequent, frequent, rare, 1])
    assert caplog.messages[-1].endswith("by factors of: road 1.2, car 1.2, pole 1.7")
    np.testing.assert_allclose(repeat_factors(InMemory(MASKS), 0.5), [1, 1, np.sqrt(2), 1])
    np.testing.assert_array_equal(repeat_factors(InMemory(MASKS), 0.2), 1)
    assert repeat_factors(InMemory(MASKS), 0) is None


def test_mean_deviation_and_range_of_images(tmp_path):
    image_format = ImageFormat(4, "uint16", 100, 4100)
    dataset = load_dataset("folder", write_set(tmp_path, image_format, size=(16, 24)))
    found = measure_images(dataset)
    pixels = np.concatenate([dataset.image(index).reshape(-1, 4) for index in range(len(dataset))]).astype(np.float64)
    np.testing.assert_allclose(found.mean, (pixels.mean(0) - 100) / 4000, rtol=1e-12)
    np.testing.assert_allclose(found.std, pixels.std(0) / 4000, rtol=1e-9)
    assert (found.smallest, found.largest) == (pixels.min(), pixels.max())


def test_the_command_prints_the_line_for_classes_yaml(tmp_path, liteseg):
    root = write_set(tmp_path, THERMAL, size=(16, 24))
    done = liteseg("statistics", "--data", "folder", "--data_dir", root)
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[-1].strip()
    assert line.startswith("image: {channels: 1, dtype: uint16, min: 1000, max: 5095, mean: [0."), done.stdout
    (root / "classes.yaml").write_text(f"classes: [ground, warm]\n{line}\n")
    dataset = load_dataset("folder", root)
    assert dataset.image_format == THERMAL
    measured = measure_images(dataset)
    np.testing.assert_allclose((*dataset.mean, *dataset.std), (*measured.mean, *measured.std), rtol=1e-3)


def test_the_command_warns_of_a_range_that_is_hardly_used(tmp_path, liteseg):
    root = write_set(tmp_path, THERMAL, size=(16, 24))
    (root / "classes.yaml").write_text("classes: [ground, warm]\nimage: {channels: 1, dtype: uint16}\n")
    done = liteseg("statistics", "--data", "folder", "--data_dir", root)
    assert "less than a quarter of what min and max say" in done.stdout
