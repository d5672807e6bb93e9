"""What the published networks would take on NPUs, as the NPUs' compilers predict it, and their mIoU. No NPU runs.

  python -m benchmarks.npu --data_dir CAMVID --output results/npu.json
  python -m benchmarks.npu --data_dir CAMVID --networks ndnet45 --output results/npu.json

Every network is exported as int8: at its published size, as `liteseg export` does it without and with --npu, and with
--npu at 2/3, 1/2 and 1/3 of that. The files are compiled for each NPU. Those with --npu that give the scores as small
as the network makes them run in LiteRT over pictures of CamVid's split test, evenly spread; at the published size, the
labels are compared with those of the file without --npu. After an interruption, the same command goes on with what is
missing.
"""

import copy
import pathlib
import sys
import tempfile

import click

from benchmarks import json_result
from benchmarks.tables.npu import key
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.logs import quiet_log

TARGETS = ("ethos-u:u55-256", "ethos-u:u65-512", "ethos-u:u85-512")
SHARES = (1, 2 / 3, 1 / 2, 1 / 3)
CALIBRATION_IMAGES = 16


@command("npu", __doc__)
@options.folder("--data_dir", "Folder of CamVid.", required=True)
@click.option("--networks", type=options.CommaList(empty=True), default="", help="Networks; all published by default.")
@options.whole("--images", 25, "Pictures of the split test; more than there are for all of them.")
@options.file("--output", "JSON file for the result.", required=True)
def main(data_dir, networks, images, output):
    start_keras()
    from edge import targets
    from keras_liteseg import load_dataset
    from keras_liteseg.files import require_writable
    from keras_liteseg.models.pretrained import list_pretrained

    require_writable(output)
    for target in TARGETS:
        targets.check(target)
    training, test = (load_dataset("camvid", data_dir, split) for split in ("train", "test"))
    done = {key(row) for row in json_result.read(output).get("rows", [])}
    for card in list_pretrained():
        if networks and card.model not in networks:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for file in files(card.model, card.name, card.input_size):
                if done >= {key({**file, "target": target}) for target in TARGETS}:
                    continue
                path = _export(folder, file, training)
                accuracy = {}
                if file["upsampling"] == "none" and file["npu"] != "none":
                    plain = {**file, "npu": "none"}
                    compared = tuple(file["input_size"]) == tuple(card.input_size)
                    accuracy = _accuracy(path, _export(folder, plain, training) if compared else None, test, images)
                rows = []
                for target in TARGETS:
                    rows.append({**file, "target": target, "kind": "predicted", **accuracy, **_predict(path, target)})
                    print(_line(rows[-1]), flush=True)
                json_result.add(output, {"kind": "npu"}, rows, key)
    print(f"Wrote {output}")


def files(network, checkpoint, published):
    """Return the files of a network to predict, as dicts of what they are; `published` is its size (height, width)."""
    sizes = dict.fromkeys(size_at(published, share) for share in SHARES)
    wanted = [(size, "ethos-u", "none") for size in sizes]
    wanted += [(tuple(published), *each) for each in (("ethos-u", "full"), ("none", "none"), ("none", "full"))]
    return [
        {"network": network, "checkpoint": checkpoint, "input_size": list(size), "npu": npu, "upsampling": upsampling}
        for size, npu, upsampling in wanted
    ]


def size_at(published, share):
    """Return a share of a size (height, width), in multiples of 32, which all networks take, except the whole."""
    return tuple(published) if share == 1 else tuple(max(round(share * side / 32), 1) * 32 for side in published)


def _export(folder, file, training):
    from keras_liteseg import CalibrationOptions, ExportOptions, export

    size = "x".join(map(str, file["input_size"]))
    path = pathlib.Path(folder) / f"{size}_{file['npu']}_{file['upsampling']}.tflite"
    if not path.exists():
        with quiet_log():
            export(
                file["network"],
                path,
                ExportOptions(quantization="int8", upsampling=file["upsampling"], npu=file["npu"]),
                CalibrationOptions(training, CALIBRATION_IMAGES),
                checkpoint=file["checkpoint"],
                input_size=file["input_size"],
            )
    return path


def _accuracy(path, plain, test, images):
    """Return the mIoU of a file, on how many pictures, and the share of labels that the file `plain` gives too."""
    from keras_liteseg import load_predictor
    from keras_liteseg.evaluation import measure, summarize

    some = _some(test, images)
    reference = load_predictor(str(plain)) if plain else None
    found = summarize(measure(load_predictor(str(path)), some, reference, progress=False), test.classes)
    return {"miou": found.miou, "images": found.images, "equal_to_plain": found.agreement}


def _some(dataset, count):
    """Return a data set of a number of the pictures of another, evenly spread."""
    from keras_liteseg.inference.predictor import evenly_spread

    part, indices = copy.copy(dataset), list(evenly_spread(count, len(dataset)))

    class Part(type(dataset)):
        def __len__(self):
            return len(indices)

        def sample_id(self, index):
            return dataset.sample_id(indices[index])

        def files(self, index):
            return dataset.files(indices[index])

        def image(self, index):
            return dataset.image(indices[index])

        def mask(self, index):
            return dataset.mask(indices[index])

    part.__class__ = Part
    return part


def _predict(path, target):
    from edge.targets import MeasurementFailed, ethos_u

    try:
        return ethos_u.compiled(path, target.partition(":")[2])
    except MeasurementFailed as failure:
        return {"failed": str(failure)}


def _line(row):
    size = "x".join(map(str, row["input_size"]))
    what = f"{row['network']} {row['checkpoint']} {size} {row['upsampling']}, --npu {row['npu']}, on {row['target']}"
    if "failed" in row:
        return f"{what}: {row['failed']}"
    left = sum(entry["count"] for entry in row["delegation"]["other_ops"])
    sram = row["memory_kib"]["sram"]
    miou = f", mIoU {100 * row['miou']:.1f}" if "miou" in row else ""
    return f"{what}: {row['time_ms']:.2f} ms of the NPU, {left} ops on the CPU, {sram:g} KiB of SRAM{miou}"


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.npu"))
