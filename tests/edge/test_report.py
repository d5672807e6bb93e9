"""The report on real results of the benchmark, and on made up ones for what is rare."""

import copy
import hashlib
import html.parser
import itertools
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from edge import table
from edge.report import comparison, page, rows, scatter
from edge.report.__main__ import main
from edge.targets import host
from keras_liteseg.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]
# As the benchmark wrote them before it knew stand-ins, precisions and accuracy.
OLDER = ROOT / "tests" / "edge" / "older_result.json"
VOID = {"meta", "br", "wbr", "link"}
STATISTICS = ("p50", "p90", "p99", "mean", "std", "min", "max")
ODD_NAME = """odd <b>&amp; "it's" int8"""


class Page(html.parser.HTMLParser):
    """A page as (tag, attributes) and text; fails where a tag is not closed in order."""

    def __init__(self, path):
        super().__init__()
        self.source = pathlib.Path(path).read_text()
        self.tags, self.words, self.open = [], [], []
        self.rows = []  # the cells of each row of each table, with the section that it is in
        self.section, self.cells = None, None
        self.feed(self.source)
        self.close()
        assert not self.open
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "section":
            self.section = attributes["id"]
        if tag == "tr":
            self.cells = []
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)
        if tag not in ("wbr", "text", "tspan"):
            self.words.append(" ")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"
        if tag == "tr":
            self.rows.append((self.section, [" ".join(cell.split()) for cell in self.cells]))

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.words.append(data)
        if self.cells and {"td", "th"} & set(self.open):
            self.cells[-1] += data

    def table(self, section):
        return [cells for name, cells in self.rows if name == section]

    def all(self, tag, **attributes):
        return [found for name, found in self.tags if name == tag and attributes.items() <= found.items()]


def made_up(model="net_int8.tflite", **changes):
    """A row of the benchmark in its latest form."""
    p50 = changes.pop("p50", 10.0)
    statistics = {"p50": p50, "p90": 1.2 * p50, "p99": 1.5 * p50, "mean": 1.05 * p50, "std": 0.1 * p50}
    statistics |= {"min": 0.9 * p50, "max": 1.6 * p50}
    row = {
        "model": model,
        "sha256": hashlib.sha256(model.encode()).hexdigest(),
        "bytes": 123_456,
        "network": "ndnet45",
        "precision": "int8",
        "accuracy": {"miou": 0.6, "data": "camvid", "split": "val", "images": 101},
        "target": "host:cpu",
        "threads": 1,
        "warmup": 5,
        "runs": 50,
        "status": "ok",
        "device": {"cpu": "Some CPU", "soc": None, "cores": 4, "os": "Linux x86_64, Debian"},
        "stand_in": None,
        "runtime": {"name": "ai-edge-litert", "version": "2.3.0"},
        "accelerator": "xnnpack",
        "inputs": [{"name": "image", "dtype": "int8", "shape": [1, 360, 480, 3], "quantization": [0.1, 0]}],
        "outputs": [{"name": "logits", "dtype": "int8", "shape": [1, 360, 480, 11], "quantization": [0.1, 0]}],
        "peak_memory_mb": {"process": 100.0, "model": 22.5},
        "delegation": {"partitions": 1, "delegated_ops": 130, "other_ops": []},
        "state": {"before": {}, "after": {}},
        "correctness": {"frames": 2, "max_difference": 0.0, "equal_labels": 1.0},
        "load_average": 0.1,
        "init_ms": 20.0,
        "compile_ms": 15.0,
        "first_run_ms": 30.0,
        "latency_ms": {"run": {name: 0.9 * value for name, value in statistics.items()}, "end_to_end": statistics},
        "round_p50_ms": [p50 * factor for factor in (0.97, 0.98, 0.99, 1.0, 1.01, 1.02, 1.03)],
        "ratio_to_first": 1.0,
    }
    return row | changes


def failed(reason, **changes):
    row = made_up(**changes)
    known = ("model", "sha256", "bytes", "network", "precision", "accuracy", "target", "threads", "warmup", "runs")
    return {name: row[name] for name in known} | {"status": "failed", "reason": reason}


