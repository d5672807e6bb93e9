"""The page that shows the results of a run in one HTML file: accuracy, pictures, speed and the content of the files."""

import base64
import dataclasses
import io
import math

import jinja2
import numpy as np
from PIL import Image

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.drawing.charts import Line, line_chart
from keras_liteseg.drawing.overlay import JPEG, SIGNAL, colorize, highlight, overlay, require_same_size
from keras_liteseg.files import write_text
from keras_liteseg.tflite.inspect import TFLiteReport

UNKNOWN = "\N{EN DASH}"


@dataclasses.dataclass(frozen=True)
class Variant:
    """One TFLite file and what was measured on it.

    Attributes:
        name: such as 'float32' or 'int8 (quantization-aware)'.
        file: file name, so that the reader finds it.
        size: bytes.
        miou, pixel_accuracy: 0 to 1, on the validation images.
        iou: {class name: 0 to 1, or None where a class does not occur}.
        agreement: share of labels (0 to 1) equal to those of the Keras model, or None.
        inspection: the `TFLiteReport` of the file.
        latency: rows of `edge.benchmark.benchmark` for this file, one for each number of threads. The rows of all
            variants come from one call, because rows of two calls cannot be compared. Failed rows are shown as such.
    """

    name: str
    file: str
    size: int
    miou: float
    pixel_accuracy: float
    iou: dict
    agreement: float | None
    inspection: TFLiteReport
    latency: list


@dataclasses.dataclass(frozen=True)
class Scene:
    """One validation image with its label maps; see `keras_liteseg.datasets.base` for their form.

    Attributes:
        name: the data set's id of the sample.
        image: uint8 (height, width, 3).
        truth: the ground truth, uint8 (height, width).
        float_labels, int8_labels: uint8 (height, width), from the first and the last variant of the report.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    float_labels: np.ndarray
    int8_labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class DemoReport:
    """Everything that the page shows; it shows nothing else.

    Attributes:
        title: heading of the page.
        model: registered name of the network.
        data: name of the data set.
        train_images, val_images: number of training images, and of the images on which all accuracies are measured.
        classes: a `ClassList`.
        stage_seconds: {stage: wall time in seconds}, in the order in which they ran.
        provenance: of the run, from `keras_liteseg.provenance.provenance`.
        log, qat_log: rows (dicts of floats) of the log.csv of the float training and of the quantization-aware one;
            either may be empty.
        variants: at least two `Variant`s; the first is the float file that all others are compared with, the last is
            the int8 file that the run was made for.
        scenes: `Scene`s.
        next_steps: {what it does: command}, which the reader may try next.
    """

    title: str
    model: str
    data: str
    train_images: int
    val_images: int
    classes: ClassList
    stage_seconds: dict
    provenance: dict
    log: list
    qat_log: list
    variants: list
    scenes: list
    next_steps: dict


def write_report(path, report):
    """Render a `DemoReport` as one HTML file that loads nothing from elsewhere.

    Raises:
        UserError: the file cannot be written, or the label maps of a scene do not fit its image or the classes.
    """
    loader = jinja2.PackageLoader("keras_liteseg", "reports")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        percent=percent, points=points, milliseconds=milliseconds, megabytes=megabytes, duration=duration
    )
    page = environment.get_template("demo_report.html.j2").render(
        report=report,
        first=report.variants[0],
        last=report.variants[-1],
        speed=_Speed(report.variants),
        charts=_training_charts(report),
        best=_best_epoch(report.log),
        qat_best=_best_epoch(report.qat_log),
        scenes=[_pictures(scene, report.classes) for scene in report.scenes],
        ops=_ops(report.variants),
        signal=SIGNAL,
    )
    write_text(path, page)


class _Speed:
    """The latency rows of all variants, arranged for the page."""

    def __init__(self, variants):
        self.variants = variants
        rows = [row for variant in variants for row in variant.latency]
        self.measured = [row for row in rows if row["status"] == "ok"]
        self.threads = sorted({row["threads"] for row in self.measured})
        self.slowest = max((row["latency_ms"]["end_to_end"]["p90"] for row in self.measured), default=0)
        busy = [row for row in self.measured if (row.get("load_average") or 0) > 0.5 * row["device"]["cores"]]
        self.busy = busy[0] if busy else None

    def row(self, variant, threads):
        """The row of a variant at a number of threads, or None where that was not measured or failed."""
        rows = [row for row in variant.latency if row["status"] == "ok" and row["threads"] == threads]
        return rows[0] if rows else None

    def ratio(self, variant, threads):
        """Latency as a multiple of the first variant's at the same number of threads, or None."""
        row, reference = self.row(variant, threads), self.row(self.variants[0], threads)
        if row is None or reference is None:
            return None
        # Round by round, because runs that follow each other find the machine in the same state.
        return float(np.median(np.divide(row["round_p50_ms"], reference["round_p50_ms"])))


