import csv

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import measure, worst_images
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.reports.confusion import confusion_picture
from keras_liteseg.reports.evaluation_report import write_evaluation_report


@pytest.fixture(scope="module")
def measured(network, metadata, scenes):
    predictor = keras_predictor(network, metadata)
    return predictor, list(measure(predictor, scenes))


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_tables_and_pictures(measured, scenes, tmp_path):
    predictor, results = measured
    write_evaluation_report(tmp_path / "new", predictor, scenes, results, worst=2)
    matrix = sum(result.confusion.matrix for result in results)
    header, *counts = rows(tmp_path / "new" / "confusion.csv")
    assert header == ["ground truth", *scenes.classes.names]
    assert [row[0] for row in counts] == list(scenes.classes.names)
    np.testing.assert_array_equal([[int(cell) for cell in row[1:]] for row in counts], matrix)
    picture = np.asarray(Image.open(tmp_path / "new" / "confusion.png"))
    np.testing.assert_array_equal(picture, confusion_picture(matrix, scenes.classes))

    ranking = worst_images(results, 4)
    header, *images = rows(tmp_path / "new" / "images.csv")
    assert header == ["image", "miou_present", "pixel_accuracy"]
    assert [row[0] for row in images] == [each.sample_id for each in ranking]
    for row, each in zip(images, ranking, strict=True):
        assert float(row[1]) == pytest.approx(each.confusion.miou_present(), abs=1e-6)
        assert float(row[2]) == pytest.approx(each.confusion.pixel_accuracy(), abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "new" / "worst").iterdir()) == [
        f"01_{ranking[0].sample_id}.jpg", f"02_{ranking[1].sample_id}.jpg",
    ]  # fmt: skip


def test_second_report_replaces_the_worst_images_and_nothing_else(measured, scenes, tmp_path):
    predictor, results = measured
    write_evaluation_report(tmp_path, predictor, scenes, results, worst=3)
    (tmp_path / "worst" / "mine.jpg").write_text("")
    write_evaluation_report(tmp_path, predictor, scenes, results, worst=1)
    name = f"01_{worst_images(results, 1)[0].sample_id}.jpg"
    assert sorted(path.name for path in (tmp_path / "worst").iterdir()) == [name, "mine.jpg"]


def test_unwritable_place(measured, scenes, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write_evaluation_report(tmp_path / "file" / "report", measured[0], scenes, measured[1], worst=1)
