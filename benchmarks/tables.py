"""Write the tables of README.md and docs/ from the measurements in results/ and the cards in pretrained/.

    python -m benchmarks.tables            rewrites them
    python -m benchmarks.tables --check    fails when one is not what the results say
"""

import json
import pathlib

import yaml
from absl import flags

from keras_liteseg import cli
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLAGS = flags.FLAGS
flags.DEFINE_bool("check", False, "Compare only; exit status 1 when a page is out of date.")


# Name of the recipe and the results: (what it is, what the training started from).
EXPERIMENTS = {
    "ndnet45_cityscapes": ("NDNet45, official weights, 2 Cityscapes val frames (1024x2048)", ""),
    "ndnet45_camvid_finetuned": ("NDNet45, CamVid test, from the official Cityscapes weights", "Cityscapes"),
    "ndnet45_camvid_finetuned_720x960": (
        "NDNet45, CamVid test at 720x960, the one above trained further",
        "the one above",
    ),
    "ndnet45_camvid_finetuned_720x960_gpu": (
        "NDNet45, CamVid test at 720x960, from the official Cityscapes weights, on a GPU",
        "Cityscapes",
    ),
    "ndnet45_camvid_finetuned_trainval_864x1152": (
        "NDNet45, CamVid test at 864x1152, from the official Cityscapes weights, train and val",
        "Cityscapes",
    ),
    "ndnet45_camvid_scratch": ("NDNet45, CamVid test, from scratch", "scratch"),
    "ndnet45_camvid_distilled_720x960": (
        "NDNet45, CamVid test at 720x960, from scratch, distilled",
        "the one above, distilled",
    ),
    "ndnet45_camvid_trainval_720x960": (
        "NDNet45, CamVid test at 720x960, from scratch, train and val",
        "scratch at 360x480",
    ),
    "ndnet45_camvid_trainval_distilled_720x960": (
        "NDNet45, CamVid test at 720x960, from scratch, train and val, distilled",
        "the one above, distilled",
    ),
    "ndnet45_camvid_trainval_720x960_gpu": (
        "NDNet45, CamVid test at 720x960, from scratch, train and val, on a GPU",
        "scratch",
    ),
    "pp_liteseg_t_camvid_scratch": ("PP-LiteSeg-T, CamVid test at 384x512, from scratch", "scratch"),
    "pp_liteseg_t_camvid_trainval_720x960": (
        "PP-LiteSeg-T, CamVid test at 720x960, from scratch, train and val",
        "scratch",
    ),
    "liteseg_mobilenetv2_camvid_scratch": (
        "LiteSeg-MobileNetV2, CamVid test at 384x512, from scratch",
        "scratch",
    ),
    "liteseg_mobilenetv2_camvid_distilled_576x768": (
        "LiteSeg-MobileNetV2, CamVid test at 576x768, from scratch, distilled",
        "the one above, distilled",
    ),
    "liteseg_mobilenetv2_camvid_trainval_720x960": (
        "LiteSeg-MobileNetV2, CamVid test at 720x960, from scratch, train and val",
        "scratch",
    ),
    "lps_net_s_camvid_scratch": ("LPS-Net-S, CamVid test, from scratch", "scratch"),
    "lps_net_s_camvid_distilled_720x960": (
        "LPS-Net-S, CamVid test at 720x960, from scratch, distilled",
        "the one above, distilled",
    ),
    "lps_net_s_camvid_trainval_720x960": ("LPS-Net-S, CamVid test at 720x960, from scratch, train and val", "scratch"),
    "lps_net_expanded_camvid_scratch": ("LPS-Net of the expansion's round 7, CamVid test, from scratch", "scratch"),
    "lps_net_expanded_round8_camvid_scratch": (
        "LPS-Net of the expansion's round 8, CamVid test, from scratch",
        "scratch",
    ),
    "lps_net_expanded_camvid_trainval_720x960": (
        "LPS-Net of the expansion's round 7, CamVid test at 720x960, from scratch, train and val",
        "scratch",
    ),
}
# By one recipe each: LPS-Net-S, what the expansion found, and the last network of its path.
EXPANDED = (
    "lps_net_s_camvid_scratch",
    "lps_net_expanded_camvid_scratch",
    "lps_net_expanded_round8_camvid_scratch",
    "lps_net_s_camvid_trainval_720x960",
    "lps_net_expanded_camvid_trainval_720x960",
)
KINDS = {"int8": "int8, post-training", "int8_qat": "int8, quantization-aware", "int16x8": "16x8, post-training"}