def write(path, found, date="2026-01-02", **changes):
    header = {
        "command": "python -m edge.benchmark --model net.tflite",
        "date": date,
        "device": {"cpu": "Some CPU", "cores": 4, "os": "Linux x86_64"},
        "versions": {"python": "3.11.7", "numpy": "2.4.6", "ai-edge-litert": "2.3.0"},
    } | changes
    if path.suffix == ".jsonl":
        header["host"] = header.pop("device")
        path.write_text("".join(json.dumps({**row, **header}) + "\n" for row in found))
    else:
        path.write_text(json.dumps({**header, "results": found}))
    return path


@pytest.fixture
def show(tmp_path, capsys):
    """Function that reports on made up rows, or files, and returns (page, text on the terminal)."""

    def show(*files, baseline=None):
        files = [write(tmp_path / "result.json", file) if isinstance(file, list) else file for file in files]
        more = [] if baseline is None else ["--baseline", str(baseline)]
        main([*map(str, files), "--output", str(tmp_path / "report.html"), *more])
        return Page(tmp_path / "report.html"), capsys.readouterr().out

    return show


# --- On what the benchmark really measures ---


@pytest.fixture(scope="module")
def real(int8_file, tmp_path_factory):
    """Result file of a file with a card and an odd name, and of one without a card, with profiles."""
    folder = tmp_path_factory.mktemp("real")
    named, plain = folder / f"{ODD_NAME}.tflite", folder / "plain.tflite"
    for file in (named, plain):
        shutil.copy(int8_file, file)
    accuracy = {"file": {"miou": 0.4321}, "data": "street_scenes", "split": "val", "images": 4}
    card = {"sha256": hashlib.sha256(named.read_bytes()).hexdigest(), "accuracy": accuracy}
    named.with_suffix(".json").write_text(json.dumps(card))
    output = folder / "result.json"
    command = [sys.executable, "-m", "edge.benchmark", "--model", f"{named},{plain}", "--threads", "1,2"]
    command += ["--runs", "8", "--warmup", "1", "--profile", "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return output


@pytest.fixture(scope="module")
def real_page(real, tmp_path_factory):
    output = tmp_path_factory.mktemp("report") / "report.html"
    command = [sys.executable, "-m", "edge.report", str(real), "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return Page(output), done.stdout


def results(path):
    return json.loads(path.read_text())["results"]


def test_terminal_shows_the_table_of_the_benchmark(real, real_page):
    found = results(real)
    _, text = real_page
    device = found[0]["device"]
    assert text.startswith(f"host:cpu on {device['cpu']}, {device['cores']} cores")
    assert table.table(found) in text


def test_page_loads_nothing_and_escapes_names(real_page):
    shown, _ = real_page
    for word in ("http", "@import", "src=", "href=", "<script"):
        assert word not in shown.source
    assert set(re.findall(r"url\([^)]*\)", shown.source)) == {"url(#hatch)", "url(#hatch-bar)"}
    assert ODD_NAME in shown.text
    assert "<b>" not in shown.source and "&amp;amp;" in shown.source
    assert not shown.all("b")


def test_page_tells_every_percentile(real, real_page):
    shown, _ = real_page
    lines = [cells for cells in shown.table("percentiles") if "p50" not in cells]
    assert len(lines) == 2 * len(results(real))
    for row, (end_to_end, run) in zip(results(real), zip(lines[::2], lines[1::2]), strict=True):
        expected = [f"{row['latency_ms']['end_to_end'][name]:,.2f}" for name in STATISTICS]
        assert end_to_end[:2] == [row["model"].removesuffix(".tflite"), str(row["threads"])]
        assert end_to_end[3:10] == expected
        assert end_to_end[10:] == [
            *(f"{row[name]:,.2f}" for name in ("init_ms", "compile_ms", "first_run_ms")),
            f"{row['peak_memory_mb']['model']:.1f}",
            "8",
            f"{row['load_average']:.1f}",
        ]
        assert run == ["run", *(f"{row['latency_ms']['run'][name]:,.2f}" for name in STATISTICS)]


def test_page_tells_accuracy_coverage_and_origin(real, real_page):
    shown, _ = real_page
    row = results(real)[0]
    (line,) = [cells for cells in shown.table("accuracy") if "no." not in cells]
    assert line[1] == ODD_NAME and "43.21" in line[4]
    assert line[5:7] == [f"{each['latency_ms']['end_to_end']['p50']:,.2f}" for each in results(real)[:2]]
    assert "street_scenes, val, 4 images" in shown.text and "4 images are too few" in shown.text
    assert "having no card with a measured accuracy: plain." in shown.text
    coverage = [cells for cells in shown.table("coverage") if cells[0] == "plain"]
    assert coverage[0][2:5] == ["xnnpack", "1", str(row["delegation"]["delegated_ops"])]
    assert coverage[0][6:] == ["2", "0 steps", "100.00 %"]
    document = json.loads(real.read_text())
    assert " ".join(document["command"].split()) in shown.text
    assert document["date"] in shown.text and document["versions"]["ai-edge-litert"] in shown.text


def test_page_tells_where_the_time_goes(real, real_page):
    shown, _ = real_page
    profile = results(real)[0]["profile"]
    if "ops" not in profile:
        pytest.skip(f"no profile of this machine: {profile['unsupported']}")
    line = next(cells for cells in shown.table("profile") if cells[0] == ODD_NAME)
    inside = sum(op["ms"] for op in profile["ops"] if op["delegate"])
    outside = sum(op["ms"] for op in profile["ops"] if not op["delegate"])
    rest = max(profile["total_ms"] - inside - outside, 0)
    assert line[2] == f"{profile['total_ms']:.2f}"
    assert line[4:7] == [f"{value:.2f}" for value in (inside, outside, rest)]
    slowest = max(profile["ops"], key=lambda op: op["ms"])
    assert [slowest["op"], slowest["delegate"] or "built-in", str(slowest["index"])] in [
        cells[:3] for cells in shown.table("profile")
    ]


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
document.body.dataset.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to measure texts with")
@pytest.mark.parametrize("width", [1400, 900, 500])
def test_texts_of_the_pictures_do_not_overlap_in_a_browser(width, show, tmp_path):
    found = [made_up(f"ndnet45_camvid_{name}.tflite", p50=p50, accuracy=accuracy(miou), precision=precision)
             for name, p50, miou, precision in REAL_NUMBERS]  # fmt: skip
    shown, _ = show(found)
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
    for picture in pictures:
        for one, two in itertools.combinations(picture["texts"], 2):
            assert not scatter._overlap(shrunk(one[1:]), shrunk(two[1:])), (picture["width"], one, two)
        for text, left, top, right, bottom in picture["texts"]:
            assert 0 <= left and right <= picture["width"] and 0 <= top and bottom <= picture["height"] + 1, text
            assert right - left <= scatter.text_width(text) * 1.08, text  # guides are bold


def shrunk(box):
    """Without the space above and below the letters that belongs to every line."""
    left, top, right, bottom = box
    return (left, top + 2, right, bottom - 2)


# --- Pictures ---

REAL_NUMBERS = [
    ("finetuned_int16x8", 525.7, 0.674248, "int16x8"),
    ("finetuned_int8", 9.58, 0.673438, "int8"),
    ("finetuned_int8_qat", 8.57, 0.674899, "int8"),
    ("scratch_int16x8", 535.66, 0.622179, "int16x8"),
    ("scratch_int8", 8.58, 0.624326, "int8"),
    ("scratch_int8_qat", 9.26, 0.624085, "int8"),
]


def accuracy(miou, data="camvid", split="val", images=101):
    return {"miou": miou, "data": data, "split": split, "images": images}


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


def test_pareto_line_has_what_no_faster_file_reaches():
    marks = [mark("a", 0.5, 10.0), mark("b", 0.6, 30.0, 20.0), mark("c", 0.55, 25.0), mark("d", 0.6, 40.0)]
    assert [mark.label for mark in scatter.pareto(marks)] == ["a", "b"]
    assert 'class="front"' in scatter.scatter(marks, 1120, "title")
    assert 'class="front"' not in scatter.scatter(marks, 1120, "title", "emulator")


def test_each_precision_has_a_shape_of_its_own():
    shapes = {str(scatter.shape(precision, 0, 0)) for precision in (*rows.PRECISIONS, None)}
    assert len(shapes) == len(rows.PRECISIONS) + 1


def test_accuracies_on_different_images_are_never_in_one_picture(show):
    found = [
        made_up("a.tflite", accuracy=accuracy(0.61)),
        made_up("b.tflite", accuracy=accuracy(0.62, split="test")),
        made_up("c.tflite", accuracy=accuracy(0.63, data="cityscapes")),
        made_up("d.tflite", accuracy=accuracy(0.64, images=7)),
        made_up("e.tflite", accuracy=None),
    ]
    shown, _ = show(found)
    pictures = [found["aria-label"] for found in shown.all("svg", role="img")]
    assert len(pictures) == 4 * len(page.WIDTHS)
    for name in "abcd":
        titles = re.findall(rf"<title>{name}: ", shown.source)
        assert len(titles) == len(page.WIDTHS)
    for svg in re.findall(r'<svg class="chart".*?</svg>', shown.source):
        assert svg.count("<title>") == 1
    assert "no card with a measured accuracy: e." in shown.text


def test_every_registered_network_is_of_a_family():
    from keras_liteseg.models import list_models

    for name in list_models():
        assert name.startswith(rows.FAMILIES), name


# --- Stand-ins, failures, tools that tell less ---


@pytest.mark.skipif(
    not host.SWIFTSHADER.exists(), reason="no SwiftShader here; on Debian it is in the package chromium"
)
def test_real_software_gpu_is_no_device(tmp_path, show):
    import tensorflow as tf

    from tests.edge.test_benchmark import to_tflite

    model, result = tmp_path / "model.tflite", tmp_path / "gpu.json"
    model.write_bytes(to_tflite(lambda x: tf.argmax(x, -1, output_type=tf.int32)))
    command = [sys.executable, "-m", "edge.benchmark", "--model", model, "--target", "host:cpu,host:gpu"]
    command += ["--threads", "1", "--runs", "4", "--warmup", "1", "--output", result]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    if results(result)[1]["stand_in"] is None:
        pytest.skip("this machine has a GPU")
    shown, text = show(result)
    assert "host:gpu is no device: the times are those of a stand-in (software GPU)" in shown.text
    assert shown.all("div", **{"class": "block no-device family-none"})
    assert "(software GPU: no device's speed)" in text


def test_stand_ins_are_labelled_and_apart(show):
    stand_ins = [
        made_up(target="ssh://user@localhost", stand_in="loopback", p50=777.0),
        made_up(target="adb:emulator-5554", stand_in="emulator", p50=888.0),
    ]
    shown, _ = show([made_up(p50=12.0), *stand_ins])
    blocks = shown.source.split('<div class="block ')[1:]
    assert len(blocks) == 2
    assert "12.0&nbsp;ms" in blocks[0].replace("\N{NO-BREAK SPACE}", "&nbsp;") and "no-device" not in blocks[0][:20]
    assert not {"777", "888"} & set(re.findall(r"\d+", blocks[0]))
    assert "stand-in, no device’s speed" in blocks[1] and "(loopback)" in blocks[1] and "(emulator)" in blocks[1]
    for svg in re.findall(r'<svg class="chart".*?</svg>', shown.source):
        assert ('class="stand-in"' in svg) == ("12 ms" not in svg)
    assert "fastest on host:cpu" in shown.text and "fastest on ssh" not in shown.text
    for name in ("loopback", "emulator"):
        assert f"{name}, no device" in shown.text


def test_failed_rows_come_first_with_their_reason(show):
    reason = "wrong result: 12.00 % of the labels are those of <this> machine's CPU"
    long = "not all of it runs on the GPU: " + "CONV_2D: Tensor type(INT16) is not supported; " * 40
    found = [made_up(), failed(reason, target="host:gpu"), failed(long, model="other.tflite", target="host:gpu")]
    shown, text = show(found)
    assert shown.text.index("2 rows failed") < shown.text.index("Latency against accuracy")
    assert f"net_int8 on host:gpu, 1 thread: {reason}" in shown.text
    assert long.strip() in shown.text and "the whole reason" in shown.text
    assert f"failed: {reason}" in text and "1 of 3 rows measured" in shown.text


def test_all_rows_failed(show):
    shown, text = show([failed("host:gpu is down", target="host:gpu")])
    assert "1 row failed" in shown.text and "unknown, as all rows failed" in shown.text
    assert not shown.all("svg", role="img")
    assert "host:gpu on device unknown" in text


def test_tool_that_knows_statistics_alone(show):
    less = {"run": {"mean": 44.4, "std": 1.0, "min": 40.0, "max": 50.0}, "end_to_end": None}
    row = made_up(target="adb:phone", latency_ms=less, round_p50_ms=[44.4], init_ms=None, compile_ms=None)
    row |= {"peak_memory_mb": {}, "correctness": {"unsupported": "no flag for outputs"}, "load_average": None}
    shown, text = show([row])
    end_to_end, run = shown.table("percentiles")[1:]
    assert end_to_end[3:10] == ["–"] * 7 and run == ["run", "–", "–", "–", "44.40", "1.00", "40.00", "50.00"]
    assert "not compared: no flag for outputs" in shown.text
    assert "44.4 ms run alone" in shown.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "The tool on adb:phone times the run alone" in shown.text
    assert "44.40" in text


def test_converted_networks_and_states_of_a_device(show):
    state = {"before": {"temperature_c": {"cpu": 41.5}, "cpu_mhz": [1500.0]}, "after": {"temperature_c": {"cpu": 55.0}}}
    state["after"]["power_mode"] = "MAXN"
    shown, _ = show([made_up(target="ssh://jetson", converted="ONNX opset 17, TensorRT fp16", state=state)])
    assert "not the files themselves that ran, but ONNX opset 17, TensorRT fp16" in shown.text
    assert "41.5 to 55 °C, 1500 MHz, power mode MAXN" in shown.text


def test_ops_outside_come_with_reasons(show):
    other = [{"op": "ARG_MAX", "count": 1, "reason": "int64 <output>"}, {"op": "PAD", "count": 3}]
    shown, _ = show([made_up(delegation={"partitions": 2, "delegated_ops": 7, "other_ops": other})])
    (line,) = shown.table("coverage")[1:]
    assert line[3:6] == ["2", "7", "1× ARG_MAX (int64 <output>), 3× PAD"]


def test_profile_adds_up_the_ops_of_a_type(show):
    def op(name, ms, delegate, index):
        return {"op": name, "ms": ms, "share": ms / 10, "delegate": delegate, "index": index}

    ops = [op("Convolution", 2.0, "xnnpack", 0), op("Convolution", 3.0, "xnnpack", 1), op("ARG_MAX", 4.0, None, 9)]
    profile = {"ops": ops, "total_ms": 10.0, "runs": 20, "partitions": 1}
    refused = made_up("other.tflite", profile={"unsupported": "no profiler for the GPU"})
    shown, _ = show([made_up(profile=profile), refused])
    lines = shown.table("profile")
    assert lines[1][2] == "10.00" and lines[1][4:7] == ["5.00", "4.00", "1.00"]
    assert ["Convolution", "xnnpack", "2", "5.000", "50.0 %"] in [[*map(plain, line)] for line in lines]
    assert ["ARG_MAX", "built-in", "9", "4.000", "40.0 %"] in [[*map(plain, line)] for line in lines]
    assert [found["width"] for found in shown.all("rect") if found.get("class") in ("inside", "outside")] == [
        "50.00%",
        "40.00%",
    ]
    assert "No profile of 1 row of host:cpu: no profiler for the GPU." in shown.text


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_bar_that_would_hide_the_others_is_cut(show):
    shown, _ = show([made_up("a.tflite", p50=10.0), made_up("b.tflite", p50=12.0), made_up("c.tflite", p50=900.0)])
    widths = [float(found["width"][:-1]) for found in shown.all("rect", **{"class": "bar"})]
    assert widths == pytest.approx([10 / 15 * 100, 12 / 15 * 100, 100], abs=0.01)
    assert len(shown.all("path", **{"class": "break"})) == 1 and "Broken bars" in shown.text


# --- Files ---


def test_older_results_lack_fields(show):
    shown, text = show(OLDER)
    found = results(OLDER)
    assert len(shown.table("percentiles")) == 1 + 2 * len(found)
    first = shown.table("percentiles")[1]
    assert first[3] == f"{found[0]['latency_ms']['end_to_end']['p50']:,.2f}" and first[11] == "–"
    assert table.table([rows.Row(row, None).data for row in found]) in text
    assert "precision unknown" in shown.text and "liteseg_darknet19" in shown.text


def test_other_json_files_are_passed_over(show, tmp_path):
    (tmp_path / "lines.jsonl").write_text('{"accuracy": 1}\n')
    shown, text = show(ROOT / "results" / "demo.json", [made_up()], tmp_path / "lines.jsonl")
    remark = (
        f"Passed over, being no results of edge.benchmark: {ROOT / 'results' / 'demo.json'}, {tmp_path}/lines.jsonl"
    )
    assert remark in text and remark in shown.text


def test_all_committed_results_can_be_given_at_once(show):
    shown, text = show(*sorted((ROOT / "results").glob("*.json")))
    assert "results/demo.json" in text and "liteseg_darknet19" in shown.text


def test_newest_row_of_a_history_counts(show, tmp_path):
    old = write(tmp_path / "a.jsonl", [made_up(p50=11.0), made_up(p50=22.0, threads=2)], date="2026-01-01")
    new = write(tmp_path / "b.jsonl", [made_up(p50=33.0), made_up(p50=44.0)], date="2026-02-01")
    shown, text = show(new, old)  # by date, and not as they are given
    assert [cells[3] for cells in shown.table("percentiles")[1::2]] == ["22.00", "44.00"]
    assert "2 older rows of the same files" in text and "2 older rows" in shown.text
    assert "come from 2 runs of the benchmark" in shown.text


def test_files_of_one_name_are_told_apart(show):
    shown, _ = show([made_up(sha256="aaaaaaaa11"), made_up(sha256="bbbbbbbb22", p50=20.0)])
    assert "net_int8 (aaaaaaaa)" in shown.text and "net_int8 (bbbbbbbb)" in shown.text


def test_busy_machine(show):
    shown, text = show([made_up(load_average=3.5), made_up("other.tflite")])
    assert "busy before the measuring of 1 of 2 rows (load average up to 3.5 on 4 cores)" in shown.text
    assert "The machine was busy before the measuring (load average 3.5 on 4 cores)" in text


# --- Comparison ---


def load(tmp_path, name, *found, **changes):
    return rows.load([write(tmp_path / name, list(found), **changes)])[0]


def compare(tmp_path, new, old, **changes):
    found = comparison.compare(load(tmp_path, "new.json", new, **changes), load(tmp_path, "old.json", old))
    (change,) = found.changes
    return change, found.warnings


def test_ratio_and_its_noise(tmp_path):
    change, warnings = compare(tmp_path, made_up(p50=12.4), made_up(p50=10.0))
    assert (change.ratio, change.old_ms, change.new_ms) == (pytest.approx(1.24), 10.0, 12.4)
    # Quartiles of the rounds: 0.985 and 1.015 of the median.
    assert change.spread == pytest.approx((1.24 * 0.985 / 1.015, 1.24 * 1.015 / 0.985))
    assert (change.verdict, change.sentence) == ("slower", "1.24x slower")
    assert warnings == []


@pytest.mark.parametrize(
    ("p50", "verdict", "sentence"),
    [
        (5.0, "faster", "2.00x faster"),
        (10.1, "same", "1.01x slower, within the noise"),
        (9.8, "same", "1.02x faster, within the noise"),
        (10.0, "same", "equal, within the noise"),
    ],
)
def test_verdicts(p50, verdict, sentence, tmp_path):
    change, _ = compare(tmp_path, made_up(p50=p50), made_up(p50=10.0))
    assert (change.verdict, change.sentence) == (verdict, sentence)


def test_few_rounds_tell_no_noise(tmp_path):
    change, _ = compare(tmp_path, made_up(p50=20.0, round_p50_ms=[20.0] * 3), made_up())
    assert (change.spread, change.verdict, change.sentence) == (None, "unclear", "2.00x slower, noise unknown")


def test_run_is_compared_with_run_where_one_tool_knows_no_more(tmp_path):
    less = {"run": {"mean": 27.0, "std": 1.0, "min": 20.0, "max": 30.0}, "end_to_end": None}
    change, warnings = compare(tmp_path, made_up(latency_ms=less), made_up(p50=10.0))
    assert change.ratio == pytest.approx(27.0 / 9.0) and change.spread is None
    assert warnings == ["clock: end to end before, the run alone now"]


def test_rows_that_failed(tmp_path):
    broken = failed("it crashed")
    assert compare(tmp_path, broken, made_up())[0].sentence == "failed now: it crashed"
    assert compare(tmp_path, made_up(), broken)[0].sentence == "failed before: it crashed"
    change, _ = compare(tmp_path, broken, broken)
    assert (change.verdict, change.sentence) == ("failed", "failed both times: it crashed")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sha256": "other"}, "2.00x slower; the file has changed"),
        ({"model": "renamed.tflite", "sha256": made_up()["sha256"]}, "2.00x slower"),
        ({"sha256": "other", "precision": None}, "2.00x slower; the file has changed"),
    ],
)
def test_files_that_belong_together(changes, sentence, tmp_path):
    assert compare(tmp_path, made_up(p50=20.0, **changes), made_up())[0].sentence == sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "other", "precision": "float16"},
        {"sha256": "other", "network": "ndnet61"},
        {"threads": 2},
        {"target": "host:gpu"},
        {"model": "other.tflite", "sha256": "other"},
    ],
)
def test_rows_that_have_nothing_in_common(changes, tmp_path):
    with pytest.raises(UserError, match="old.json has no row in common with the results"):
        compare(tmp_path, made_up(**changes), made_up())


