"""Tables of accuracy: what was trained, and what quantization, inputs and outputs cost."""

import os
from fractions import Fraction

from benchmarks.tables.cells import accuracy_cell, epochs_cell, threads_cell, val_cell
from benchmarks.tables.experiments import EXPERIMENTS, HEADLINES, KINDS, config_path, seen_by


def headlines_table(results):
    """The networks of `HEADLINES`: float, int8 file and its latency."""
    lines = [
        "| network | trained | seen | input | float mIoU | int8 mIoU | int8 latency, ms |",
        "|---|---|---|---|---|---|---|",
    ]
    times = results.times_of("published")
    for name in HEADLINES:
        float_row, int8_row = (results.accuracy_of(name, kind) for kind in ("float", "int8"))
        if float_row and int8_row:
            cells = [
                EXPERIMENTS[name].network,
                EXPERIMENTS[name].how,
                seen_by(name, results.trainings),
                float_row["input_size"],
                *(f"{100 * row['miou']:.1f}" for row in (float_row, int8_row)),
                threads_cell(times.get(f"{name}_int8.tflite", {})),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def accuracy_table(results):
    """Float and quantized side by side, of what was quantized."""
    lines = [f"| network | input | float | {' | '.join(KINDS.values())} |"]
    lines.append("|---|---|---|" + "---|" * len(KINDS))
    for name, experiment in EXPERIMENTS.items():
        float_row, *files = (results.accuracy_of(name, kind) for kind in ("float", *KINDS))
        if float_row and any(files):
            cells = [f"{experiment.network}, {experiment.how}", float_row["input_size"]]
            cells += [accuracy_cell(row) for row in (float_row, *files)]
            lines.append(f"| {' | '.join(cells)} |")
    demo = results.documents.get("demo")
    if demo:
        quantized = [demo["files"][f"int8 ({kind})"] for kind in ("post-training", "quantization-aware")]
        cells = [accuracy_cell(row) for row in (demo["keras"], *quantized)]
        lines.append(f"| NDNet45, the street scenes of `make demo` | 256x512 | {' | '.join(cells)} | |")
    return "\n".join(lines) + "\n"


def agreement_table(results):
    """The published networks: float and int8 on CamVid, and the int8 file's labels there and on Cityscapes frames."""
    columns = ["network", "weights", "input", "int8", "float mIoU", "int8 mIoU", "equal labels"]
    columns += ["on the Cityscapes frames", "decided there", "equal among these"]
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---|" * (len(columns) - 1)]
    for row in results.documents.get("agreement", {"rows": []})["rows"]:
        both = [results.accuracy_of(row["training"], kind) for kind in ("float", row["kind"])]
        cells = [f"`{row['network']}`", f"`{row['checkpoint']}`", "x".join(map(str, row["input_size"]))]
        cells.append(KINDS[row["kind"]].removeprefix("int8, "))
        cells += [f"{100 * each['miou']:.2f}" if each else "" for each in both]
        cells.append(f"{100 * both[1]['agreement']:.2f} %" if both[1] else "")
        cells += [f"{100 * row[name]:.2f} %" for name in ("equal", "decided", "equal_decided")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def per_class_table(results):
    """IoU of each class in float, and what each file lost of it, in points."""
    lines = []
    for name, experiment in EXPERIMENTS.items():
        before = results.accuracy_of(name, "float")
        if before is None:
            continue
        files = {kind: results.accuracy_of(name, kind) for kind in KINDS if results.accuracy_of(name, kind)}
        lines += ["", f"## {experiment.network}, {experiment.how}, {before['input_size']}", ""]
        lines.append(f"| class | {' | '.join(['float', *(KINDS[kind] for kind in files)])} |")
        lines.append("|---|" + "---|" * (1 + len(files)))
        columns = [_with_mean(results, name, kind) for kind in ("float", *files)]
        for each, value in columns[0].items():
            after = [column[each] for column in columns[1:]]
            if not any((value, *after)):
                continue  # a class that the ground truth lacks, or that nothing finds
            cells = [f"{100 * value:.2f}", *(f"{100 * (found - value):+.2f}" for found in after)]
            lines.append(f"| {each} | {' | '.join(cells)} |")
        if files:
            cells = [f"{100 * row['agreement']:.2f} %" for row in files.values()]
            lines.append(f"| labels equal to float's | | {' | '.join(cells)} |")
    return "\n".join(lines[1:]) + "\n"


def _with_mean(results, name, kind):
    return {**results.class_iou_of(name, kind), "**mIoU**": results.accuracy_of(name, kind)["miou_present"]}


def trainings_table(results):
    """What each training on CamVid took, and its float accuracy."""
    columns = ["training", "input", "starts from", "taught by", "seen", "epochs", "minutes", "on"]
    columns += ["best val mIoU", "test mIoU", "test pixel accuracy"]
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---|" * (len(columns) - 1)]
    numbers = {name: number for number, name in enumerate(results.trainings, 1)}
    for name, training in results.trainings.items():
        test, experiment = results.accuracy_of(name, "float"), EXPERIMENTS[name]
        if test:
            link = os.path.relpath(config_path(name), "docs")
            cells = [
                f"{numbers[name]}. [{experiment.network}]({link})",
                test["input_size"],
                *(_number_cell(other, numbers) for other in (experiment.start, experiment.teacher)),
                seen_by(name, results.trainings),
                epochs_cell(training),
                f"{training['minutes']:.0f}",
                training["gpu"] or training["cpu"],
                val_cell(training),
                f"{100 * test['miou']:.2f}",
                f"{100 * test['pixel_accuracy']:.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number_cell(name, numbers):
    """Return the number of another training in the table, or the words that stand for what is none."""
    return f"no. {numbers[name]}" if name in numbers else name


def input_size_table(results):
    """Validation mIoU of trained networks at larger inputs, which they were not trained for."""
    found = {
        (training, size): row
        for (training, variant, split, size), row in results.accuracy.items()
        if (variant, split) == ("float", "val") and training != "ndnet45_cityscapes"
    }
    sizes = sorted({size for _, size in found}, key=lambda size: tuple(map(int, size.split("x"))))
    lines = [f"| training | {' | '.join(sizes)} |", "|---|" + "---|" * len(sizes)]
    for name in (name for name in EXPERIMENTS if name in {training for training, _ in found}):
        values = [found.get((name, size)) for size in sizes]
        cells = [f"{100 * value['miou']:.2f}" if value else "" for value in values]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def multi_scale_table(results):
    """Test mIoU of trained networks with their predictions averaged over scales and mirror images."""
    lines = ["| training | test mIoU | averaged | test pixel accuracy | averaged |", "|---|---|---|---|---|"]
    for name in EXPERIMENTS:
        averaged = results.accuracy_of(name, "float_multi_scale")
        if averaged:
            both = results.accuracy_of(name, "float"), averaged
            cells = [f"{100 * row[key]:.2f}" for key in ("miou", "pixel_accuracy") for row in both]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def tiles_table(results):
    """Labels from tiles of several overlaps, and from resizing, beside those of the network at the frame's size."""
    lines = [
        "| network | frame | labels equal to the whole frame's, % | near seams | elsewhere | mIoU |",
        "|---|---|---|---|---|---|",
    ]
    ways = {"whole": "whole", "resized": "resized to a tile"}
    for row in results.documents.get("tiles", {}).get("labels", []):
        way = ways.get(row["way"]) or f"tiles, {Fraction(row['way'])} in common"
        shares = [row.get(key) for key in ("equal", "equal_at_seams", "equal_elsewhere", "miou_present")]
        cells = [f"`{row['network']}`, {row['classes']} classes", way]
        cells += ["" if share is None else f"{100 * share:.1f}" for share in shares]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def large_pictures_table(results):
    """Peak memory of `liteseg predict --tiles`."""
    lines = ["| picture | as RGB | peak memory |", "|---|---|---|"]
    for row in results.documents.get("tiles", {}).get("memory", []):
        length = row["length"]
        lines.append(f"| {length}x{length} | {3 * length**2 / 2**20:.0f} MB | {row['peak_memory_mb']} MB |")
    return "\n".join(lines) + "\n"


def outputs_table(results):
    """mIoU and latency of each output that an int8 file can have."""
    lines = [
        "| `--upsampling` | `--output_type` | output | mIoU | labels equal to float's | 1 thread | 2 threads |",
        "|---|---|---|---|---|---|---|",
    ]
    outputs = {row["model"]: row["outputs"] for row in results.run("outputs_360x480")}
    for model, times in results.times_of("outputs_360x480").items():
        variant = model.removesuffix(".tflite")
        accuracy = results.accuracy["ndnet45_camvid_finetuned", f"int8_{variant}", "val", "360x480"]
        upsampling, _, kind = variant.partition("_")
        cells = [
            f"`{upsampling}`",
            f"`{kind}`",
            outputs[model].replace(" 1x", " "),  # without the batch
            f"{100 * accuracy['miou_present']:.2f}",
            f"{100 * accuracy['agreement']:.2f} %",
            *(f"{times[threads]:.2f} ms" for threads in (1, 2)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sensitivity_table(results):
    """The layers of the Cityscapes network that int8 costs most in, with the share of the sum over all layers."""
    errors = results.documents.get("ndnet45_cityscapes_sensitivity", {}).get("kl", {})
    total = sum(errors.values())
    lines = ["| layer | KL(float \\|\\| layer in int8) | share |", "|---|---|---|"]
    for name, error in list(errors.items())[:6]:
        lines.append(f"| `{name}` | {error:.1e} | {100 * error / total:.0f} % |")
    return "\n".join(lines) + "\n"