def main():
    results = load_results(ROOT / "results")
    for name, tables in PAGES.items():
        page = ROOT / name
        text = page.read_text()
        updated = with_tables(text, tables, results)
        if FLAGS.check:
            if updated != text:
                raise UserError(f"The tables in {name} are not those of results/; run python -m benchmarks.tables.")
        elif updated != text:
            with atomic_path(page) as temporary:
                temporary.write_text(updated)
            print(f"Wrote {name}")


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


def accuracy_table(results):
    """Float and quantized side by side for each training and data set that was measured."""
    lines = [f"| network, data | float | {' | '.join(KINDS.values())} | int8, ms |"]
    lines.append("|---|" + "---|" * (2 + len(KINDS)))
    times = {}
    for row in results.get("latency_camvid", {}).get("results", []):
        times.setdefault(row["model"], {})[row["threads"]] = row["latency_ms"]["run"]["p50"]
    for name, (label, _) in EXPERIMENTS.items():
        if f"{name}_float" in results:
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
                f"[{training['recipe']['model']}](../configs/{name}.yaml)",
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


def epochs_cell(training):
    """Return the epochs, of a training that was stopped with those that it was to have."""
    done, planned = training["epochs"], training["recipe"]["epochs"]
    return str(done) if done == planned else f"{done} of {planned}"


def trained_on_val(training):
    """Return whether a training saw the validation split, whose mIoU then says nothing."""
    return training["recipe"]["data_options"].get("train", {}).get("split") == "trainval"


def input_size_table(results):
    """Validation mIoU of trained networks at larger inputs, which they were not trained for."""
    names = ["ndnet45_camvid_finetuned", "ndnet45_camvid_finetuned_720x960_gpu"]
    names += ["ndnet45_camvid_scratch", "liteseg_mobilenetv2_camvid_scratch"]
    found = {tuple(each["input_size"]) for name, each in results.items() if name.startswith("input_size_")}
    sizes = ["x".join(map(str, size)) for size in sorted(found)]
    lines = [f"| training | {' | '.join(sizes)} |", "|---|" + "---|" * len(sizes)]
    for name in names:
        values = [results.get(f"input_size_{name}_{size}") for size in sizes]
        cells = [f"{100 * value['miou']:.2f}" if value else "" for value in values]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def threads_cell(times, digits=1):
    """Return the latencies of {number of threads: ms} in one cell."""
    return " / ".join(f"{time:.{digits}f}" for _, time in sorted(times.items()))


def percent_cell(result):
    """Return the mIoU of a card, which has none on a split that was trained on."""
    return f"{100 * result['miou']:.1f}" if result else "trained on"


def accuracy_cell(result):
    if result is None:
        return ""
    # Over the classes of the truth: on a few images, one pixel of another class would weigh as much as a class.
    cell = f"{100 * result.get('miou_present', result['miou']):.2f}"
    return cell if result["agreement"] is None else f"{cell} ({100 * result['agreement']:.2f} %)"


