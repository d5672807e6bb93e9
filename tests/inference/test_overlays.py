import itertools
import pathlib
import types

import cv2
import numpy as np
import pytest

from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.drawing.overlay import overlay, save_image
from keras_liteseg.errors import UserError
from keras_liteseg.inference.overlays import Painter, draw_pictures, draw_video, name_results, write_labels
from keras_liteseg.inference.predictor import Predictor
from keras_liteseg.inference.video import Frames, open_video
from tests.inference.test_video import FILES, MILLISECONDS, RATE, write_video


@pytest.fixture
def painter(metadata):
    """Painter by a network that sees sky above and road below."""
    labels = np.zeros((4, 6), np.int32)
    labels[:2] = 4
    return Painter([Predictor(metadata, labels.shape, lambda images: labels)], 0.5)


@pytest.fixture
def plain():
    """Painter that gives the images back."""
    return types.SimpleNamespace(at_once=1, labels=lambda image: image[..., 0], draw=lambda image, labels, out: image)


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
    labels = painter.labels(image)
    drawn = painter.draw(image, labels)
    assert labels.shape == (20, 30) and set(np.unique(labels)) == {0, 4}
    np.testing.assert_array_equal(drawn, overlay(image, labels, metadata.classes, 0.5))
    assert "frames/s" in painter.speed() and "end to end" in painter.speed()


def test_a_picture_is_one_run_and_the_first_of_several_is_not_counted(metadata):
    runs = []
    predictor = Predictor(metadata, (4, 6), lambda images: runs.append(images) or np.zeros((4, 6), np.int32))
    painter = Painter([predictor], 0.5)
    image = np.zeros((4, 6, 3), np.uint8)
    for number, seconds in enumerate([9.0, 0.1, 0.3], start=1):
        predictor.labels = lambda image, seconds=seconds: setattr(predictor, "network_seconds", seconds)
        painter.labels(image)
        expected = {1: "0.1 frames/s (9000.0 ms)", 2: "10.0 frames/s (100.0 ms)", 3: "5.0 frames/s (200.0 ms)"}
        assert painter.speed().startswith(expected[number])
    del predictor.labels
    painter.labels(image)
    assert len(runs) == 1


def test_video_of_the_same_length_and_rate(painter, metadata, tmp_path):
    source = write_video(tmp_path / "a.mp4")
    assert draw_video(open_video(source), painter, tmp_path / "out.mp4") == (6, False)
    drawn = open_video(tmp_path / "out.mp4")
    assert drawn.count == 6 and drawn.rate == pytest.approx(RATE)
    for before, after in zip(open_video(source), drawn, strict=True):
        # The codec blurs; the middle of each half is flat.
        expected = painter.draw(before, painter.labels(before)).astype(int)
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


