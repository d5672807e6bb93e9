"""Pages whose tables come from the measurements in results/ and the cards in pretrained/."""

import json

from benchmarks.tables.accuracy import (
    accuracy_table,
    drops_table,
    input_size_table,
    multi_scale_table,
    outputs_table,
    sensitivity_table,
    trainings_table,
)
from benchmarks.tables.expansion import expanded_table, expansion_table, family_table
from benchmarks.tables.networks import networks_table, pretrained_table
from benchmarks.tables.speed import latency_table, runtimes_table, training_speed_table
from keras_liteseg.errors import UserError

PAGES = {
    "README.md": {"accuracy": accuracy_table, "latency": latency_table, "networks": networks_table},
    "docs/accuracy.md": {
        "trainings": trainings_table,
        "input sizes": input_size_table,
        "multi scale": multi_scale_table,
        "drops": drops_table,
        "sensitivity": sensitivity_table,
        "outputs": outputs_table,
    },
    "docs/expansion.md": {"expansion": expansion_table, "expanded": expanded_table, "family": family_table},
    "docs/checkpoints.md": {"pretrained": pretrained_table},
    "docs/speed.md": {"runtimes": runtimes_table, "training_speed": training_speed_table},
}


def load_results(folder):
    """Return {file name without suffix: value} of all JSON files in a folder."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def with_tables(text, tables, results):
    """Return a page with each part between <!-- table: NAME --> and <!-- end --> replaced."""
    for name, make in tables.items():
        begin = f"<!-- table: {name} -->\n"
        head, found, rest = text.partition(begin)
        if not found:
            raise UserError(f"The page has no line '{begin.strip()}'; put it where the table belongs.")
        text = head + begin + make(results) + "<!-- end -->" + rest.partition("<!-- end -->")[2]
    return text
