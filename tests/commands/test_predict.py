import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from keras_liteseg import Segmenter
from keras_liteseg.drawing.overlay import overlay
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.tiles import TiledPredictor
from keras_liteseg.inference.video import open_video, video_writer
from tests.conftest import ROOT
from tests.inference.test_video import other_video


@pytest.fixture(scope="module")
def pictures(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "town").mkdir()
    Image.fromarray(scenes.image(0)).save(folder / "street.png")
    Image.fromarray(scenes.image(1)).resize((100, 60)).save(folder / "town" / "square.png")
    return folder


def told(process):
    """Return the lines of stderr but the one of LiteRT."""
    return [line for line in process.stderr.splitlines() if not line.startswith("INFO: ")]


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


def test_tiles(liteseg, pictures, tiled_file, tmp_path):
    process = liteseg("predict", "--model", tiled_file, "--input", pictures, "--output_dir", tmp_path, "--tiles")
    assert process.returncode == 0, process.stderr
    predictor = TiledPredictor(load_predictor(tiled_file))
    for name in ("street", "town/square"):
        labels = np.array(Image.open(tmp_path / f"{name}_labels.png"))
        np.testing.assert_array_equal(labels, predictor.labels(np.array(Image.open(pictures / f"{name}.png"))))


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


def test_label_maps_of_a_video(liteseg, scenes, int8_file, tmp_path):
    with video_writer(tmp_path / "drive.mp4", 12.5, scenes.size) as write:
        for index in range(4):
            write(scenes.image(index))
    arguments = ("--input", tmp_path / "drive.mp4", "--output_dir", tmp_path, "--output_labels", "--smoothing", 0.5)
    process = liteseg("predict", "--model", int8_file, *arguments)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"Wrote 4 label map(s) to {tmp_path}/drive_labels; ")
    segmenter = Segmenter(int8_file, smoothing=0.5)
    for number, image in enumerate(open_video(tmp_path / "drive.mp4")):
        found = np.array(Image.open(tmp_path / "drive_labels" / f"{number:06}.png"))
        np.testing.assert_array_equal(found, segmenter(image))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive.mp4", "drive_labels"]


def test_smoothing_of_pictures_is_refused(liteseg, pictures, int8_file, tmp_path):
    arguments = ("--input", pictures, "--output_dir", tmp_path / "out", "--smoothing", 0.5)
    process = liteseg("predict", "--model", int8_file, *arguments)
    sentence = f"error: --smoothing is for the frames of a video, and {pictures} is none; leave it out.\n"
    assert (process.returncode, process.stderr) == (1, sentence)


def test_folder_with_all_that_goes_wrong(liteseg, scenes, int8_file, tmp_path):
    """Two pictures of one name, broken ones, a turned one, a video, results of an earlier run."""
    folder = tmp_path / "photos"
    (folder / "results").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    for name, options in {"a.jpg": {}, "a.png": {}, "c.tif": {}, "turned.jpg": {"exif": exif}, "drive.mp4": {}}.items():
        Image.fromarray(scenes.image(0)).save(folder / name, "png" if name.endswith("mp4") else None, **options)
    (folder / "b.png").write_bytes(b"no picture")
    (folder / "phone.heic").write_bytes(b"no picture either")
    (folder / "results" / "a.png").write_bytes((folder / "a.png").read_bytes())
    process = liteseg("predict", "--model", int8_file, "--input", folder, "--output_dir", folder / "results")
    assert process.returncode == 1
    assert process.stdout.startswith(f"Left out 1 video(s) such as {folder}/drive.mp4; give each by itself as --input.")
    assert f"Wrote 4 overlay(s) to {folder}/results; " in process.stdout
    assert [line.split(" (")[0] for line in told(process)] == [
        f"{folder}/b.png cannot be read as an image",
        f"{folder}/phone.heic cannot be read as an image",
        "error: 2 of 6 pictures cannot be read; see above.",
    ]
    names = ("a.jpg", "a.png", "c", "turned")
    expected = sorted(f"{name}{end}" for name in names for end in (".png", "_labels.png"))
    assert sorted(path.name for path in (folder / "results").iterdir()) == sorted([*expected, "a.png"])
    assert Image.open(folder / "results" / "turned.png").size == (64, 128) != Image.open(folder / "c.tif").size


@pytest.mark.parametrize("through_a_link", [False, True])
def test_results_among_the_pictures_are_refused(liteseg, scenes, int8_file, tmp_path, through_a_link):
    """The next run would take them for pictures."""
    folder, output = tmp_path / "pictures", tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(scenes.image(0)).save(folder / "a.jpg")
    if through_a_link:
        output = tmp_path / "link"
        output.symlink_to(folder)
    process = liteseg("predict", "--model", int8_file, "--input", folder, "--output_dir", output)
    assert process.returncode == 1 and os.listdir(folder) == ["a.jpg"]
    assert told(process) == [
        f"error: The results would lie among the pictures of {folder}, and the next run would take them for pictures; "
        f"choose another --output_dir, such as {folder}/predictions."
    ]


def test_broken_picture_alone_is_one_sentence(liteseg, int8_file, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    process = liteseg("predict", "--model", int8_file, "--input", tmp_path / "a.png", "--output_dir", tmp_path / "out")
    assert (process.returncode, process.stdout) == (1, "")
    sentence = "cannot be read as an image (its content is of no known format); restore or remove the file."
    assert told(process) == [f"error: {tmp_path}/a.png {sentence}"]


def test_interrupt_tells_what_is_there(pictures, int8_file, tmp_path):
    for number in range(2000):
        (tmp_path / f"{number}.png").symlink_to(pictures / "street.png")
    words = [sys.executable, "-m", "keras_liteseg", "predict", "--model", int8_file, "--input", tmp_path]
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*words, "--output_dir", out], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (out.is_dir() and len(list(out.iterdir())) > 4):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and stderr.splitlines()[-1] == "interrupted"
    written = int(re.search(rf"Wrote (\d+) overlay\(s\) to {out}; ", stdout)[1])
    assert 2 <= written < 2000
    assert written == len(list(out.glob("*_labels.png"))) and not list(out.glob(".*"))


def test_video_that_is_cut_off(liteseg, int8_file, tmp_path):
    path = other_video(tmp_path / "drive.avi", "MJPG")
    os.truncate(path, path.stat().st_size // 2)
    for replaced in ("", f"Replacing {tmp_path}/out/drive.avi.mp4, the result of an earlier run.\n"):
        process = liteseg("predict", "--model", int8_file, "--input", path, "--output_dir", tmp_path / "out")
        assert process.returncode == 1
        assert process.stdout.startswith(f"{replaced}Wrote {tmp_path}/out/drive.avi.mp4: ")
        assert re.fullmatch(
            rf"error: {path} ends after [12]\.\d of the 4\.0 seconds that it says to last; it may be cut off or "
            r"damaged. The result holds what is there.",
            *told(process),
        )
    assert len(list(open_video(tmp_path / "out" / "drive.avi.mp4"))) > 10


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