def latency_table(results):
    """Latency of NDNet45's files, with the ratio to float32 at the same number of threads."""
    lines = [
        "| file | size | 1 thread, p50 | 2 threads, p50 | against float32 | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    rows = results.get("latency_networks_512x1024", {}).get("results", [])
    rows = [row for row in rows if row["network"] == "ndnet45"]
    for model in dict.fromkeys(row["model"] for row in rows):
        ours = [row for row in rows if row["model"] == model]
        times = {row["threads"]: row["latency_ms"]["run"]["p50"] for row in ours}
        base = {row["threads"]: row["latency_ms"]["run"]["p50"] for row in rows if row["model"] == rows[0]["model"]}
        ratio = " / ".join(f"{base[count] / times[count]:.2f}" for count in sorted(times))
        memory = max(row["peak_memory_mb"]["model"] for row in ours)
        cells = [f"{ours[0]['bytes'] / 1e6:.2f} MB"]
        cells += [f"{times[count]:.1f} ms" if count in times else "" for count in (1, 2)]
        lines.append(f"| {model} | {' | '.join(cells)} | {ratio} x | {memory:.0f} MB |")
    return "\n".join(lines) + "\n"


def networks_table(results):
    """Size, cost, published numbers and our own of every network."""
    lines = [
        "| network | parameters | MACs | mIoU published | frames/s published | CamVid test mIoU | float32 | int8 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    published = yaml.safe_load((ROOT / "benchmarks" / "published.yaml").read_text())
    times = {}
    for row in results.get("latency_networks_512x1024", {}).get("results", []):
        ours = times.setdefault((row["network"], row["precision"]), {})
        ours[row["threads"]] = row["latency_ms"]["run"]["p50"]
    for name, size in results.get("networks", {}).get("networks", {}).items():
        accuracy = max(filter(None, map(results.get, from_scratch(name))), key=lambda each: each["miou"], default=None)
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
    """Return the names of the results on CamVid of a network that was trained from scratch, without a teacher."""
    ours = [name for name in EXPERIMENTS if name.startswith(f"{network}_camvid_")]
    return [f"{name}_float" for name in ours if "from scratch" in EXPERIMENTS[name][0] and "distilled" not in name]


def published_cells(entry):
    """Return the cells of published mIoU, which links to its source, and published speed."""
    if entry is None:
        return "", ""
    miou, source = f"{entry['miou']} {entry['miou_of']}", entry["source"]
    miou = f"[{miou}]({source})" if source.startswith("http") else f"{miou} ({source})"
    return miou, f"{entry['fps']} ({entry['fps_of']})"


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


def runtimes_table(results):
    """Latency of one network of each family in every runtime."""
    result = results.get("runtimes_512x1024", {"results": [], "ratios": []})
    rows = result["results"]
    kinds = list(dict.fromkeys((row["runtime"], row["precision"]) for row in rows))
    lines = [
        f"| network | threads | {' | '.join(map(' '.join, kinds))} | our int8 against the best other |",
        "|---|---|" + "---|" * (len(kinds) + 1),
    ]
    ratios = {(each["model"], each["threads"]): each for each in result["ratios"]}
    for model, threads in dict.fromkeys((row["model"], row["threads"]) for row in rows):
        ours = [row for row in rows if (row["model"], row["threads"]) == (model, threads)]
        times = {
            (row["runtime"], row["precision"]): (
                f"{row['latency_ms']['p50']:.1f} ms" if row["status"] == "ok" else "failed"
            )
            for row in ours
        }
        best = ratios[model, threads]
        cells = [f"`{model}`", str(threads), *(times[kind] for kind in kinds)]
        lines.append(f"| {' | '.join(cells)} | {best['ratio']:.2f} x ({best['best_other']}) |")
    return "\n".join(lines) + "\n"


def training_speed_table(results):
    """Images per second of a training step."""
    lines = ["| | images/s |", "|---|---|"]
    for name, speed in results.get("training_speed", {}).get("images_per_second", {}).items():
        lines.append(f"| {name} | {speed:.1f} |")
    return "\n".join(lines) + "\n"


def expansion_table(results):
    """The path of the search on CamVid, with the latency of the published networks."""
    lines = ["| round | network | int8, ms | timed together, ms | val mIoU | candidates |", "|---|---|---|---|---|---|"]
    search = results.get("expansion_camvid", {"rounds": [], "published_ms": {}, "final_ms": {}})
    final = search["final_ms"]
    for number, found in enumerate(search["rounds"]):
        nodes = {node["name"]: node for node in [found["base"], *found["candidates"]]}
        if not number:
            lines.append(_node_row("", found["base"], "", final))
        if found["chosen"]:
            lines.append(_node_row(number + 1, nodes[found["chosen"]], len(found["candidates"]), final))
    lines += [f"| | `{name}` | {time:.2f} | {final[name]:.2f} | | |" for name, time in search["published_ms"].items()]
    return "\n".join(lines) + "\n"


def _node_row(number, node, candidates, final):
    times = f"{node['latency_ms']:.2f} | {final[node['name']]:.2f}"
    return f"| {number} | `{node['name']}` | {times} | {100 * node['miou']:.1f} | {candidates} |"


def expanded_table(results):
    """The networks of `EXPANDED`, those with one input size trained by one recipe."""
    lines = [
        "| network | input | int8 file | ms, 1 / 2 threads | val mIoU | test mIoU, float | int8 | int8, QAT |",
        "|---|---|---|---|---|---|---|---|",
    ]
    times, size = {}, {}
    for row in results.get("latency_expansion_360x480", {}).get("results", []):
        times.setdefault(row["model"], {})[row["threads"]] = row["latency_ms"]["run"]["p50"]
        size[row["model"]] = f"{row['bytes'] / 1e6:.2f} MB"
    for name in EXPANDED:
        training, test = results.get(f"{name}_training"), results.get(f"{name}_float")
        if training and test:
            cells = [
                f"`{training['recipe']['model']}`",
                "x".join(map(str, test["input_size"])),
                size.get(f"{name}_int8.tflite", ""),
                threads_cell(times.get(f"{name}_int8.tflite", {}), digits=2),
                "trained on" if trained_on_val(training) else f"{100 * training['best_val_miou']:.1f}",
                *(accuracy_cell(results.get(f"{name}_{kind}")) for kind in ("float", "int8", "int8_qat")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def family_table(results):
    """Latencies of LPS-Nets over a grid of width and resolution."""
    cells = results.get("family_lps_net_360x480", {}).get("networks", [])
    resolutions = list(dict.fromkeys(cell["resolution"] for cell in cells))
    lines = [f"| width | {' | '.join(resolutions)} |", "|---|" + "---|" * len(resolutions)]
    for width in dict.fromkeys(cell["width"] for cell in cells):
        times = [f"{cell['latency_ms']:.2f}" for cell in cells if cell["width"] == width]
        lines.append(f"| {width:g} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"


def pretrained_table(results):
    """Published weights with the accuracy of their cards."""
    lines = ["| weights | input size | file | val mIoU | test mIoU |", "|---|---|---|---|---|"]
    for card in sorted((ROOT / "pretrained").glob("*.json")):
        model, data = card.stem.rsplit("-", 1)
        card = json.loads(card.read_text())
        cells = [
            f'`create_model("{model}", weights="{data}")`',
            "x".join(map(str, card["input_size"])),
            f"{card['bytes'] / 1e6:.1f} MB",
            *(percent_cell(card["accuracy"].get(split)) for split in ("val", "test")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


PAGES = {
    "README.md": {"accuracy": accuracy_table, "latency": latency_table, "networks": networks_table},
    "docs/accuracy.md": {
        "trainings": trainings_table,
        "input sizes": input_size_table,
        "drops": drops_table,
        "sensitivity": sensitivity_table,
        "outputs": outputs_table,
    },
    "docs/expansion.md": {"expansion": expansion_table, "expanded": expanded_table, "family": family_table},
    "docs/checkpoints.md": {"pretrained": pretrained_table},
    "docs/speed.md": {"runtimes": runtimes_table, "training_speed": training_speed_table},
}

if __name__ == "__main__":
    cli.run(main, tensorflow=False)