def _training_charts(report):
    """Return {heading: SVG} of the float training's loss and of the mIoU over the epochs of both trainings."""
    epochs = len(report.log)
    both = [(report.log, 0, "float"), (report.qat_log, epochs, "int8")]

    def chart(title, text, columns, stages):
        divided = len(stages) == 2 and all(rows for rows, _, _ in stages)
        divider = (epochs + 0.5, "quantization-aware →") if divided else None
        lines = [
            Line(label, f"{stage} {style}", points)
            for rows, offset, stage in stages
            for key, label, style in columns
            if (points := _points(rows, key, offset))
        ]
        return line_chart(lines, f"{title} over the epochs", text, divider) if lines else None

    loss = chart(
        "Loss",
        lambda value: f"{value:.3g}",
        [("loss", "training loss", "thin"), ("val_loss", "validation loss", "thick")],
        both[:1],  # quantization-aware training minimizes another loss
    )
    miou = chart(
        "Mean IoU",
        lambda value: f"{100 * value:.3g}\N{NO-BREAK SPACE}%",
        [("miou", "training mIoU", "thin"), ("val_miou", "validation mIoU", "thick")],
        both,
    )
    return {title: svg for title, svg in (("Loss", loss), ("Mean IoU", miou)) if svg}


def _points(rows, key, offset):
    values = [(number + offset, row.get(key)) for number, row in enumerate(rows, start=1)]
    return [(number, value) for number, value in values if value is not None and math.isfinite(value)]


def _best_epoch(rows):
    """Return (epoch from 1, validation mIoU) of the best epoch, or None."""
    return max(_points(rows, "val_miou", 0), key=lambda point: point[1], default=None)


def _pictures(scene, classes):
    for labels in (scene.truth, scene.float_labels, scene.int8_labels):
        require_same_size(scene.image, labels)
    counted = scene.truth != IGNORE_LABEL
    wrong = (scene.int8_labels != scene.truth) & counted
    differs = scene.int8_labels != scene.float_labels
    return {
        "name": scene.name,
        "size": scene.truth.shape,
        "accuracy": {
            name: float((labels == scene.truth)[counted].mean()) if counted.any() else None
            for name, labels in (("float", scene.float_labels), ("int8", scene.int8_labels))
        },
        "agreement": float(1 - differs.mean()),
        "image": data_uri(scene.image, "JPEG"),
        "truth": data_uri(colorize(scene.truth, classes), "PNG"),
        "float": data_uri(overlay(scene.image, scene.float_labels, classes), "JPEG"),
        "int8": data_uri(overlay(scene.image, scene.int8_labels, classes), "JPEG"),
        "wrong": data_uri(highlight(scene.image, wrong), "JPEG"),
        "differs": data_uri(highlight(scene.image, differs), "JPEG"),
    }


def _ops(variants):
    """Return {op name: [count in each variant]}, the most frequent first."""
    counts = [variant.inspection.ops for variant in variants]
    names = {name for ops in counts for name in ops}
    table = {name: [ops.get(name, 0) for ops in counts] for name in names}
    return dict(sorted(table.items(), key=lambda item: (-max(item[1]), item[0])))


def data_uri(rgb, form):
    """Return a picture as a data URI; `form` is 'PNG', which is exact, or 'JPEG', which is small for photographs."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, form, **(JPEG if form == "JPEG" else {"optimize": True}))
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


# The space before a unit is one at which lines do not break.
def percent(share, digits=1):
    if share is None or not math.isfinite(share):
        return UNKNOWN
    # Only an exact 1 may be shown as 100 %.
    limit = 100 - 10**-digits if share < 1 else 100
    return f"{min(100 * share, limit):.{digits}f}\N{NO-BREAK SPACE}%"


def points(difference, digits=2):
    """Return a difference of two shares in percentage points, with its sign."""
    text = f"{100 * difference:+.{digits}f}"
    return text.strip("+-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def milliseconds(value):
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}\N{NO-BREAK SPACE}ms"


def megabytes(size):
    text = f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def duration(seconds):
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        text = f"{minutes // 60} h {minutes % 60} min"
    elif minutes:
        text = f"{minutes} min {rest} s"
    else:
        text = f"{seconds:.1f} s"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
