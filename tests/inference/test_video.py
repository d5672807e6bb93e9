import os
import pathlib
import queue
import threading
import time

import cv2
import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.inference.video import (
    USUAL_RATE,
    Frames,
    NewestFrame,
    find_frames,
    open_camera,
    open_video,
    video_writer,
)

RATE = 12.5
FILES = pathlib.Path(__file__).parent / "files"
MILLISECONDS = (0, 100, 200, 300, 400, 500, 1000, 1500, 2000, 2033, 2067, 2100, 2133, 2167, 2200, 3200)
"""When each frame of `files/variable_rate.*` is seen; frame i has a red of 16 i. `write_videos.py` has written them."""


def write_video(path, count=6, size=(48, 64), rate=RATE):
    """Write frames whose red grows from frame to frame."""
    with video_writer(path, rate, size) as write:
        for number in range(count):
            frame = np.zeros((*size, 3), np.uint8)
            frame[..., 0], frame[..., 2] = 40 * number, 100
            write(frame)
    return path


@pytest.mark.parametrize("rate", [12.5, 25, 30000 / 1001])
def test_video_comes_back_with_its_colors_and_rate(tmp_path, rate):
    frames = open_video(write_video(tmp_path / "new" / "a.mp4", rate=rate))
    assert (frames.name, frames.count, frames.live) == ("a", 6, False)
    assert frames.rate == pytest.approx(rate, rel=1e-4)
    found = list(frames)
    frames.close()
    assert len(found) == 6
    for number, frame in enumerate(found):
        assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), [40 * number, 0, 100], atol=6)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_frames_of_variable_rate_have_their_times(suffix):
    frames = open_video(FILES / f"variable_rate.{suffix}")
    found = [(frames.seconds, frame.mean(axis=(0, 1))[0]) for frame in frames]
    np.testing.assert_allclose(found, [(time / 1000, 16 * i) for i, time in enumerate(MILLISECONDS)], atol=4)
    np.testing.assert_allclose([seconds for seconds, _ in found], np.divide(MILLISECONDS, 1000), atol=0.001)
    assert not frames.cut_off and frames.end == pytest.approx(3.233, abs=0.002)


