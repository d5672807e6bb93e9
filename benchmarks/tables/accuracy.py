"""Tables of accuracy: what was trained, and what quantization, inputs and outputs cost."""

from benchmarks.tables.cells import accuracy_cell, epochs_cell, threads_cell, trained_on_val
from benchmarks.tables.experiments import EXPERIMENTS, HEADLINES, KINDS


def accuracy_table(results):
    """Float and quantized side by side, and the latency of the int8 file."""
    lines = [f"| network, data | float | {' | '.join(KINDS.values())} | int8, ms |"]
    lines.append("|---|" + "---|" * (2 + len(KINDS)))
    times = {}
    for row in results.get("latency_camvid", {}).get("results", []):
        times.setdefault(row["model"], {})[row["threads"]] = row["latency_ms"]["run"]["p50"]
    for name in HEADLINES:
        if f"{name}_float" in results:
            label, _ = EXPERIMENTS[name]
            cells = [accuracy_cell(results.get(f"{name}_{kind}")) for kind in ("float", *KINDS)]
            cells.append(threads_cell(times.get(f"{name}_int8.tflite", {})))
            lines.append(f"| {label} | {' | '.join(cells)} |")
    demo = results.get("demo")
    if demo:
        files = demo["files"]
        cells = [
            f"{100 * demo['keras']['miou']:.2f}",
            *(
                f"{100 * files[name]['miou']:.2f} ({100 * files[name]['agreement']:.2f} %)"
                for name in ("int8 (post-training)", "int8 (quantization-aware)")
            ),
        ]
        lines.append(f"| NDNet45, street scenes ({demo['images']} held out, 256x512) | {' | '.join(cells)} | | |")
    return "\n".join(lines) + "\n"


def drops_table(results):
    """IoU of each class in float, and what each file lost of it, in points."""
    lines = []
    for name, (label, _) in EXPERIMENTS.items():
        before = results.get(f"{name}_float")
        if before is None:
            continue
        files = {kind: results[f"{name}_{kind}"] for kind in KINDS if f"{name}_{kind}" in results}
        lines += ["", f"### {label}", ""]
        lines.append(f"| class | float | {' | '.join(KINDS[kind] for kind in files)} |")
        lines.append("|---|" + "---|" * (1 + len(files)))
        rows = {**before["iou"], "**mIoU**": before.get("miou_present", before["miou"])}
        for cls, value in rows.items():
            after = [
                {**file["iou"], "**mIoU**": file.get("miou_present", file["miou"])}[cls] for file in files.values()
            ]
            if not any((value, *after)):
                continue  # a class that the truth lacks, or that nothing finds
            cells = [f"{100 * (found - value):+.2f}" for found in after]
            lines.append(f"| {cls} | {100 * value:.2f} | {' | '.join(cells)} |")
        cells = [f"{100 * file['agreement']:.2f} %" for file in files.values()]
        lines.append(f"| labels equal to float's | | {' | '.join(cells)} |")
    return "\n".join(lines[1:]) + "\n"


def trainings_table(results):
    """What each training on CamVid took, and its float accuracy."""
    lines = [
        "| training | input | start | epochs | minutes | on | best val mIoU | test mIoU | test pixel accuracy |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (_, start) in EXPERIMENTS.items():
        training, test = results.get(f"{name}_training"), results.get(f"{name}_float")
        if training and test:
            cells = [
                f"[{training['config']['model']}](../configs/{name}.yaml)",
                "x".join(map(str, test["input_size"])),
                start,
                epochs_cell(training),
                f"{training['minutes']:.0f}",
                training["device"].get("gpu", training["device"]["cpu"]),
                "trained on" if trained_on_val(training) else f"{100 * training['best_val_miou']:.1f}",
                f"{100 * test['miou']:.2f}",
                f"{100 * test['pixel_accuracy']:.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def input_size_table(results):
    """Validation mIoU of trained networks at larger inputs, which they were not trained for."""
    names = ["ndnet45_camvid_finetuned", "ndnet45_camvid_finetuned_720x960_gpu", "ndnet45_camvid_scratch"]
    names += ["ndnet45_camvid_trainval_distilled_720x960", "liteseg_mobilenetv2_camvid_scratch"]
    found = {tuple(each["input_size"]) for name, each in results.items() if name.startswith("input_size_")}
    sizes = ["x".join(map(str, size)) for size in sorted(found)]
    lines = [f"| training | {' | '.join(sizes)} |", "|---|" + "---|" * len(sizes)]
    for name in names:
        values = [results.get(f"input_size_{name}_{size}") for size in sizes]
        cells = [f"{100 * value['miou']:.2f}" if value else "" for value in values]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def multi_scale_table(results):
    """Test mIoU of trained networks with their predictions averaged over scales and mirror images."""
    lines = ["| training | test mIoU | averaged | test pixel accuracy | averaged |", "|---|---|---|---|---|"]
    for name in EXPERIMENTS:
        averaged = results.get(f"{name}_float_multi_scale")
        if averaged:
            pairs = ((each[key] for each in (results[f"{name}_float"], averaged)) for key in ("miou", "pixel_accuracy"))
            lines.append(f"| `{name}` | {' | '.join(f'{100 * value:.2f}' for pair in pairs for value in pair)} |")
    return "\n".join(lines) + "\n"


def outputs_table(results):
    """mIoU and latency of each output that an int8 file can have."""
    lines = [
        "| `--upsampling` | `--output_type` | output | mIoU | labels equal to float's | 1 thread | 2 threads |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = results.get("latency_outputs_360x480", {}).get("results", [])
    for model in dict.fromkeys(row["model"] for row in rows):
        variant = model.removesuffix(".tflite")
        accuracy = results[f"outputs_{variant}"]
        ours = {row["threads"]: row for row in rows if row["model"] == model}
        (output,) = ours[1]["outputs"]
        upsampling, _, kind = variant.partition("_")
        cells = [
            f"`{upsampling}`",
            f"`{kind}`",
            f"{output['dtype']} {'x'.join(map(str, output['shape'][1:]))}",
            accuracy_cell(accuracy | {"agreement": None}),
            f"{100 * accuracy['agreement']:.2f} %",
            *(f"{ours[threads]['latency_ms']['run']['p50']:.2f} ms" for threads in (1, 2)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sensitivity_table(results):
    """The layers of the Cityscapes network that int8 costs most in, with the share of the sum over all layers."""
    errors = results.get("ndnet45_cityscapes_sensitivity", {}).get("kl", {})
    total = sum(errors.values())
    lines = ["| layer | KL(float \\|\\| layer in int8) | share |", "|---|---|---|"]
    for name, error in list(errors.items())[:8]:
        lines.append(f"| `{name}` | {error:.1e} | {100 * error / total:.0f} % |")
    return "\n".join(lines) + "\n"
