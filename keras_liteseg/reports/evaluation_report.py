"""A folder that shows where a network fails: confusion matrix, accuracy of each image, and the worst images."""

import csv
import io
import pathlib

from keras_liteseg.drawing.overlay import save_image
from keras_liteseg.drawing.viewable import viewable
from keras_liteseg.evaluation import total_confusion, worst_images
from keras_liteseg.files import write_text
from keras_liteseg.reports.confusion import confusion_picture
from keras_liteseg.reports.failures import failure_picture


def write_evaluation_report(folder, predictor, dataset, results, worst):
    """Write what `keras_liteseg.evaluation.measure` counted as pictures and tables.

    - `confusion.png`, and `confusion.csv` with its pixel counts: rows ground truth, columns predictions.
    - `images.csv`: each image, the worst first, with the numbers that `worst_images` sorts by.
    - `worst/01_ID.jpg` and so on: the `worst` worst images beside ground truth, prediction and wrong pixels. The
      pictures of an earlier report are removed.

    Args:
        folder: where to write; it is made if it does not exist.
        predictor: the predictor that was measured; it runs again on the worst images.
        dataset: the data set.
        results: list of `ImageResult`s.
        worst: number of worst images to draw.

    Raises:
        UserError: a file cannot be written.
    """
    folder = pathlib.Path(folder)
    names = dataset.classes.names
    matrix = total_confusion(results, len(names)).matrix
    save_image(folder / "confusion.png", confusion_picture(matrix, dataset.classes))
    rows = [[name, *map(int, row)] for name, row in zip(names, matrix)]
    _write_csv(folder / "confusion.csv", [["ground truth", *names], *rows])

    ranking = worst_images(results, len(results))
    rows = [
        [each.sample_id, f"{each.confusion.miou_present():.6f}", f"{each.confusion.pixel_accuracy():.6f}"]
        for each in ranking
    ]
    _write_csv(folder / "images.csv", [["image", "miou_present", "pixel_accuracy"], *rows])

    for old in folder.glob("worst/[0-9][0-9]_*.jpg"):
        old.unlink()
    for place, each in enumerate(ranking[:worst], start=1):
        image, truth = dataset.image(each.index), dataset.mask(each.index)
        title = (
            f"{each.sample_id}: mIoU {100 * each.confusion.miou_present():.1f} % over the classes of its ground truth, "
            f"pixel accuracy {100 * each.confusion.pixel_accuracy():.1f} %"
        )
        shown, labels = viewable(image, dataset.image_format), predictor.labels(image)
        picture = failure_picture(title, shown, truth, labels, dataset.classes)
        save_image(folder / "worst" / f"{place:02}_{each.sample_id.replace('/', '_')}.jpg", picture)


def _write_csv(path, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_text(path, text.getvalue())
