"""Tables of the networks: their size and cost, and the published weights."""

import yaml

from benchmarks.tables import ROOT
from benchmarks.tables.cells import percent_cell, threads_cell
from benchmarks.tables.experiments import EXPERIMENTS
from keras_liteseg.models.pretrained import list_pretrained


def networks_table(results):
    """Size, cost, published numbers and our own of every network."""
    lines = [
        "| network | parameters | MACs | mIoU published | frames/s published | CamVid test mIoU | float32 | int8 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    published = yaml.safe_load((ROOT / "benchmarks" / "published.yaml").read_text())
    times = {}
    for row in results.run("networks_512x1024"):
        times.setdefault((row["network"], row["precision"]), {})[row["threads"]] = row["run_p50_ms"]
    for name, size in results.documents.get("networks", {}).get("networks", {}).items():
        found = [results.accuracy_of(training, "float") for training in from_scratch(name)]
        accuracy = max(filter(None, found), key=lambda row: row["miou"], default=None)
        cells = [
            f"{size['parameters'] / 1e6:.3g} M",
            f"{size['macs'] / 1e9:.3g} G",
            *published_cells(published.get(name)),
            f"{100 * accuracy['miou']:.1f}" if accuracy else "",
            *(threads_cell(times.get((name, precision), {})) for precision in ("float32", "int8")),
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def from_scratch(network):
    """Return the names of the trainings on CamVid of a network that began from scratch and had no teacher."""
    ours = {name: each for name, each in EXPERIMENTS.items() if name.startswith(f"{network}_camvid_")}
    return [name for name, each in ours.items() if "from scratch" in each.how and not each.teacher]


def published_cells(entry):
    """Return the cells of published mIoU, which links to its source, and published speed."""
    if entry is None:
        return "", ""
    miou, source = f"{entry['miou']} {entry['miou_of']}", entry["source"]
    miou = f"[{miou}]({source})" if source.startswith("http") else f"{miou} ({source})"
    return miou, f"{entry['fps']} ({entry['fps_of']})"


def pretrained_table(results):
    """Published weights with the accuracy of their cards."""
    lines = [
        "| weights | trained on | input size | file | val mIoU | test mIoU | int8 test mIoU | int8, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for card in list_pretrained():
        int8 = card.int8 or {}
        cells = [
            f'`create_model("{card.model}", weights="{card.name}")`',
            card.seen,
            "x".join(map(str, card.input_size)),
            f"{card.bytes / 1e6:.1f} MB",
            *(percent_cell(card.accuracy.get(split)) for split in ("val", "test")),
            f"{100 * int8['miou']:.1f}" if int8 else "",
            threads_cell(int8.get("latency_ms", {})),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