def test_everything_that_differs_is_told(tmp_path):
    now = {"device": {"cpu": "Other CPU", "soc": None, "cores": 8, "os": "Linux x86_64, Debian"}, "load_average": 7.0}
    now["runtime"] = {"name": "ai-edge-litert", "version": "2.4.0"}
    now["state"] = {"before": {"governor": "powersave"}, "after": {}}
    before = made_up(state={"before": {"governor": "performance"}, "after": {}}, load_average=0.2)
    _, warnings = compare(tmp_path, made_up(**now), before, versions={"python": "3.12.1", "numpy": "2.4.6"})
    assert warnings == [
        "device: Some CPU, 4 cores, Linux x86_64, Debian before, Other CPU, 8 cores, Linux x86_64, Debian now",
        "runtime: ai-edge-litert 2.3.0 before, ai-edge-litert 2.4.0 now",
        "governor: performance before, powersave now",
        "python: 3.11.7 before, 3.12.1 now",
        "the machine was busy now",
    ]


def test_older_results_name_the_system_less_exactly(tmp_path):
    old = made_up(device={"cpu": "Some CPU", "cores": 4, "os": "Linux x86_64"})
    assert compare(tmp_path, made_up(), old)[1] == []


def test_same_device_and_latest_run_are_the_baseline(tmp_path):
    other = {"cpu": "Other CPU", "soc": None, "cores": 2, "os": "Linux"}
    old = load(tmp_path, "old.json", made_up(p50=5.0), made_up(p50=50.0, device=other))
    old += load(tmp_path, "older.json", made_up(p50=500.0), date="2025-01-01")
    (change,) = comparison.compare(load(tmp_path, "new.json", made_up(p50=10.0)), old).changes
    assert change.ratio == 2.0


