"""Results of the benchmark made up for the report, and a reader of its page."""

import hashlib
import html
import html.parser
import json
import pathlib

ROOT = pathlib.Path(__file__).parents[3]
# As the benchmark wrote them before it knew stand-ins, precisions and accuracy.
OLDER = pathlib.Path(__file__).with_name("older_result.json")
STATISTICS = ("p50", "p90", "p99", "mean", "std", "min", "max")
ODD_NAME = """odd <b>&amp; "it's" int8"""
VOID = {"meta", "br", "wbr", "link"}


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


def accuracy(miou, data="camvid", split="val", images=101):
    return {"miou": miou, "data": data, "split": split, "images": images}


def results(path):
    return json.loads(path.read_text())["results"]
