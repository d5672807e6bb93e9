"""What lies in results/, for the tables."""

import dataclasses
import json

from benchmarks import rows
from benchmarks.tables.experiments import EXPERIMENTS


@dataclasses.dataclass(frozen=True)
class Results:
    """All results. Each row is a dict, see results/README.md.

    Attributes:
        accuracy: {(training, variant, split, input size): row}.
        class_iou: {the same: {class: IoU, None where absent}}.
        trainings: {training: row}.
        latency: rows, in the order in which they were measured.
        documents: {name of a JSON file, without its suffix: content}.
    """

    accuracy: dict = dataclasses.field(default_factory=dict)
    class_iou: dict = dataclasses.field(default_factory=dict)
    trainings: dict = dataclasses.field(default_factory=dict)
    latency: list = dataclasses.field(default_factory=list)
    documents: dict = dataclasses.field(default_factory=dict)

    def accuracy_of(self, training, variant):
        """Return the row of a training's network or file on the split that its experiment names, or None."""
        return self.accuracy.get(self._key(training, variant))

    def class_iou_of(self, training, variant):
        """Return {class: IoU} of the same."""
        return self.class_iou[self._key(training, variant)]

    def times_of(self, run):
        """Return {model: {number of threads: median latency of the run alone in ms}} of a run of the benchmark."""
        times = {}
        for row in self.run(run):
            times.setdefault(row["model"], {})[row["threads"]] = row["run_p50_ms"]
        return times

    def run(self, name):
        """Return the rows of a run of the benchmark."""
        return [row for row in self.latency if row["run"] == name]

    def _key(self, training, variant):
        split = EXPERIMENTS[training].split
        return next((key for key in self.accuracy if key[:3] == (training, variant, split)), None)


def load_results(folder):
    """Return the `Results` in a folder."""
    class_iou = {}
    for path in sorted(folder.glob("class_iou_*.csv")):
        class_iou |= rows.read_class_iou(path)
    return Results(
        accuracy={tuple(row[name] for name in rows.MEASURED): row for row in rows.read(folder / "accuracy.csv")},
        class_iou=class_iou,
        trainings={row["training"]: row for row in rows.read(folder / "trainings.csv")},
        latency=rows.read(folder / "latency.csv"),
        documents={path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))},
    )
