"""Table of what single changes of a training bring."""

from benchmarks.tables.cells import NOT_MEASURED


def paired_table(results):
    """The changes whose mean difference is above its standard deviation, and a line of those of which it is not."""
    document = results.documents.get("paired")
    if document is None:
        return NOT_MEASURED
    rows = document["rows"]
    bases = {row["name"]: row for row in rows if not row["base"]}
    changed = sorted((row for row in rows if row["base"]), key=lambda row: -row["difference"])
    helped = [row for row in changed if row["difference"] > (row["std"] or 0)]
    lines = ["| training | mIoU | difference | with each seed | minutes |", "|---|---|---|---|---|"]
    for row in bases.values():
        lines.append(f"| {row['what']} | {100 * row['miou']:.1f} | | | {row['minutes']:.1f} |")
    for row in helped:
        minutes = "" if row["minutes"] is None else f"{row['minutes']:.1f}"
        each = ", ".join(f"{100 * difference:+.1f}" for difference in row["differences"])
        lines.append(f"| {_named(row, bases)} | {100 * row['miou']:.1f} | {_spread(row)} | {each} | {minutes} |")
    rest = [f"{_named(row, bases)} {_spread(row)}" for row in changed if row not in helped]
    if rest:
        lines += ["", f"No gain beyond the spread: {'; '.join(rest)}."]
    return "\n".join(lines) + "\n"


def _named(row, bases):
    """Return what a change is called, with its network where that is not the first."""
    base = bases[row["base"]]
    return row["what"] if base is next(iter(bases.values())) else f"{base['what']}: {row['what']}"


def _spread(row):
    spread = "" if row["std"] is None else f" ± {100 * row['std']:.1f}"
    return f"{100 * row['difference']:+.1f}{spread}"
