import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.inference.video import USUAL_RATE, Frames, find_frames, open_camera, open_video, video_writer

RATE = 12.5


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


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_source_that_does_not_say_its_rate(value):
    frames = Frames(Silent(value), "camera0", live=True)
    assert frames.rate == USUAL_RATE and frames.count is None