def test_comparison_on_page_and_terminal(show, tmp_path):
    new = [made_up(p50=12.4), made_up("new.tflite"), failed("it <crashed>", model="b.tflite")]
    old = write(tmp_path / "old.json", [made_up(p50=10.0), made_up("b.tflite"), made_up("gone.tflite", threads=2)])
    shown, text = show(new, baseline=old)
    assert re.search(r"net_int8 +host:cpu +threads 1 +10.00 -> +12.40 ms +1.24x slower \(rounds: 1.20 to 1.28\)", text)
    assert re.search(r"b +host:cpu +threads 1 +failed now: it <crashed>", text)
    assert "Not in the baseline: new on host:cpu, threads 1" in text
    assert "Only in the baseline: gone on host:cpu, threads 2" in text
    line = shown.table("comparison")[1]
    assert line[3:8] == ["10.00", "12.40", "1.24×", "1.20 to 1.28", "1.24× slower"]
    assert "failed now: it <crashed>" in shown.text
    assert "gone on host:cpu, threads 2." in shown.text


def test_real_run_against_itself_is_equal(real, show):
    shown, text = show(real, baseline=real)
    assert text.count("equal, within the noise") == 4
    assert {line[5] for line in shown.table("comparison")[1:]} == {"1.00×"}


# --- Faults ---