def other_video(path, codec="mp4v", count=40, rate=10.0):
    """Write a video in another container than .mp4."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(count):
        writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "mp4v"), ("avi", "MJPG"), ("mov", "mp4v"), ("mp4", "mp4v")])
def test_whole_video_is_not_cut_off(tmp_path, suffix, codec):
    frames = open_video(other_video(tmp_path / f"a.{suffix}", codec))
    assert len(list(frames)) == 40 and not frames.cut_off and frames.end == pytest.approx(4, abs=0.01)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "mp4v"), ("avi", "MJPG")])
def test_video_that_is_cut_off_gives_what_is_there_and_says_so(tmp_path, suffix, codec):
    path = other_video(tmp_path / f"a.{suffix}", codec)
    os.truncate(path, path.stat().st_size // 2)
    frames = open_video(path)
    read = len(list(frames))
    assert 0 < read < 30 and frames.cut_off
    assert frames.length == pytest.approx(4, abs=0.05) and frames.end == pytest.approx(read / 10, abs=0.01)


def test_video_is_turned_as_its_camera_was(tmp_path):
    """Phones write how a video is to be turned into the matrix of its track header."""
    path = write_video(tmp_path / "a.mp4")
    straight = [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30]
    turned = [0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30]
    data = path.read_bytes()
    place = data.index(np.array(straight, ">i4").tobytes(), data.index(b"tkhd"))
    path.write_bytes(data[:place] + np.array(turned, ">i4").tobytes() + data[place + 36 :])
    assert next(open_video(path)).shape == (64, 48, 3)


def test_videos_that_differ_in_the_suffix_differ_in_the_name(tmp_path):
    names = [open_video(other_video(tmp_path / name, "MJPG", 2)).name for name in ("a.avi", "a.mkv")]
    assert names == ["a.avi", "a.mkv"]


def test_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.mp4")
    assert len(list(open_video(write_video(path)))) == 6
    assert list(tmp_path.iterdir()) == [path]


def test_odd_size_loses_a_row_and_a_column(tmp_path):
    first = next(open_video(write_video(tmp_path / "a.mp4", size=(47, 63))))
    assert first.shape == (46, 62, 3)


def test_failure_leaves_no_video(tmp_path):
    with pytest.raises(KeyError), video_writer(tmp_path / "a.mp4", RATE, (48, 64)) as write:
        write(np.zeros((48, 64, 3), np.uint8))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_size_that_the_codec_cannot_write(tmp_path):
    refused = pytest.raises(UserError, match="cannot write an MPEG-4 video of 1x1 pixels")
    with refused, video_writer(tmp_path / "a.mp4", RATE, (1, 1)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_kind_of_source_by_its_name(tmp_path):
    path = write_video(tmp_path / "a.MP4")
    assert find_frames(str(path)).count == 6
    (tmp_path / "folder.mp4").mkdir()
    for other in ("a.png", tmp_path, tmp_path / "folder.mp4"):
        assert find_frames(str(other)) is None


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"no video", lambda data: b""])
def test_damaged_video_is_refused(tmp_path, damage, capfd):
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="a.mp4 cannot be read as a video"):
        open_video(path)
    assert capfd.readouterr().err == ""


def test_missing_video():
    with pytest.raises(UserError, match="There is no video missing.mp4"):
        find_frames("missing.mp4")


def test_missing_camera_is_one_sentence(capfd):
    with pytest.raises(UserError, match="Camera 99 cannot be opened"):
        open_camera(99)
    assert capfd.readouterr().err == ""


class Camera:
    """A capture whose frames come when the test says so; frame i is full of i. `asked` counts those wanted of it."""

    def __init__(self):
        self.frames, self.released, self.asked = queue.SimpleQueue(), False, 0

    def get(self, _):
        return 0.0

    def read(self):
        self.asked += 1
        number = self.frames.get()
        return number is not None, None if number is None else np.full((2, 3, 3), number, np.uint8)

    def release(self):
        self.released = True


def test_camera_gives_the_newest_frame_only():
    camera = Camera()
    frames = Frames(NewestFrame(camera), "camera0", live=True)
    camera.frames.put(1)
    assert next(frames).max() == 1
    for number in (2, 3, 4):
        camera.frames.put(number)
    while camera.asked < 5:  # by then it has put away the fourth
        time.sleep(0.001)
    assert next(frames).max() == 4
    camera.frames.put(5)
    assert next(frames).max() == 5
    camera.frames.put(None)
    assert next(frames, None) is None and next(frames, None) is None
    frames.close()
    assert camera.released


def test_camera_that_fails_ends(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda raised: None)
    camera = Camera()
    camera.read = lambda: 1 / 0
    assert next(Frames(NewestFrame(camera), "camera0", live=True), None) is None


def test_camera_that_was_not_read_is_given_back():
    camera = Camera()
    Frames(NewestFrame(camera), "camera0", live=True).close()
    assert camera.released


@pytest.mark.parametrize("source", ["camera:", "camera:front", "camera:-1"])
def test_camera_must_have_a_number(source):
    with pytest.raises(UserError, match="write camera:NUMBER"):
        find_frames(source)


class Silent:
    """A capture that knows nothing of its rate and length, as many cameras do."""

    def get(self, _):
        return self.value

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_source_that_does_not_say_its_rate(value):
    for live in (True, False):
        frames = Frames(Silent(value), "camera0", live)
        assert frames.rate == USUAL_RATE and frames.count is None


def test_frames_of_a_file_without_times_come_at_its_rate(tmp_path):
    class Timeless:
        def __init__(self, path):
            self.capture = cv2.VideoCapture(str(path))

        def read(self):
            return self.capture.read()

        def get(self, what):
            return 0.0 if what == cv2.CAP_PROP_POS_MSEC else self.capture.get(what)

    frames = Frames(Timeless(write_video(tmp_path / "a.mp4")), "a", live=False)
    assert [round(frames.seconds * RATE, 6) for _ in frames] == [0, 1, 2, 3, 4, 5]
