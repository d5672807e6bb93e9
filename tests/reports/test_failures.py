import numpy as np
import pytest

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.drawing.overlay import SIGNAL, overlay
from keras_liteseg.reports.failures import GAP, failure_picture

CLASSES = ClassList(("road", "sky", "car"), ((128, 64, 128), (70, 130, 180), (0, 0, 142)))


@pytest.fixture
def scene():
    """Image, truth and prediction of 40x400: a car that was taken for road, and void on the right."""
    image = np.full((40, 400, 3), 90, np.uint8)
    truth = np.zeros((40, 400), np.uint8)
    labels = truth.copy()
    truth[10:30, 100:200] = 2
    truth[:, 350:] = IGNORE_LABEL
    return image, truth, labels


def panels(picture, size):
    """Cut the four panels out: they stand side by side, below the lines of text."""
    height, width = size
    top = next(row for row in range(len(picture)) if (picture[row, GAP : GAP + width] == 90).all())
    lefts = [GAP + number * (width + GAP) for number in range(4)]
    return [picture[top : top + height, left : left + width] for left in lefts]


def test_panels_are_picture_truth_prediction_and_errors(scene):
    image, truth, labels = scene
    picture = failure_picture("town", image, truth, labels, CLASSES)
    shown, true, predicted, wrong = panels(picture, truth.shape)
    np.testing.assert_array_equal(shown, image)
    np.testing.assert_array_equal(true, overlay(image, truth, CLASSES))
    np.testing.assert_array_equal(predicted, overlay(image, labels, CLASSES))
    marked = (wrong == SIGNAL).all(axis=-1)
    expected = np.zeros_like(marked)
    expected[10:30, 100:200] = True
    np.testing.assert_array_equal(marked, expected)


def test_legend_has_the_classes_that_occur(scene):
    image, truth, labels = scene
    picture = failure_picture("town", image, truth, labels, CLASSES)
    below = picture[-40:].reshape(-1, 3)
    shown = [any((below == color).all(axis=1)) for color in CLASSES.colors]
    assert shown == [True, False, True]


@pytest.mark.parametrize(
    "size, panel", [((1024, 2048), (320, 640)), ((64, 128), (160, 320)), ((900, 300), (640, 213)), ((360, 480), None)]
)
def test_panels_have_a_readable_size(size, panel):
    image, labels = np.full((*size, 3), 90, np.uint8), np.zeros(size, np.uint8)
    picture = failure_picture("town", image, labels, labels, CLASSES)
    height, width = panel or size
    assert picture.shape[1] == 4 * (width + GAP) + GAP
    assert height < picture.shape[0] < height + 140
    (shown, *_, wrong) = panels(picture, (height, width))
    assert (shown == 90).all() and not (wrong == SIGNAL).all(axis=-1).any()


def test_many_classes_take_several_lines():
    count = 60
    classes = ClassList(
        tuple(f"a class of number {number}" for number in range(count)), tuple((number, 200, 9) for number in range(60))
    )
    image, labels = np.full((40, 400, 3), 90, np.uint8), np.arange(400, dtype=np.uint8)[None].repeat(40, 0) % count
    few = failure_picture("town", image, labels % 3, labels % 3, classes)
    many = failure_picture("town", image, labels, labels, classes)
    assert many.shape[0] > few.shape[0] + 100
    legend = many[-(many.shape[0] - few.shape[0] + 20) :].reshape(-1, 3)
    assert all((legend == color).all(axis=1).any() for color in classes.colors)