def report(*arguments):
    command = [sys.executable, "-m", "edge.report", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / "good.json", [made_up()])


def broken(tmp_path, kind):
    path = tmp_path / f"{kind}.json"
    if kind == "damaged":
        path.write_text(write(path, [made_up()]).read_text()[:-40])
    elif kind == "truncated":
        path = write(path.with_suffix(".jsonl"), [made_up(), made_up(threads=2)])
        path.write_text(path.read_text()[:-40])
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00{}")
    elif kind == "empty":
        path.write_text("")
    elif kind == "other":
        path.write_text('{"kind": "accuracy", "miou": 0.5}')
    elif kind == "incomplete":
        row = copy.deepcopy(made_up())
        del row["latency_ms"]["run"]
        write(path, [row])
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "error: Cannot read {path}: No such file"),
        ("folder", "error: Cannot read {path}: Is a directory"),
        ("damaged", "error: {path} is no result of edge.benchmark ("),
        ("truncated", "error: {path} is no result of edge.benchmark ("),
        ("binary", "error: {path} is no result of edge.benchmark ("),
        ("empty", "error: {path} is no result of edge.benchmark ("),
        ("other", "error: {path} is no result of edge.benchmark; give a file that it has written."),
        ("incomplete", "error: {path} is damaged: the row of net_int8.tflite on host:cpu"),
    ],
)
@pytest.mark.parametrize("as_baseline", [False, True])
def test_bad_files(kind, message, as_baseline, good, tmp_path, capsys):
    path = broken(tmp_path, kind)
    before = sorted(tmp_path.iterdir())
    files = [good, "--baseline", path] if as_baseline else [path] if kind == "other" else [good, path]
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, files), "--output", str(tmp_path / "report.html")])
    assert stopped.value.code.startswith(message.format(path=path)) and "\n" not in stopped.value.code
    assert sorted(tmp_path.iterdir()) == before
    assert capsys.readouterr().out == ""


