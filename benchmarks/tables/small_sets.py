"""Table of what published weights bring a small data set."""

from benchmarks.tables.cells import NOT_MEASURED


def small_sets_table(results):
    """For every number of training pictures: mIoU on test from published weights and from scratch, and the time."""
    document = results.documents.get("small_sets")
    if document is None:
        return NOT_MEASURED
    lines = [
        "| training pictures | mIoU from scratch | from published weights | gain | minutes of training | "
        "until as good on val as from scratch |",
        "|---|---|---|---|---|---|",
    ]
    found = {(row["frames"], row["start"]): row for row in document["rows"]}
    for frames in dict.fromkeys(row["frames"] for row in document["rows"]):
        scratch, tuned = found[frames, "scratch"], found[frames, "published weights"]
        gain = 100 * (tuned["test_miou"] - scratch["test_miou"])
        reached = tuned["minutes_to_scratch"]
        cells = [str(frames), f"{100 * scratch['test_miou']:.1f}", f"{100 * tuned['test_miou']:.1f}", f"{gain:+.1f}"]
        cells += [f"{tuned['minutes']:.1f}", "never" if reached is None else f"{reached:.1f} minutes"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
