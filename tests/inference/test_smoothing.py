import numpy as np
import pytest

from keras_liteseg import Segmenter, UserError, load_predictor
from keras_liteseg.inference.flicker import Flicker
from keras_liteseg.inference.predictor import Predictor
from keras_liteseg.inference.smoothing import ScoreAverage


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
def test_average_is_the_exponential_moving_one(dtype):
    rng = np.random.default_rng(0)
    limits = (-8, 8) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max + 1)
    average, expected = ScoreAverage(0.75), None
    for number in range(40):
        scores = rng.uniform(*limits, (4, 6, 3)) if number < 20 else np.full((4, 6, 3), limits[1] - 1)
        scores = scores.astype(dtype)
        expected = scores.astype(float) if expected is None else 0.75 * expected + 0.25 * scores.astype(float)
        steps = 128 if dtype in ("int8", "uint8") else 1
        found = average(scores).astype(float) / steps
        np.testing.assert_allclose(found, expected, atol=1e-4 if dtype == "float32" else 2.1 / steps)


@pytest.mark.parametrize("smoothing", [-0.1, 1, 1.5, float("nan"), "0.5", None, True])
def test_other_weights_are_refused(smoothing, int8_file):
    for call in (ScoreAverage, lambda value: Segmenter(int8_file, smoothing=value)):
        with pytest.raises(UserError, match="smoothing is .*; it must be a number from 0, which is none, to below 1"):
            call(smoothing)


def test_none_is_the_same_as_before(int8_file, scenes):
    plain, none = Segmenter(int8_file), Segmenter(int8_file, smoothing=0.0)
    for index in range(2):
        np.testing.assert_array_equal(none(scenes.image(index)), plain(scenes.image(index)))


def test_first_frame_and_the_one_after_reset_are_alone(int8_file, scenes):
    segmenter = Segmenter(int8_file, smoothing=0.9)
    alone = [Segmenter(int8_file)(scenes.image(index)) for index in range(2)]
    np.testing.assert_array_equal(segmenter(scenes.image(0)), alone[0])
    assert (segmenter(scenes.image(1)) != alone[1]).any()
    segmenter.reset()
    np.testing.assert_array_equal(segmenter(scenes.image(1)), alone[1])
    segmenter.smooth(0)
    np.testing.assert_array_equal(segmenter(scenes.image(0)), alone[0])


def test_logits_stay_those_of_the_image_alone(int8_file, scenes):
    segmenter = Segmenter(int8_file, smoothing=0.9)
    before = segmenter.logits(scenes.image(0))
    segmenter(scenes.image(1))
    np.testing.assert_array_equal(segmenter.logits(scenes.image(0)), before)


def test_every_predictor_smooths_alike(int8_file, scenes):
    segmenter = Segmenter(int8_file, smoothing=0.37)  # 0.5 would make many averages equal
    other = load_predictor(int8_file)
    other = Predictor(other.metadata, other.size, other.run)  # floats, as those of Keras are
    other.smooth(0.37)
    for index in (0, 1, 2):
        found, expected = segmenter(scenes.image(index)), other.labels(scenes.image(index))
        assert (found == expected).mean() > 0.998


def test_classes_have_no_scores_to_smooth(metadata):
    predictor = Predictor(metadata.replace(output_type="classes"), (4, 6), lambda images: np.zeros((4, 6), np.int32))
    predictor.smooth(0)
    with pytest.raises(UserError, match="this file gives classes; export it with another output_type"):
        predictor.smooth(0.5)


def still_video(scenes, count, index=0):
    """Return frames of one scene as a noisy camera sees it."""
    rng = np.random.default_rng(index)
    return [
        np.clip(scenes.image(index) + rng.normal(0, 8, (*scenes.size, 3)), 0, 255).astype(np.uint8)
        for _ in range(count)
    ]


def flicker_of(segmenter, frames):
    flicker = Flicker(most=20)
    for frame in frames:
        flicker.update(frame, segmenter(frame))
    return flicker.share


def test_labels_of_a_still_scene_flicker_less(int8_file, scenes):
    frames = still_video(scenes, 12)
    none, some, much = (flicker_of(Segmenter(int8_file, smoothing=each), frames) for each in (0, 0.6, 0.9))
    assert none > 0.02 and some < 0.7 * none and much < 0.4 * none


def test_labels_follow_what_changes(int8_file, scenes):
    segmenter, alone = Segmenter(int8_file, smoothing=0.6), Segmenter(int8_file)
    for _ in range(6):
        segmenter(scenes.image(0))
    before, after = alone(scenes.image(0)), alone(scenes.image(1))
    changed = before != after
    followed = [(segmenter(scenes.image(1)) == after)[changed].mean() for _ in range(10)]
    assert followed[0] < 0.9 and followed[4] > 0.8 and followed[-1] > 0.97


PICTURE, LABELS = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8)


def test_flicker_counts_only_where_the_picture_stays():
    flicker = Flicker()
    flicker.update(PICTURE, LABELS)
    assert np.isnan(flicker.share)
    flicker.update(PICTURE, LABELS)
    assert flicker.share == 0
    moved, other = PICTURE.copy(), LABELS.copy()
    moved[:, 30:] = 200
    other[:, 35:] = 1  # where the picture changes too
    flicker.update(moved, other)
    assert flicker.share == 0
    other = other.copy()
    other[:, :6] = 1
    flicker.update(moved, other)
    assert flicker.share == pytest.approx(240 / (2 * 2400 + 28 * 40), rel=1e-6)


def test_flicker_of_another_size_is_refused():
    with pytest.raises(UserError, match="40x60 pixels and the label map 40x61"):
        Flicker().update(PICTURE, np.zeros((40, 61), np.uint8))


@pytest.mark.parametrize(
    ("image", "labels", "said"),
    [
        (None, LABELS, "The image is None; give an array"),
        (np.zeros((40, 60, 3), np.float32), LABELS, "The image is float32"),
        (np.zeros((40, 60), np.uint8), LABELS, "The image is uint8"),
        (PICTURE, None, "The label map is None; give an array"),
        (PICTURE[:20], LABELS[:20], "The frame has 20x60 pixels and the one before 40x60; begin another Flicker"),
    ],
)
def test_flicker_of_something_else_is_refused(image, labels, said):
    flicker = Flicker()
    flicker.update(PICTURE, LABELS)
    with pytest.raises(UserError, match=said):
        flicker.update(image, labels)
