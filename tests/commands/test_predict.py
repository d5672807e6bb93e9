import re

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.drawing.overlay import overlay
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.video import open_video, video_writer


@pytest.fixture(scope="module")
def pictures(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "town").mkdir()
    Image.fromarray(scenes.image(0)).save(folder / "street.png")
    Image.fromarray(scenes.image(1)).resize((100, 60)).save(folder / "town" / "square.png")
    return folder


def test_labels_and_overlay_of_each_picture(liteseg, pictures, int8_file, metadata, tmp_path):
    arguments = ("--model", int8_file, "--input", pictures, "--output_dir", tmp_path, "--opacity", 0.5)
    process = liteseg("predict", *arguments)
    assert process.returncode == 0, process.stderr
    assert f"Wrote 2 overlay(s) to {tmp_path}; " in process.stdout
    assert re.search(r"[\d.]+ frames/s \([\d.]+ ms\) the network alone, [\d.]+ frames/s .* end to end", process.stdout)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == [
        "street.png", "street_labels.png", "town/square.png", "town/square_labels.png",
    ]  # fmt: skip
    predictor = load_predictor(int8_file)
    for name in ("street", "town/square"):
        image = np.array(Image.open(pictures / f"{name}.png"))
        labels = np.array(Image.open(tmp_path / f"{name}_labels.png"))
        np.testing.assert_array_equal(labels, predictor.labels(image))
        drawn = np.array(Image.open(tmp_path / f"{name}.png"))
        np.testing.assert_array_equal(drawn, overlay(image, labels, metadata.classes, 0.5))


def test_video(liteseg, scenes, small_file, tmp_path):
    with video_writer(tmp_path / "drive.mp4", 12.5, scenes.size) as write:
        for index in range(4):
            write(scenes.image(index))
    arguments = ("--model", small_file, "--input", tmp_path / "drive.mp4", "--output_dir")
    process = liteseg("predict", *arguments, tmp_path / "out")
    assert process.returncode == 0, process.stderr
    assert "drive.mp4: 4 frames predicted, played at 12.5 frames/s; " in process.stdout
    drawn = open_video(tmp_path / "out" / "drive.mp4")
    predictor = load_predictor(small_file)
    assert drawn.rate == 12.5 and [path.name for path in (tmp_path / "out").iterdir()] == ["drive.mp4"]
    for image, found in zip(open_video(tmp_path / "drive.mp4"), drawn, strict=True):
        expected = overlay(image, predictor.labels(image), predictor.metadata.classes)
        # The codec blurs colours over the outlines.
        assert np.abs(found.astype(int) - expected).mean() < np.abs(image.astype(int) - expected).mean() / 2

    process = liteseg("predict", *arguments, tmp_path)
    assert process.returncode == 1 and "would replace the video itself" in process.stderr


def test_missing_camera_is_one_sentence(liteseg, int8_file, tmp_path):
    process = liteseg("predict", "--model", int8_file, "--input", "camera:99", "--output_dir", tmp_path / "out")
    assert process.returncode == 1
    assert process.stderr.startswith("error: Camera 99 cannot be opened") and process.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_mistake_is_one_sentence(liteseg, int8_file, tmp_path):
    arguments = ("--model", int8_file, "--input", tmp_path / "missing", "--output_dir", tmp_path / "out")
    process = liteseg("predict", *arguments)
    assert process.returncode == 1
    assert process.stderr.startswith("error: There is no picture or folder") and process.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_output_of_an_earlier_version_is_refused(liteseg, int8_file, tmp_path):
    process = liteseg("predict", "--model", int8_file, "--input", tmp_path, "--output", tmp_path / "out")
    assert (process.returncode, process.stderr) == (1, "error: The flag --output is no more; use --output_dir.\n")
