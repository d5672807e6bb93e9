import numpy as np
import pytest

from keras_liteseg.datasets.base import ClassList
from keras_liteseg.reports import confusion
from keras_liteseg.reports.confusion import CELL, GREY, RIGHT, WRONG, confusion_picture


def classes(count):
    return ClassList(tuple(f"class {number}" for number in range(count)), ((0, 0, 0),) * count)


def cells(picture, count):
    """Return the colour at the upper left corner of each cell, where no number is, int (count, count, 3)."""
    # The field of cells begins where the full blue of the first one does.
    rows, columns = np.nonzero((picture == RIGHT).all(axis=-1))
    places = CELL * np.arange(count) + 2
    return picture[np.ix_(rows.min() + places, columns.min() + places)].astype(int)


def test_rows_are_normalized_and_colored_by_right_and_wrong():
    matrix = np.array([[7, 0, 0, 0], [100, 300, 0, 0], [0, 0, 0, 5], [0, 0, 0, 0]])
    picture = confusion_picture(matrix, classes(4))
    assert picture.dtype == np.uint8 and picture.ndim == 3
    found = cells(picture, 4)
    half = [round(255 + (channel - 255) * 0.5) for channel in WRONG]  # a quarter of the row, the root of it
    assert found[0].tolist() == [list(RIGHT), [255] * 3, [255] * 3, [255] * 3]
    assert found[1, 0].tolist() == half and found[2, 3].tolist() == list(WRONG)
    assert found[1, 1, 0] > RIGHT[0] and found[1, 1, 2] > found[1, 1, 0]
    assert (found[3] == GREY).all()


def test_numbers_are_whole_percent_and_100_means_all():
    number = confusion._number
    assert [number(share) for share in (0, 0.004, 0.006, 0.5, 0.996, 1.0)] == ["", "", "1", "50", "99", "100"]


def test_scale_of_the_counts_does_not_show():
    matrix = np.array([[3, 1], [2, 8]])
    np.testing.assert_array_equal(
        confusion_picture(matrix, classes(2)), confusion_picture(10**9 * matrix.astype(np.int64), classes(2))
    )


@pytest.mark.parametrize("count", [2, 19, 150])
def test_any_number_of_classes_fits(count):
    picture = confusion_picture(np.eye(count, dtype=np.int64), classes(count))
    # Nothing is cut off: the rim is empty.
    for rim in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (rim == 255).all()
