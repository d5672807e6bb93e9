"""Rows of the benchmark as a text table."""

import math

from edge.latency import typical

_LINE = "{:<{width}}  {:>7}  {:<9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>6}  {}"
_HEAD = ("threads", "kind", "run", "p50", "p90", "p99", "init", "first", "MB", "ratio", "where")


def table(rows):
    """Return rows of `edge.benchmark.benchmark` as a text table: ms from input to output except 'run', MB of the model
    alone; '-' where the tool on the device does not tell. 'kind' is measured, simulated or predicted."""
    width = max(len(row["model"]) for row in rows)
    lines = [_LINE.format("model", *_HEAD, width=width)]
    for row in rows:
        if row["status"] == "failed":
            lines.append(f"{row['model']:<{width}}  {row['threads']:>7} failed: {row['reason']}")
            continue
        end_to_end = row["latency_ms"]["end_to_end"] or {}
        run = row["latency_ms"]["run"]
        times = [run and typical(run), *(end_to_end.get(name) for name in ("p50", "p90", "p99"))]
        times += [row["init_ms"], row["first_run_ms"]]
        cells = [_number(time, 2) for time in times]
        cells += [_number(row["peak_memory_mb"].get("model"), 1), _number(row["ratio_to_first"], 2)]
        lines.append(
            _LINE.format(row["model"], row["threads"], row.get("kind", "measured"), *cells, _where(row), width=width)
        )
    return "\n".join(lines + _remarks(rows))


def _number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def _where(row):
    outside = ", ".join(f"{entry['count']}x {entry['op']}" for entry in row["delegation"]["other_ops"])
    where = f"{row['accelerator']}, partitions: {row['delegation']['partitions']}, outside: {outside or 'nothing'}"
    if row.get("adapter"):
        where = f"{row['accelerator']}: {row['adapter']['name']}"
    if row["stand_in"]:
        where += f" ({row['stand_in']}: no device's speed)"
    if row.get("partial"):
        where += f"; {row['partial']}"
    if row.get("memory_kib"):
        where += "; KiB: " + ", ".join(f"{area} {size:g}" for area, size in row["memory_kib"].items())
    if "unsupported" in row["correctness"]:
        where += "; outputs not compared"
    if "known_difference" in row["correctness"]:
        share = row["correctness"]["equal_labels"]
        where += f"; {100 * share:.2f} % of the labels equal or tied: {row['correctness']['known_difference']}"
    return where


def _remarks(rows):
    measured = [row for row in rows if row["status"] == "ok"]
    busy = [row for row in measured if is_busy(row)]
    remarks = []
    if busy:
        remarks.append(
            f"The machine was busy before the measuring (load average {busy[0]['load_average']:.1f} on "
            f"{busy[0]['device']['cores']} cores): repeat it when idle before you rely on the numbers."
        )
    if any(row.get("partial") for row in measured):
        remarks.append(
            "Rows of the NPU part only leave out what their ops outside cost on the CPU: they are no time of the "
            "network, and have no ratio."
        )
    if any(row.get("partial") and str(row["accelerator"]).startswith("ethos-") for row in measured):
        remarks.append("Of a file of ours that was exported with --npu ethos-u, nothing is left outside.")
    return remarks + [remark for row in measured if (remark := sram_remark(row))]


def is_busy(row):
    """Return whether other programs had more than half of the cores before the measuring of a row."""
    load, cores = row["load_average"], row["device"].get("cores")
    return bool(load and cores) and load > 0.5 * cores


def sram_remark(row):
    """Return what to do about a row that needs more SRAM than its NPU has, or None where it fits."""
    memory = row.get("memory_kib") or {}
    if memory.get("sram", 0) <= memory.get("sram_limit", math.inf):
        return None
    shape, cure = row["inputs"][0]["shape"] if row["inputs"] else [], "give the board's"
    if len(shape) == 4:
        # Feature maps are most of it, and grow with the pixels.
        shrink = (memory["sram_limit"] / memory["sram"]) ** 0.5
        fitting = "x".join(str(int(side * shrink) // 32 * 32 + side % 2) for side in shape[1:3])
        cure = f"export it for about {fitting}, where the feature maps should fit, or {cure}"
    return (
        f"{row['model']} needs {memory['sram']:g} KiB of SRAM, more than the {memory['sram_limit']} that the NPU is "
        f"given (--npu_sram): {cure}."
    )
