"""Result files of `edge.benchmark` as a table and as one HTML page."""

import pathlib

from edge.report import rows
from edge.report.comparison import compare
from edge.report.page import named, write_page
from edge.table import table
from keras_liteseg.errors import UserError
from keras_liteseg.files import require_writable


def report(files, output, baseline=None):
    """Write the page of result files, and return their rows by device as text.

    Args:
        files: paths of `.json` and `.jsonl` files of the benchmark; others among them are passed over.
        output: the HTML file.
        baseline: file of an earlier run to compare with, or None.

    Raises:
        UserError: a file cannot be read or is damaged, none is a result, nothing is in common with the baseline, or
            the page cannot be written.
    """
    output = pathlib.Path(output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"The output {output} is no HTML file; give a name that ends in .html.")
    require_writable(output)
    runs, passed_over, left_out = rows.load(files)
    comparison = compare(runs, rows.load([baseline])[0]) if baseline else None
    write_page(output, runs, passed_over, left_out, comparison)
    parts = [_text(runs)]
    found = rows.advice_of(runs)
    if found:
        parts.append("\n".join(found) + "\n")
    if left_out:
        older, were = ("1 older row", "was") if left_out == 1 else (f"{left_out} older rows", "were")
        parts.append(f"{older} of the same files {were} left out.\n")
    if passed_over:
        parts.append(f"Passed over, being no results of liteseg benchmark: {', '.join(map(str, passed_over))}\n")
    if comparison:
        parts.append(_comparison_text(comparison, baseline))
    return "\n".join(parts)


def _text(runs):
    """Return the table of each device, with a part for each run, as only the rows of one run can be compared."""
    blocks = []
    for found in rows.groups(runs).values():
        blocks.append(f"{found[0].target} on {found[-1].place}")
        for run in runs:
            those = [row.data for row in found if row.run is run]
            if those:
                blocks.append(f"{run.path}, {run.date}\n{table(those)}\n")
    return "\n".join(blocks)


def _comparison_text(comparison, baseline):
    lines = [f"Compared with {baseline}, by the median:"]
    lines += [f"  Mind: {warning}." for warning in comparison.warnings]
    if comparison.warnings:
        lines.append("  The ratios say little where this holds.")
    width = max(len(change.new.label) for change in comparison.changes)
    place = max(len(change.new.target) for change in comparison.changes)
    for change in comparison.changes:
        times = " " * 25
        if change.ratio is not None:
            times = f"{change.old_ms:>10.2f} ->{change.new_ms:>9.2f} ms"
        spread = f" (rounds: {change.spread[0]:.2f} to {change.spread[1]:.2f})" if change.spread else ""
        lines.append(
            f"  {change.new.label:<{width}}  {change.new.target:<{place}}  threads {change.new.threads:<2}{times}  "
            f"{change.sentence}{spread}"
        )
    for what, those in (("Not in the baseline", comparison.only_new), ("Only in the baseline", comparison.only_old)):
        if those:
            lines.append(f"  {what}: {'; '.join(named(those))}")
    return "\n".join(lines) + "\n"
