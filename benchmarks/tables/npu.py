"""Table of what NPUs would take, as their compilers predict it."""

from benchmarks.tables.cards import cards

FRAMES_PER_SECOND = 30


def npu_table(results):
    """Every published network at every size: its mIoU where that was measured, and each NPU's verdict."""
    rows = results.documents.get("npu", {"rows": []})["rows"]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    lines = [
        f"| network | weights | input | output | mIoU | {' | '.join(f'`{target}`' for target in targets)} |",
        "|---|---|---|---|---|" + "---|" * len(targets),
    ]
    known = {(card["metadata"]["model"], path.stem.split("-")[-1]): card for path, card in cards().items()}
    files = {}
    for row in rows:
        files.setdefault((row["network"], row["checkpoint"], tuple(row["input_size"]), row["upsampling"]), []).append(
            row
        )
    # The published size first, then the others from large to small.
    for network, checkpoint, size, upsampling in sorted(files, key=lambda file: _order(file, known)):
        found = {row["target"]: row for row in files[network, checkpoint, size, upsampling]}
        cells = [f"`{network}`", f"`{checkpoint}`", "x".join(map(str, size)), upsampling]
        cells.append(_miou(known.get((network, checkpoint)), size, upsampling))
        cells += [_verdict(found[target]) if target in found else "" for target in targets]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _order(file, known):
    network, checkpoint, size, upsampling = file
    card = known.get((network, checkpoint), {"input_size": []})
    return network, checkpoint, list(size) != card["input_size"], [-side for side in size], upsampling


def _miou(card, size, upsampling):
    if not card or card["input_size"] != list(size) or upsampling != "full" or "int8" not in card:
        return "not measured"
    return f"{100 * card['int8']['miou']:.1f} ({card['int8']['split']})"


def _verdict(row):
    if "failed" in row:
        return "does not compile"
    time, memory = row["time_ms"], row["memory_kib"]
    left = ", ".join(f"{entry['count']} {entry['op']}" for entry in row["delegation"]["other_ops"])
    text = f"{time:.1f} ms" + (f" and {left} on the CPU" if left else "")
    if memory["sram"] > memory["sram_limit"]:
        return f"{text}: does not fit, {memory['sram']:.0f} KiB"
    if time > 1e3 / FRAMES_PER_SECOND:
        return f"{text}: no"
    return f"{text}: open" if left else f"{text}: **yes**"
