"""The picture of latency against accuracy."""

import html
import html.parser
import itertools
import json
import random
import re
import shutil
import subprocess

import numpy as np
import pytest

from edge.report import page, rows, scatter
from tests.edge.report.results import accuracy, made_up

REAL_NUMBERS = [
    ("finetuned_int16x8", 525.7, 0.674248, "int16x8"),
    ("finetuned_int8", 9.58, 0.673438, "int8"),
    ("finetuned_int8_qat", 8.57, 0.674899, "int8"),
    ("scratch_int16x8", 535.66, 0.622179, "int16x8"),
    ("scratch_int8", 8.58, 0.624326, "int8"),
    ("scratch_int8_qat", 9.26, 0.624085, "int8"),
]


def mark(label, miou, *times, precision="int8"):
    return scatter.Mark(label, miou, dict(enumerate(times, start=1)), "family-0", precision)


def boxes(svg):
    """[(text, box)] of the labels in a picture."""
    found = re.findall(r'<text class="label" x="(.*?)" y="(.*?)" text-anchor="(\w+)">(.*?)</text>', svg)
    return [(html.unescape(text), box(float(x), float(y), anchor, text)) for x, y, anchor, text in found]


def box(x, y, anchor, text):
    width = scatter.text_width(html.unescape(text))
    left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
    return (left, y - scatter.FONT + 2, left + width, y + 2)


@pytest.mark.parametrize("width", page.WIDTHS.values())
@pytest.mark.parametrize("count", [1, 2, 6, 14, 40])
def test_labels_cover_neither_each_other_nor_a_mark(count, width):
    rng = random.Random(count)
    marks = [
        mark(f"ndnet{rng.randint(20, 70)}_dataset_int8_{number}", rng.uniform(0.6, 0.7), *times)
        for number in range(count)
        for times in [[10 ** rng.uniform(0.6, 1.8) for _ in range(2)]]
    ]
    svg = scatter.scatter(marks, width, "title")
    labels = boxes(svg)
    assert [text for text, _ in labels] and len(labels) in (count, 0) or count == 40
    assert {text for text, _ in labels} <= {mark.label for mark in marks} | {str(n + 1) for n in range(count)}
    for (_, one), (_, two) in itertools.combinations(labels, 2):
        assert not scatter._overlap(one, two)
    corners = [
        [tuple(map(float, pair.split(","))) for pair in points.split()]
        for points in re.findall(r'<polygon points="(.*?)"/>', svg)
    ]
    assert len(corners) == 2 * count
    for (_, label), points in itertools.product(labels, corners):
        assert not any(label[0] < x < label[2] and label[1] < y < label[3] for x, y in points)


def test_marks_stand_where_the_numbers_say():
    marks = [mark("slow", 0.7, 100.0), mark("fast", 0.6, 10.0), mark("middle", 0.65, 31.6227766)]
    svg = scatter.scatter(marks, 1120, "title")
    places = {}
    for label, points in re.findall(r"<title>(\w+):.*?</title><polygon points=\"(.*?)\"", svg):
        corners = np.array([[float(part) for part in pair.split(",")] for pair in points.split()])
        places[label] = corners.mean(0)
    assert places["fast"][0] < places["middle"][0] < places["slow"][0]
    # Logarithmic: the middle one is the geometric mean. The share of the axis grows upwards.
    assert places["middle"] == pytest.approx((places["fast"] + places["slow"]) / 2, abs=0.2)
    assert places["fast"][1] > places["slow"][1]
    assert "<title>fast: 10 ms (100 frames/s), mIoU 60.00 %, 1 thread</title>" in svg


def test_thousands_are_written_out():
    svg = scatter.scatter([mark("fast", 0.6, 0.05), mark("slow", 0.7, 12345.6)], 1120, "title")
    assert "fast: 0.05 ms (20,000 frames/s)" in svg and "slow: 12,346 ms (0.081 frames/s)" in svg


def test_pareto_line_has_what_no_faster_file_reaches():
    marks = [mark("a", 0.5, 10.0), mark("b", 0.6, 30.0, 20.0), mark("c", 0.55, 25.0), mark("d", 0.6, 40.0)]
    assert [mark.label for mark in scatter.pareto(marks)] == ["a", "b"]
    assert 'class="front"' in scatter.scatter(marks, 1120, "title")
    assert 'class="front"' not in scatter.scatter(marks, 1120, "title", "emulator")


def test_each_precision_has_a_shape_of_its_own():
    shapes = {str(scatter.shape(precision, 0, 0)) for precision in (*rows.PRECISIONS, None)}
    assert len(shapes) == len(rows.PRECISIONS) + 1


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEASURE = """<script>
document.body.dataset.boxes = JSON.stringify([...document.querySelectorAll("svg.chart")].map(svg => ({
  width: svg.viewBox.baseVal.width,
  height: svg.viewBox.baseVal.height,
  texts: [...svg.querySelectorAll("text")].map(text => {
    const box = text.getBBox();
    return [text.textContent, box.x, box.y, box.x + box.width, box.y + box.height];
  }),
})));
document.body.dataset.bars = Math.min(...[...document.querySelectorAll(".track")].map(
  track => track.getBoundingClientRect().width / track.closest(".block").getBoundingClientRect().width));
document.body.dataset.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to measure texts with")
@pytest.mark.parametrize("width", [1400, 900, 500])
def test_texts_and_bars_have_room_in_a_browser(width, show, tmp_path):
    found = [made_up(f"ndnet45_camvid_{name}.tflite", p50=p50, accuracy=accuracy(miou), precision=precision)
             for name, p50, miou, precision in REAL_NUMBERS]  # fmt: skip
    # Another device of the same target, so that the bars carry the long names of both.
    device = {"cpu": "Some 64-Core Processor", "cores": 64, "os": "Linux x86_64, Some Distribution GNU/Linux 12 (name)"}
    shown, _ = show([*found, made_up(accuracy=None, device=device)])
    probe = tmp_path / "probe.html"
    # All three pictures at once, as those that are hidden have no size.
    source = shown.source.replace("</style>", ".wide, .middle, .narrow { display: block !important }</style>")
    probe.write_text(source.replace("</body>", MEASURE))
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--window-size={width},900", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    dump = html.unescape(re.search('data-boxes="(.*?)"', done.stdout)[1])
    pictures = json.loads(dump)
    assert len(pictures) == 3
    assert float(re.search('data-bars="(.*?)"', done.stdout)[1]) > 0.3
    for picture in pictures:
        for one, two in itertools.combinations(picture["texts"], 2):
            assert not scatter._overlap(shrunk(one[1:]), shrunk(two[1:])), (picture["width"], one, two)
        for text, left, top, right, bottom in picture["texts"]:
            assert left >= 0 and right <= picture["width"] and top >= 0 and bottom <= picture["height"] + 1, text
            assert right - left <= scatter.text_width(text) * 1.08, text  # guides are bold


def shrunk(box):
    """Without the space above and below the letters that belongs to every line."""
    left, top, right, bottom = box
    return (left, top + 2, right, bottom - 2)


def test_every_registered_network_is_of_a_family():
    from keras_liteseg.networks import list_models

    for name in list_models():
        assert name.startswith(rows.FAMILIES), name
