"""Show results of liteseg benchmark as a table and as one HTML page.

  liteseg report results/*.json more.jsonl
  liteseg report new.json --baseline old.json --output report.html

edge/README.md says how to read them, docs/devices_reference.md what the numbers mean.
"""

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command


@command("report", __doc__)
@click.argument("files", nargs=-1, type=options.FILE, metavar="FILE...")
@options.file("--output", "The HTML page.", default="report.html")
@options.file("--baseline", "Result file of an earlier run to compare with.")
def main(files, output, baseline):
    from edge.report.report import report

    print(report(files, output, baseline))
    print(f"Wrote {output}")
