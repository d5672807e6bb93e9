"""Tables of what NPUs would take, as their compilers predict it."""

FRAMES_PER_SECOND = 30
BOARDS = {"ethos-u:u55-256": "Cortex-M55 with U55-256", "ethos-u:u65-512": "U65-512", "ethos-u:u85-512": "U85-512"}


def key(row):
    """Return what tells a row of npu.json from all others."""
    return (
        row["network"],
        row["checkpoint"],
        tuple(row["input_size"]),
        row["npu"],
        row["upsampling"],
        row["target"],
    )


def fits_table(results):
    """For every published network and NPU, the largest input at which all of it is predicted to run 30 times a second
    within the SRAM that the NPU is given."""
    found = _by_network(results, "ethos-u", "none")
    lines = [
        f"| network | weights | {' | '.join(BOARDS.values())} |",
        "|---|---|" + "---|" * len(BOARDS),
    ]
    for (network, checkpoint), rows in found.items():
        cells = [f"`{network}`", f"`{checkpoint}`"]
        for target in BOARDS:
            fitting = [row for row in rows if row["target"] == target and _verdict(row) == "**yes**"]
            best = max(fitting, key=lambda row: row["input_size"], default=None)
            cells.append(
                f"**{_size(best)}**: {best['time_ms']:.1f} ms, mIoU {100 * best['miou']:.1f}" if best else "none tried"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sizes_table(results):
    """Every published network at every size with --npu: mIoU, and each NPU's time, SRAM and verdict."""
    found = _by_network(results, "ethos-u", "none")
    lines = [
        f"| network | weights | input | mIoU | {' | '.join(BOARDS.values())} |",
        "|---|---|---|---|" + "---|" * len(BOARDS),
    ]
    for (network, checkpoint), rows in found.items():
        for size in sorted({tuple(row["input_size"]) for row in rows}, reverse=True):
            each = {row["target"]: row for row in rows if tuple(row["input_size"]) == size}
            first = next(iter(each.values()))
            cells = [f"`{network}`", f"`{checkpoint}`", _size(first), f"{100 * first['miou']:.1f}"]
            cells += [_told(each[target]) if target in each else "" for target in BOARDS]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def before_table(results):
    """Every published network at its own size, exported without and with --npu."""
    lines = [
        f"| network | weights | input | output | equal labels | {' | '.join(BOARDS.values())} |",
        "|---|---|---|---|---|" + "---|" * len(BOARDS),
    ]
    rows = {key(row): row for row in _rows(results)}
    plain = dict.fromkeys(key(row)[:3] + (row["upsampling"],) for row in rows.values() if row["npu"] == "none")
    for network, checkpoint, size, upsampling in sorted(plain):
        pairs = {
            target: [rows.get((network, checkpoint, size, npu, upsampling, target)) for npu in ("none", "ethos-u")]
            for target in BOARDS
        }
        if not all(all(pair) for pair in pairs.values()):
            continue
        equal = pairs["ethos-u:u55-256"][1].get("equal_to_plain")
        cells = [f"`{network}`", f"`{checkpoint}`", "x".join(map(str, size)), upsampling]
        cells.append(f"{100 * equal:.2f} %" if equal else "")
        cells += [f"{_time(before)} → {_time(after)}" for before, after in pairs.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rows(results):
    return results.documents.get("npu", {"rows": []})["rows"]


def _by_network(results, npu, upsampling):
    found = {}
    for row in _rows(results):
        if (row["npu"], row["upsampling"]) == (npu, upsampling):
            found.setdefault((row["network"], row["checkpoint"]), []).append(row)
    return dict(sorted(found.items()))


def _size(row):
    return "x".join(map(str, row["input_size"]))


def _time(row):
    if "failed" in row:
        return "does not compile"
    left = ", ".join(f"{entry['count']} {entry['op']}" for entry in row["delegation"]["other_ops"])
    return f"{row['time_ms']:.1f} ms" + (f" and {left} on the CPU" if left else "")


def _verdict(row):
    """Return whether a network would meet 30 frames per second: all of it on the NPU, within its SRAM."""
    if "failed" in row:
        return "no"
    if row["delegation"]["other_ops"]:
        return "open"
    if row["memory_kib"]["sram"] > row["memory_kib"]["sram_limit"]:
        return "does not fit"
    return "**yes**" if row["time_ms"] <= 1e3 / FRAMES_PER_SECOND else "no"


def _told(row):
    if "failed" in row:
        return _time(row)
    return f"{_time(row)}, {row['memory_kib']['sram']:.0f} KiB: {_verdict(row)}"
