"""What the published networks would take on NPUs, as the NPUs' compilers predict it. Nothing runs.

  python -m benchmarks.npu --output results/npu.json

Every network is exported as int8 at its published size and at others (see `sizes`), with logits of the image's size and
with those that the network makes, and compiled for each NPU. Scales of few pictures do: the times depend on the shapes
and, a little, on the weights. After an interruption, the same command goes on with what is missing.
"""

import json
import os
import pathlib
import sys
import tempfile

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError
from keras_liteseg.logs import quiet_log

TARGETS = ("ethos-u:u55-256", "ethos-u:u65-512", "ethos-u:u85-512")
UPSAMPLINGS = ("full", "none")
CALIBRATION_IMAGES = 2


@command("npu", __doc__)
@click.option("--networks", type=options.CommaList(empty=True), default="", help="Networks; all published by default.")
@options.file("--output", "JSON file for the result.", required=True)
def main(networks, output):
    start_keras()
    from edge import targets
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.models.pretrained import list_pretrained
    from keras_liteseg.provenance import provenance

    require_writable(output)
    for target in TARGETS:
        targets.check(target)
    rows = _rows_so_far(output)
    for card in list_pretrained():
        if networks and card.model not in networks:
            continue
        for size in sizes(card.model, card.input_size):
            for upsampling in UPSAMPLINGS:
                file = (card.model, card.name, size, upsampling)
                missing = [target for target in TARGETS if (*file, target) not in rows]
                if not missing:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        path = _export(pathlib.Path(folder) / "model.tflite", *file)
                    except UserError as error:
                        print(f"{card.model} {card.name} {size} {upsampling} cannot be exported: {error}", flush=True)
                        continue
                    for target in missing:
                        rows[*file, target] = _predict(path, file, target)
                        print(_line(rows[*file, target]), flush=True)
                ordered = [rows[key] for key in sorted(rows)]
                write_json(output, {"kind": "npu", "rows": ordered, **provenance()})
    print(f"Wrote {output}")


def sizes(network, published):
    """Return the sizes (height, width) to try: the published one, where mIoU was measured, those near it at which an
    NPU can upsample, if there are any, and one of half its sides."""
    halves = tuple(side // 2 for side in published)
    if network.startswith(("ndnet", "liteseg")):  # a pixel more, for whole factors with align_corners
        near = [tuple(side // 32 * 32 + 1 for side in size) for size in (published, halves)]
        if network.startswith("ndnet"):  # 16n + 8: the inner resize has the factor 2, from n + 1 to 2n + 1 positions
            near.insert(0, tuple(side // 16 * 16 + 8 for side in published))
    else:  # PP-LiteSeg has no align_corners, and LPS-Net no whole factors
        near = [tuple(side // 32 * 32 for side in halves)]
    return list(dict.fromkeys([tuple(published), *near]))


def _export(path, network, checkpoint, size, upsampling):
    from keras_liteseg import CalibrationOptions, ExportOptions, export

    calibration = CalibrationOptions(None, CALIBRATION_IMAGES, cross_layer_equalization=False, bias_correction=False)
    with quiet_log():
        export(
            network,
            path,
            ExportOptions(quantization="int8", upsampling=upsampling),
            calibration,
            checkpoint=checkpoint,
            input_size=size,
        )
    return path


def _predict(path, file, target):
    from edge.targets import MeasurementFailed, ethos_u

    network, checkpoint, size, upsampling = file
    try:
        found = ethos_u.compiled(path, target.partition(":")[2])
    except MeasurementFailed as failure:
        found = {"failed": str(failure)}
    return {
        "network": network,
        "checkpoint": checkpoint,
        "input_size": list(size),
        "upsampling": upsampling,
        "target": target,
        "kind": "predicted",
        **found,
    }


def _rows_so_far(path):
    if not os.path.exists(path):
        return {}
    return {
        (row["network"], row["checkpoint"], tuple(row["input_size"]), row["upsampling"], row["target"]): row
        for row in json.loads(pathlib.Path(path).read_text())["rows"]
    }


def _line(row):
    size = "x".join(map(str, row["input_size"]))
    what = f"{row['network']} {row['checkpoint']} {size} {row['upsampling']} on {row['target']}"
    if "failed" in row:
        return f"{what}: {row['failed']}"
    left = sum(entry["count"] for entry in row["delegation"]["other_ops"])
    sram = row["memory_kib"]["sram"]
    return f"{what}: {row['time_ms']:.2f} ms of the NPU, {left} ops on the CPU, {sram:g} KiB of SRAM"


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.npu"))
