import cv2
import numpy as np
import pytest

from keras_liteseg.drawing.overlay import overlay, save_image
from keras_liteseg.errors import UserError
from keras_liteseg.inference.overlays import Painter, copies_due, draw_pictures, draw_video
from keras_liteseg.inference.predictor import Predictor
from keras_liteseg.inference.video import Frames, open_video
from tests.inference.test_video import RATE, write_video


@pytest.fixture
def painter(metadata):
    """Painter by a network that sees sky above and road below."""
    labels = np.zeros((4, 6), np.int32)
    labels[:2] = 4
    return Painter(Predictor(metadata, labels.shape, lambda images: labels), 0.5)


class Interrupted(Frames):
    """Frames at whose `stop` the user presses Ctrl-C."""

    def __init__(self, path, stop, live=False):
        super().__init__(cv2.VideoCapture(str(path)), path.stem, live)
        self.stop, self.seen = stop, 0

    def __next__(self):
        self.seen += 1
        if self.seen == self.stop:
            raise KeyboardInterrupt
        return super().__next__()


def test_painter_gives_labels_and_overlay(painter, metadata):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    labels, drawn = painter(image)
    assert labels.shape == (20, 30) and set(np.unique(labels)) == {0, 4}
    np.testing.assert_array_equal(drawn, overlay(image, labels, metadata.classes, 0.5))
    assert "frames/s" in painter.speed() and "end to end" in painter.speed()


def test_video_of_the_same_length_and_rate(painter, metadata, tmp_path):
    source = write_video(tmp_path / "a.mp4")
    assert draw_video(open_video(source), painter, tmp_path / "out.mp4") == (6, False)
    drawn = open_video(tmp_path / "out.mp4")
    assert drawn.count == 6 and drawn.rate == pytest.approx(RATE)
    for before, after in zip(open_video(source), drawn, strict=True):
        # The codec blurs; the middle of each half is flat.
        expected = painter(before)[1].astype(int)
        for row in (10, 38):
            np.testing.assert_allclose(after[row, 32].astype(int), expected[row, 32], atol=12)


def test_interrupted_video_is_playable(painter, tmp_path):
    frames = Interrupted(write_video(tmp_path / "a.mp4"), stop=4)
    assert draw_video(frames, painter, tmp_path / "out.mp4") == (3, True)
    assert len(list(open_video(tmp_path / "out.mp4"))) == 3


def test_live_frames_make_a_video_that_ctrl_c_ends(painter, tmp_path):
    frames = Interrupted(write_video(tmp_path / "a.mp4"), stop=5, live=True)
    assert frames.count is None
    predicted, interrupted = draw_video(frames, painter, tmp_path / "out.mp4")
    assert (predicted, interrupted) == (4, True)
    assert len(list(open_video(tmp_path / "out.mp4"))) >= 1


def test_interrupt_before_the_first_frame_leaves_nothing(painter, tmp_path):
    source = write_video(tmp_path / "a.mp4")

    def interrupt(image):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_video(open_video(source), interrupt, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_video_without_frames(painter, tmp_path):
    frames = open_video(write_video(tmp_path / "a.mp4"))
    list(frames)
    with pytest.raises(UserError, match="No frame of a can be read"):
        draw_video(frames, painter, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_live_frames_are_repeated_or_left_out_to_keep_the_time():
    # (seconds since the start, copies) at 10 frames/s
    written, copies = 0, []
    for seconds in (0.01, 0.02, 0.5, 0.52, 0.6, 2.0):
        copies.append(copies_due(seconds, 10, written))
        written += copies[-1]
    assert copies == [1, 0, 4, 0, 1, 14] and written == 20


def test_picture_is_never_replaced_by_its_result(painter, tmp_path):
    save_image(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(UserError, match="would replace one of the pictures; choose another --output"):
        draw_pictures({"a": tmp_path / "a.png"}, painter, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1
