"""Tables of the progressive expansion of LPS-Net."""

from benchmarks.tables.cells import accuracy_cell, threads_cell, val_cell

# By one config for each input size: LPS-Net-S, and what the expansion found.
EXPANDED = (
    "lps_net_s_camvid_scratch",
    "lps_net_expanded_camvid_scratch",
    "lps_net_s_camvid_trainval_720x960",
    "lps_net_expanded_camvid_trainval_720x960",
)


def expansion_table(results):
    """The path of the search on CamVid, with the latency of the published networks."""
    lines = ["| round | network | int8, ms | timed together, ms | val mIoU | candidates |", "|---|---|---|---|---|---|"]
    search = results.documents.get("expansion_camvid", {"rounds": [], "published_ms": {}, "final_ms": {}})
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
    times = results.times_of("expansion_360x480")
    size = {row["model"]: f"{row['bytes'] / 1e6:.2f} MB" for row in results.run("expansion_360x480")}
    for name in EXPANDED:
        training, test = results.trainings.get(name), results.accuracy_of(name, "float")
        if training and test:
            file = f"{name}_int8.tflite"
            cells = [
                f"`{training['network']}`",
                test["input_size"],
                size.get(file, ""),
                threads_cell(times.get(file, {}), digits=2),
                val_cell(training),
                *(accuracy_cell(results.accuracy_of(name, kind)) for kind in ("float", "int8", "int8_qat")),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def family_table(results):
    """Latencies of LPS-Nets over a grid of width and resolution."""
    cells = results.documents.get("family_lps_net_360x480", {}).get("networks", [])
    resolutions = list(dict.fromkeys(cell["resolution"] for cell in cells))
    lines = [f"| width | {' | '.join(resolutions)} |", "|---|" + "---|" * len(resolutions)]
    for width in dict.fromkeys(cell["width"] for cell in cells):
        times = [f"{cell['latency_ms']:.2f}" for cell in cells if cell["width"] == width]
        lines.append(f"| {width:g} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"
