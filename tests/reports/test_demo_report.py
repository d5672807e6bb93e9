import base64
import dataclasses
import html.parser
import io
import math
import pathlib
import re
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.drawing.charts import Line, line_chart, ticks
from keras_liteseg.errors import UserError
from keras_liteseg.reports.demo_report import (
    DemoReport,
    Scene,
    Variant,
    duration,
    megabytes,
    milliseconds,
    percent,
    points,
    write_report,
)
from keras_liteseg.tflite.inspect import Tensor, TFLiteReport

VOID = {"meta", "img", "br", "input", "link", "hr"}
CLASSES = ClassList(names=("road", "sky", "car"), colors=((128, 64, 128), (70, 130, 180), (0, 0, 142)))


class Page(html.parser.HTMLParser):
    """The tags, text and pictures of a page; fails where a tag is not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        self.close()
        assert not self.open
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def inspection(name, size, kinds):
    return TFLiteReport(
        path=pathlib.Path(name),
        size=size,
        sha256="ab12cd34ef56" + 52 * "0",
        inputs=(Tensor("image", "float32", (1, 32, 64, 3), None, None),),
        outputs=(Tensor("classes", "uint8", (1, 32, 64), None, None),),
        kinds=kinds,
        custom_ops={},
        dynamic_tensors=(),
        macs=123_400_000,
        delegation={"partitions": 2, "delegated_ops": 20, "other_ops": [{"op": "ARG_MAX", "count": 1}]},
        refusal=None,
    )


def latency(name, p50, threads=1, **changes):
    return {
        "model": name,
        "threads": threads,
        "warmup": 5,
        "runs": 60,
        "target": "host:cpu",
        "status": "ok",
        "device": {"cpu": "Test CPU", "cores": 4, "os": "Linux x86_64"},
        "runtime": {"name": "ai-edge-litert", "version": "2.3.0"},
        "load_average": 0.1,
        "init_ms": 3.21,
        "first_run_ms": 8.76,
        "latency_ms": {"end_to_end": {"p50": p50, "p90": p50 * 1.25, "p99": p50 * 1.5}},
        "round_p50_ms": [p50 * 0.9, p50, p50 * 1.1],
        "peak_memory_mb": {"process": 90.5, "model": 12.3},
        **changes,
    }


FLOAT = Variant(
    name="float32",
    file="net_float32.tflite",
    size=4_321_987,
    miou=0.7123,
    pixel_accuracy=0.9345,
    iou={"road": 0.9511, "sky": 0.9022, "car": 0.6033},
    agreement=1.0,
    inspection=inspection("net_float32.tflite", 4_321_987, {"float": {"CONV_2D": 21}, "other": {"ARG_MAX": 1}}),
    latency=[latency("net_float32.tflite", 12.4), latency("net_float32.tflite", 7.15, threads=2)],
)
INT8 = Variant(
    name="int8 (quantization-aware)",
    file="net_int8.tflite",
    size=987_654,
    miou=0.7081,
    pixel_accuracy=0.9312,
    iou={"road": 0.9501, "sky": 0.9032, "car": 0.5777},
    agreement=0.98765,
    inspection=inspection("net_int8.tflite", 987_654, {"int8": {"CONV_2D": 21, "ARG_MAX": 1}}),
    latency=[latency("net_int8.tflite", 3.1), latency("net_int8.tflite", 2.24, threads=2)],
)


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    truth = np.zeros((32, 64), np.uint8)
    truth[:8] = 1
    truth[-2:] = IGNORE_LABEL
    labels = np.where(truth == IGNORE_LABEL, 2, truth).astype(np.uint8)
    int8 = labels.copy()
    int8[20:24, :32] = 2
    return Scene("val_000007", rng.integers(0, 256, (32, 64, 3), np.uint8), truth, labels, int8)


@pytest.fixture
def report(scene):
    return DemoReport(
        title="A network on the edge",
        model="ndnet45",
        data="street_scenes",
        train_images=2345,
        val_images=120,
        classes=CLASSES,
        stage_seconds={"training": 301.0, "export": 4.56},
        provenance={
            "command": "python -m demo --quick",
            "date": "2025-06-07",
            "device": {"cpu": "Test CPU", "cores": 4, "os": "Linux x86_64"},
            "versions": {"python": "3.11.2", "keras": "3.15.1"},
        },
        log=[
            {"epoch": 0.0, "loss": 1.875, "val_loss": 1.5, "val_miou": 0.4, "learning_rate": 0.01},
            {"epoch": 1.0, "loss": 1.125, "val_loss": 1.0, "val_miou": 0.7123, "learning_rate": 0.005},
        ],
        qat_log=[{"epoch": 0.0, "loss": 0.9375, "val_loss": 0.98, "val_miou": 0.7081, "learning_rate": 0.0001}],
        variants=[FLOAT, INT8],
        scenes=[scene],
        next_steps={"Label a picture": "python predict.py --model net_int8.tflite"},
    )


def page_of(tmp_path, report, **changes):
    path = tmp_path / "report.html"
    write_report(path, dataclasses.replace(report, **changes))
    return Page(path.read_text(encoding="utf-8"))


def test_page_is_whole_and_loads_nothing(tmp_path, report):
    page = page_of(tmp_path, report)
    assert not page.all("link") and not page.all("iframe")
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "data", "poster", "action"):
            assert attributes.get(key, "data:").startswith("data:"), (tag, key)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "@import" not in source and "url(" not in source and "http" not in source.lower()


def test_pictures_are_those_of_the_scene(tmp_path, report, scene):
    page = page_of(tmp_path, report)
    pictures = {}
    for attributes in page.all("img"):
        head, data = attributes["src"].split(",")
        assert head in ("data:image/png;base64", "data:image/jpeg;base64") and attributes["alt"]
        pictures[attributes["alt"]] = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert pictures[attributes["alt"]].shape == (32, 64, 3)
        assert (attributes["width"], attributes["height"]) == ("64", "32")
    truth = pictures["True labels"]
    assert truth[0, 0].tolist() == [70, 130, 180] and truth[10, 0].tolist() == [128, 64, 128] and truth[-1].max() == 0
    differs = pictures["Pixels where int8 and float differ"].astype(int)
    assert differs[22, 10, 0] - differs[22, 10, 2] > 150
    assert abs(differs[22, 50, 0] - differs[22, 50, 2]) < 40
    # Ignored pixels are not wrong, whatever their label.
    wrong = pictures["Pixels where int8 is wrong"].astype(int)
    assert abs(wrong[-1, :, 0] - wrong[-1, :, 2]).max() < 40


@pytest.mark.parametrize(
    "text",
    [
        "A network on the edge",
        "ndnet45, trained on 2,345 images of street_scenes, as an int8 TFLite file of 987.7 kB: 4.38× smaller "
        "and 4.00× faster than float32, with an mIoU 0.42 points lower. The whole run took 5 min 6 s.",
        "71.2 %",
        "70.8 %",
        "−0.42 points",
        "98.77 %",
        "120 validation images",
        "Best validation mIoU of the float training: 71.23 %, after epoch 2 of 2.",
        "Best validation mIoU of the quantization-aware training: 70.81 %, after epoch 1 of 1.",
        "road 95.11 % 95.01 % −0.10",
        "sky 90.22 % 90.32 % +0.10",
        "car 60.33 % 57.77 % −2.56",
        "pixel accuracy 93.45 % 93.12 % −0.33",
        "labels equal to Keras 100.00 % 98.77 %",
        "4.32 MB 4,321,987 bytes 1 12.4 ms 15.5 ms 18.6 ms 8.76 ms 3.21 ms 12.3 MiB 1.00×",
        "2 2.24 ms 2.80 ms 3.36 ms 8.76 ms 3.21 ms 12.3 MiB 0.31×",
        "sha256 ab12cd34ef56 float32 → uint8 22 22 0 0 0 123.4 M 2 1× ARG_MAX",
        "CONV_2D 21 21",
        "python -m demo --quick",
        "2025-06-07 (UTC)",
        "Test CPU, 4 cores, Linux x86_64",
        "python 3.11.2, keras 3.15.1",
        "60 timed runs of each file with each number of threads after 5 untimed ones",
        "in 3 rounds",
        "training 5 min 1 s export 4.6 s",
        "Label a picture python predict.py --model net_int8.tflite",
        f"correct pixels: float 100.0 %, int8 {100 * (1 - 128 / (30 * 64)):.1f} %",
        f"int8 equal to float: {100 * (1 - 128 / (32 * 64)):.2f} %",
    ],
)
def test_numbers_that_were_given_are_shown(tmp_path, report, text):
    assert text in page_of(tmp_path, report).text


def test_charts_are_well_formed_and_hold_every_epoch(tmp_path, report):
    page_of(tmp_path, report)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    charts = [xml.etree.ElementTree.fromstring(svg) for svg in re.findall("<svg.*?</svg>", source, re.DOTALL)]
    loss, miou = [["".join(title.itertext()) for title in chart.iter("title")] for chart in charts]
    # The float training alone: quantization-aware training minimizes another loss.
    assert "training loss, epoch 1: 1.88" in loss and "training loss, epoch 2: 1.12" in loss
    assert "validation mIoU, epoch 2: 71.2\N{NO-BREAK SPACE}%" in miou
    assert len(loss) == 4 and len(miou) == 3


def test_every_column_has_a_head(tmp_path, report):
    write_report(tmp_path / "report.html", report)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    heads = re.findall(r"<thead><tr>(.*?)</tr></thead>", source, re.DOTALL)
    assert len(heads) == 4
    assert not [head for head in heads if "></th>" in head or "<td" in head]


def test_whoever_has_no_mouse_reaches_every_table(tmp_path, report):
    page = page_of(tmp_path, report)
    scrollers = [div for div in page.all("div") if div.get("class") == "scroll"]
    assert len(scrollers) == len(page.all("table")) == 4
    assert all((div["tabindex"], div["role"]) == ("0", "group") for div in scrollers)
    assert len({div["aria-label"] for div in scrollers}) == 4


def test_hostile_text_is_escaped(tmp_path, report):
    evil = '<script>alert("x")</script>'
    classes = ClassList(names=(evil, "sky", "car"), colors=CLASSES.colors)
    clean = page_of(tmp_path, report)
    page = page_of(
        tmp_path,
        report,
        classes=classes,
        title=evil,
        variants=[dataclasses.replace(FLOAT, name=evil, iou={evil: 0.5}), INT8],
        next_steps={evil: evil},
        stage_seconds={evil: 1.0},
    )
    assert len(page.all("script")) == len(clean.all("script"))
    assert page.text.count(evil) >= 8


def test_without_quantization_aware_training(tmp_path, report):
    page = page_of(tmp_path, report, qat_log=[])
    assert "of the quantization-aware training" not in page.text
    assert len(page.all("svg")) == 2


def test_without_any_training_log(tmp_path, report):
    page = page_of(tmp_path, report, log=[], qat_log=[])
    assert not page.all("svg") and "Training" not in page.text


def test_missing_and_non_finite_log_values_are_left_out(tmp_path, report):
    rows = [{"epoch": 0.0, "loss": math.nan, "val_miou": 0.25}, {"epoch": 1.0, "loss": 0.5, "val_miou": 0.375}]
    page = page_of(tmp_path, report, log=rows, qat_log=[])
    assert "after epoch 2 of 2" in page.text
    assert "training loss, epoch 2: 0.5" in page.text and "training loss, epoch 1" not in page.text
    assert "nan" not in page.text


def test_class_that_does_not_occur(tmp_path, report):
    variants = [FLOAT, dataclasses.replace(INT8, iou={**INT8.iou, "car": None}, agreement=None)]
    page = page_of(tmp_path, report, variants=variants)
    assert "car 60.33 % – –" in page.text
    assert "labels equal to Keras 100.00 % –" in page.text


def test_failed_and_missing_measurements(tmp_path, report):
    failed = {"model": "net_int8.tflite", "threads": 1, "status": "failed", "reason": "no answer within 300 s"}
    page = page_of(tmp_path, report, variants=[FLOAT, dataclasses.replace(INT8, latency=[failed])])
    assert "failed: no answer within 300 s" in page.text and "int8 latency, 1 thread not measured" in page.text
    assert "faster than" not in page.text

    page = page_of(tmp_path, report, variants=[dataclasses.replace(v, latency=[]) for v in (FLOAT, INT8)])
    assert page.text.count("not measured") == 3 and "timed runs" not in page.text


def test_a_slower_larger_and_better_file_is_called_so(tmp_path, report):
    page = page_of(tmp_path, report, variants=[INT8, FLOAT])
    sentence = "4.38× larger and 4.00× slower than int8 (quantization-aware), with an mIoU 0.42 points higher"
    assert sentence in page.text


def test_equal_accuracy(tmp_path, report):
    page = page_of(tmp_path, report, variants=[FLOAT, dataclasses.replace(INT8, miou=FLOAT.miou - 1e-6)])
    assert "at the same mIoU" in page.text and "0.00 points" in page.text


def test_busy_machine_and_problems_in_a_file_are_named(tmp_path, report):
    assert "was busy" not in page_of(tmp_path, report).text
    island = dataclasses.replace(INT8.inspection, kinds={"int8": {"CONV_2D": 20}, "float": {"SIN": 1}})
    busy = [latency("net_int8.tflite", 3.1, load_average=3.5)]
    variants = [FLOAT, dataclasses.replace(INT8, inspection=island, latency=busy)]
    page = page_of(tmp_path, report, variants=variants)
    assert "load average 3.5 on 4 cores" in page.text
    assert "1 float op inside an int8 file: 1x SIN" in page.text


def test_label_map_that_does_not_fit_leaves_the_old_page(tmp_path, report, scene):
    page_of(tmp_path, report)
    before = (tmp_path / "report.html").read_bytes()
    for labels, reason in (np.full((32, 64), 9, np.uint8), "3 classes"), (np.zeros((16, 64), np.uint8), "16x64"):
        odd = dataclasses.replace(scene, int8_labels=labels)
        with pytest.raises(UserError, match=reason):
            write_report(tmp_path / "report.html", dataclasses.replace(report, scenes=[odd]))
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_unwritable_place(tmp_path, report):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write_report(tmp_path / "file" / "report.html", report)
    with pytest.raises(UserError, match="Cannot write"):
        write_report(tmp_path, report)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_formats():
    assert plain(percent(0.71234)) == "71.2 %" and percent(None) == percent(math.nan) == "–"
    assert plain(percent(1.0, 2)) == "100.00 %" and plain(percent(0.999999, 2)) == "99.99 %"
    assert [points(value) for value in (0.0042, -0.0042, 1e-7, -1e-7)] == ["+0.42", "−0.42", "0.00", "0.00"]
    assert [plain(milliseconds(value)) for value in (0.123, 12.34, 123.4, 1234.5)] == [
        "0.12 ms", "12.3 ms", "123 ms", "1,234 ms",
    ]  # fmt: skip
    assert [plain(megabytes(size)) for size in (1_234_567, 54_321)] == ["1.23 MB", "54.3 kB"]
    assert [plain(duration(value)) for value in (4.21, 59.8, 60, 301, 3723)] == [
        "4.2 s", "1 min 0 s", "1 min 0 s", "5 min 1 s", "1 h 2 min",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "largest, expected",
    [(0, [0, 1]), (0.7, [0, 0.2, 0.4, 0.6, 0.8]), (1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (24, [0, 5, 10, 15, 20, 25])],
)
def test_ticks(largest, expected):
    assert ticks(largest) == expected


def test_chart_places_its_points():
    svg = line_chart([Line("a", "float", [(1, 0.0), (2, 1.0), (3, 0.5)])], "A", str)
    places = re.search('polyline points="(.*?)"', svg)[1]
    (x1, y1), (x2, y2), (x3, y3) = [map(float, place.split(",")) for place in places.split()]
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2) and x1 < x2
    assert y2 < y3 < y1 and y3 == pytest.approx((y1 + y2) / 2, abs=0.2)


def test_chart_of_one_epoch():
    xml.etree.ElementTree.fromstring(line_chart([Line("a", "float", [(1, 0.0)])], "A", str))