def test_interrupt_before_the_first_frame_leaves_nothing(plain, tmp_path):
    source = write_video(tmp_path / "a.mp4")

    def interrupt(image):
        raise KeyboardInterrupt

    plain.labels = interrupt
    with pytest.raises(KeyboardInterrupt):
        draw_video(open_video(source), plain, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("stage", ["labels", "draw"])
def test_error_in_any_stage_leaves_nothing(plain, tmp_path, stage):
    source = write_video(tmp_path / "a.mp4")

    def fail(image, *rest, out=None):
        raise UserError("it is so")

    setattr(plain, stage, fail)
    with pytest.raises(UserError, match="it is so"):
        draw_video(open_video(source), plain, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_video_without_frames(painter, tmp_path):
    frames = open_video(write_video(tmp_path / "a.mp4"))
    list(frames)
    with pytest.raises(UserError, match="No frame of a can be read"):
        draw_video(frames, painter, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_video_of_variable_rate_shows_each_frame_when_it_was_seen(plain, tmp_path, suffix):
    frames = open_video(FILES / f"variable_rate.{suffix}")
    assert draw_video(frames, plain, tmp_path / "out.mp4") == (16, False)
    drawn = open_video(tmp_path / "out.mp4")
    reds = [frame[..., 0].mean() for frame in drawn]
    assert len(reds) / drawn.rate == pytest.approx(3.233, abs=0.01)  # 16 frames at 30 frames/s would last 0.533
    due = [round(time / 1000 * drawn.rate) for time in MILLISECONDS]
    for index, red in enumerate(reds):
        assert red == pytest.approx(16 * max(i for i in range(16) if due[i] <= index), abs=5)


def test_frames_of_a_slow_network_are_repeated_and_those_of_a_fast_camera_left_out(plain, tmp_path):
    class Camera(Frames):
        """A camera of 12.5 frames/s whose frames are fetched at these times."""

        def __next__(self):
            frame = super().__next__()
            self.seconds = (0, 0.01, 0.02, 0.5, 0.52, 2.0)[self._read - 1]
            return frame

    camera = Camera(cv2.VideoCapture(str(write_video(tmp_path / "a.mp4"))), "camera0", live=True)
    draw_video(camera, plain, tmp_path / "out.mp4")
    reds = [frame[..., 0].mean() / 40 for frame in open_video(tmp_path / "out.mp4")]
    np.testing.assert_allclose(reds, [2] * 6 + [4] * 19 + [5], atol=0.2)


def test_picture_is_never_replaced_by_its_result(painter, tmp_path):
    save_image(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(UserError, match="would replace one of the pictures; choose another --output_dir"):
        draw_pictures({"a": tmp_path / "a.png"}, painter, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_names_of_results():
    def names(*pictures):
        found = name_results([pathlib.Path("photos", picture) for picture in pictures], pathlib.Path("photos"))
        return {str(path.relative_to("photos")): name for name, path in found.items()}

    assert names("a.jpg", "b.png", "town/a.jpg") == {"a.jpg": "a", "b.png": "b", "town/a.jpg": "town/a"}
    assert names("a.jpg", "a.png", "b.png") == {"a.jpg": "a.jpg", "a.png": "a.png", "b.png": "b"}
    assert names("town/a.jpg", "town/A.PNG") == {"town/a.jpg": "town/a.jpg", "town/A.PNG": "town/A.PNG"}
    assert names("x.png", "x_labels.png") == {"x.png": "x.png", "x_labels.png": "x_labels.png"}


@pytest.mark.parametrize("pictures", [("a.jpg", "a.png", "a.jpg.png"), ("a.jpg", "A.JPG")])
def test_pictures_whose_results_would_be_one_even_so_are_named(pictures):
    with pytest.raises(UserError, match="would have the same result; rename one of them") as error:
        name_results([pathlib.Path(picture) for picture in pictures], pathlib.Path())
    assert pictures[0] in str(error.value) and pictures[-1] in str(error.value)


def test_broken_pictures_are_told_and_the_others_predicted(painter, tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png", np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").unlink()
    pictures = {name: tmp_path / f"{name}.png" for name in "abc"}
    written, problems, interrupted = draw_pictures(pictures, painter, tmp_path / "out")
    assert (written, [problem.path.name for problem in problems], interrupted) == (1, ["a.png", "b.png"], False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["c.png", "c_labels.png"]


def test_interrupted_pictures_are_counted(painter, tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png", np.zeros((20, 30, 3), np.uint8))

    seen, labels = itertools.count(1), painter.labels

    def interrupted(image):
        if next(seen) == 3:
            raise KeyboardInterrupt
        return labels(image)

    painter.labels = interrupted
    pictures = {name: tmp_path / f"{name}.png" for name in "abc"}
    assert draw_pictures(pictures, painter, tmp_path / "out") == (2, [], True)
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_error_in_writing_a_picture_is_raised(painter, tmp_path):
    save_image(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(UserError, match="Cannot write .*a.png"):
        draw_pictures({"a": tmp_path / "a.png"}, painter, tmp_path / "out")


def test_label_maps_only_of_pictures(painter, tmp_path):
    save_image(tmp_path / "a.png", np.zeros((20, 30, 3), np.uint8))
    # An overlay would replace the picture.
    assert draw_pictures({"a": tmp_path / "a.png"}, painter, tmp_path, labels_only=True) == (1, [], False)
    np.testing.assert_array_equal(read_picture(tmp_path / "a_labels.png")[..., 0], [[4] * 30] * 10 + [[0] * 30] * 10)
    assert len(list(tmp_path.iterdir())) == 2


def test_label_maps_of_a_video_replace_those_of_a_longer_one(plain, tmp_path):
    for count in (6, 3):
        source = write_video(tmp_path / "a.mp4", count)
        assert write_labels(open_video(source), plain, tmp_path / "out") == (count, False)
        names = [f"{number:06}.png" for number in range(count)]
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for name, frame in zip(names, open_video(source), strict=True):
        np.testing.assert_array_equal(read_picture(tmp_path / "out" / name)[..., 0], frame[..., 0])


def test_interrupted_label_maps_are_counted(plain, tmp_path):
    frames = Interrupted(write_video(tmp_path / "a.mp4"), stop=4)
    assert write_labels(frames, plain, tmp_path / "out") == (3, True)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_speed_without_a_picture(painter):
    assert painter.speed() == "no image was predicted"
