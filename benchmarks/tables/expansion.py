"""Tables of the progressive expansion of LPS-Net."""

from benchmarks.tables.cells import accuracy_cell, threads_cell, trained_on_val

# By one config each: LPS-Net-S, what the expansion found, and the last network of its path.
EXPANDED = (
    "lps_net_s_camvid_scratch",
    "lps_net_expanded_camvid_scratch",
    "lps_net_expanded_round8_camvid_scratch",
    "lps_net_s_camvid_trainval_720x960",
    "lps_net_expanded_camvid_trainval_720x960",
)


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
    """The networks of `EXPANDED`, those with one input size trained by one config."""
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
                f"`{training['config']['model']}`",
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
