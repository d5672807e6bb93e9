"""Table of the labels of our int8 files in other runtimes."""


def portable_table(results):
    """Every published network: the labels of each runtime beside XNNPACK's, with resizes as exported and direct."""
    rows = results.documents.get("portable", {"rows": []})["rows"]
    lines = [
        "| network | weights | input | runtime | equal labels | equal or tied | mIoU | with direct resizes | time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = "x".join(map(str, row["input_size"]))
        for name, steady in row["steady"].items():
            direct = row["direct"][name]
            first = name == next(iter(row["steady"]))
            before = "the same file"
            if row["steps_added"]:
                before = f"{_percent(direct['tied'])}, {100 * direct['miou']:.1f}"
            cells = [f"`{row['network']}`", f"`{row['checkpoint']}`", size] if first else ["", "", ""]
            cells += [name, _percent(steady["equal"]), _percent(steady["tied"]), f"{100 * steady['miou']:.1f}", before]
            cells.append(f"{row['time_ratio']:.2f}" if first and row["steps_added"] else "")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(share):
    return f"{100 * share:.2f} %"
