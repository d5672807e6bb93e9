"""What the cards in pretrained/ say of the int8 files that results/ has measured."""

import json

from benchmarks.tables import ROOT
from benchmarks.tables.experiments import EXPERIMENTS
from keras_liteseg.files import write_json


def cards():
    """Return {path: content} of the cards."""
    return {path: json.loads(path.read_text()) for path in sorted((ROOT / "pretrained").glob("*.json"))}


def with_int8(card, results):
    """Return a card with `int8` as results/ has it of its training; without it where nothing was measured."""
    card = {name: value for name, value in card.items() if name != "int8"}
    row = results.accuracy_of(card["training"], "int8") if card["training"] in EXPERIMENTS else None
    if row is None:
        return card
    file = f"{card['training']}_int8.tflite"
    timed = [each for each in results.run("published") if each["model"] == file]
    int8 = {"split": row["split"], "images": row["images"], "miou": row["miou"], "agreement": row["agreement"]}
    if timed:
        int8 |= {
            "bytes": timed[0]["bytes"],
            "latency_ms": {str(each["threads"]): each["run_p50_ms"] for each in timed},
            "device": timed[0]["cpu"],
            "runtime": timed[0]["runtime"],
        }
    return {**card, "int8": int8}


def update_cards(results):
    """Write the cards anew that are not what results/ says; return their paths."""
    changed = [path for path, card in cards().items() if with_int8(card, results) != card]
    for path in changed:
        write_json(path, with_int8(cards()[path], results))
    return changed
