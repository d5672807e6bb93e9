"""The labels of the published networks' int8 files beside those of the float networks, on frames of another data set.

  python -m benchmarks.agreement --files runs/files --data_dir CITYSCAPES --output results/agreement.json

The files are those of `benchmarks/camvid.sh`: TRAINING_int8.tflite, and TRAINING_int8_qat.tflite where it is there, of
quantization-aware training. The networks know CamVid's classes and streets, and run on the frames of Cityscapes' split
val; labels are compared at the frames' size. A label is decided where the float network's best class leads the next by
at least `LEAD` in probability. What the output says already of a file that is not there stays.
"""

import pathlib
import sys

import numpy as np

from benchmarks import json_result
from benchmarks.tables.cards import cards
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError

LEAD = 0.1


@command("agreement", __doc__)
@options.folder("--files", "Folder of the int8 files.", required=True)
@options.folder("--data_dir", "Folder of Cityscapes.", required=True)
@options.file("--output", "JSON file for the result.", required=True)
def main(files, data_dir, output):
    start_keras()
    from keras_liteseg import load_dataset, load_predictor
    from keras_liteseg.files import require_writable
    from keras_liteseg.provenance import provenance

    require_writable(output)
    dataset = load_dataset("cityscapes", data_dir, "val")
    images = [dataset.image(index) for index in range(len(dataset))]
    known, found = {key(row) for row in json_result.read(output).get("rows", [])}, []
    for path, card in cards().items():
        network, _, checkpoint = path.stem.rpartition("-")
        for kind in ("int8", "int8_qat"):
            file = pathlib.Path(files, f"{card['training']}_{kind}.tflite")
            if file.exists():
                reference = load_predictor(network, checkpoint, card["input_size"])
                row = {"network": network, "checkpoint": checkpoint, "training": card["training"], "kind": kind}
                row |= {"input_size": card["input_size"], **compare(reference, load_predictor(str(file)), images)}
                print(row, flush=True)
                found.append(row)
            elif kind == "int8" and (card["training"], kind) not in known:
                raise UserError(f"{file} is not there; make it: sh benchmarks/camvid.sh {card['training']}")
    header = {"kind": "agreement", "data": "cityscapes", "split": "val", "images": len(images), "lead": LEAD}
    json_result.update(
        output, lambda before: {**header, "rows": published(before.get("rows", []), found), **provenance()}
    )
    print(f"Wrote {output}")


def key(row):
    """Return what tells a row from all others."""
    return row["training"], row["kind"]


def published(rows, new):
    """Return rows, with `new` ones in the place of those of the same files, of the networks that are published, in
    their order."""
    place = {card["training"]: number for number, card in enumerate(cards().values())}
    kept = [row for row in json_result.merged(rows, new, key) if row["training"] in place]
    return sorted(kept, key=lambda row: (place[row["training"]], row["kind"]))


def compare(reference, file, images):
    """Return shares of pixels: `equal` labels, `decided` ones, and `equal_decided`, the equal ones among these.

    Args:
        reference: the float network's `Predictor`, which gives logits.
        file: the `Predictor` of the int8 file.
        images: as the networks take them, (height, width, channels).
    """
    equal, decided = [], []
    for image in images:
        labels, lead = labels_and_lead(reference, image)
        equal.append((labels == file.labels(image)).ravel())
        decided.append((lead >= LEAD).ravel())
    equal, decided = np.concatenate(equal), np.concatenate(decided)
    shares = {"equal": equal, "decided": decided, "equal_decided": equal[decided]}
    return {name: round(float(np.mean(share)), 5) for name, share in shares.items()}


def labels_and_lead(predictor, image):
    """Return a network's labels of an image, and by how much probability the best class leads the next, each (height,
    width)."""
    from keras_liteseg.inference.predictor import logits_at

    logits = logits_at(predictor.logits(image), image.shape[:2])
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    best = np.partition(odds, -2, axis=-1)[..., -2:] / odds.sum(-1, keepdims=True)
    return logits.argmax(-1), best[..., 1] - best[..., 0]


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.agreement"))
