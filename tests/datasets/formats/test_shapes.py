"""Shapes are drawn pixel for pixel as the tools draw them: expected.json holds what their own code gave.

The outlines, and the masks as run lengths, are those of pycocotools 2.0.11; labelme 7.9.1 with Pillow 13 drew its
shapes, and label-studio-sdk 2.1.2 packed a brush with a soft edge.
"""

import json
import pathlib

import numpy as np
import pytest

from keras_liteseg.datasets.formats import label_studio, labelme, shapes

EXPECTED = json.loads((pathlib.Path(__file__).parent / "expected.json").read_text())


@pytest.mark.parametrize("case", EXPECTED["pycocotools 2.0.11"], ids=lambda case: f"{case['area']}")
def test_coco_polygon_and_run_lengths(case):
    expected = shapes.coco_rle(case["counts"], case["size"])
    assert expected.shape == tuple(case["size"]) and expected.sum() == case["area"]
    np.testing.assert_array_equal(shapes.coco_polygon(case["polygon"], case["size"]), expected)


def test_coco_square_and_triangle():
    """The numbers that tell the two rules of drawing apart."""
    square, triangle = [(10, 10), (20, 10), (20, 20), (10, 20)], [(10, 10), (30, 10), (10, 30)]
    assert shapes.coco_polygon(square, (40, 40))[10:20, 10:20].all()
    assert [shapes.coco_polygon(corners, (40, 40)).sum() for corners in (square, triangle)] == [100, 190]
    assert [shapes.opencv_polygon([corners], (40, 40)).sum() for corners in (square, triangle)] == [121, 231]


@pytest.mark.parametrize("case", EXPECTED["labelme 7.9.1"], ids=lambda case: f"{case['kind']}-{case['area']}")
def test_labelme_shapes(case):
    drawn = labelme._mask({"shape_type": case["kind"], "points": case["points"]}, (100, 100))
    np.testing.assert_array_equal(drawn, shapes.coco_rle(case["counts"], (100, 100)))


def test_label_studio_brush():
    case = EXPECTED["label-studio-sdk 2.1.2"]
    values = label_studio.brush(case["rle"]).reshape(*case["size"], 4)
    for channel in range(4):
        np.testing.assert_array_equal(values[..., channel], case["alpha"])


def test_run_lengths_of_another_size_are_refused():
    with pytest.raises(ValueError, match="add up to 5 pixels and not to 6"):
        shapes.coco_rle([2, 3], (2, 3))


def test_a_supervisely_hole_takes_its_border_with_it():
    square = [(10, 10), (20, 10), (20, 20), (10, 20)]
    hole = [(13, 13), (16, 13), (16, 16), (13, 16)]
    assert shapes.opencv_polygon([square], (40, 40), [hole]).sum() == 105


def test_a_cvat_ellipse():
    assert shapes.opencv_ellipse((20.2, 19.8), (4, 3), 0, (40, 40)).sum() == 49


@pytest.mark.parametrize(
    ("left", "top", "rows", "columns"), [(-1, -2, 1, 2), (5, 3, 1, 1), (9, 9, 0, 0), (-9, 0, 0, 0)]
)
def test_masks_are_cut_off_at_the_borders(left, top, rows, columns):
    whole = shapes.paste(np.ones((3, 3), bool), left, top, (4, 6))
    assert whole.sum() == rows * columns