def test_exit_status_and_one_sentence(tmp_path, good):
    done = report("--output", tmp_path / "report.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: No file to report on; give at least one that edge.benchmark has written.\n"
    other = write(tmp_path / "other.json", [made_up("other.tflite")])
    done = report(good, "--baseline", other, "--output", tmp_path / "report.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: The baseline {other} has no row in common") and done.stderr.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("good.json/report.html", "error: Cannot write"),
        ("good.json", "error: The output .*good.json is no HTML file; give a name that ends in .html"),
    ],
)
def test_output_that_cannot_be_written(output, message, good, tmp_path):
    before = good.read_text()
    done = report(good, "--output", tmp_path / output)
    assert done.returncode == 1 and re.match(message, done.stderr) and done.stdout == ""
    assert good.read_text() == before and list(tmp_path.iterdir()) == [good]


def test_full_disk_leaves_the_old_page(disk, tmp_path):
    old = disk / "report.html"
    old.write_text("old")
    many = write(tmp_path / "many.json", [made_up(f"net{number}.tflite", accuracy=None) for number in range(600)])
    done = report(many, "--output", old)
    assert done.returncode == 1 and done.stderr.startswith(f"error: Cannot write {old}: No space left on device")
    assert old.read_text() == "old" and list(disk.iterdir()) == [old]
