"""Write the tables of README.md and docs/ from results/ and the cards in pretrained/, and int8 into these cards.

  python -m benchmarks.tables            rewrites them
  python -m benchmarks.tables --check    fails when one is not what the results say

Pages and tables are listed in `benchmarks.tables.pages`.
"""

import sys

from benchmarks.tables import ROOT
from benchmarks.tables.cards import cards, update_cards, with_int8
from benchmarks.tables.pages import PAGES, with_tables
from benchmarks.tables.results import load_results
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path


@command("tables", __doc__)
@options.switch("--check", "Compare only; exit status 1 when a page is out of date.")
def main(check):
    results = load_results(ROOT / "results")
    # First, because a table shows what the cards say.
    if check:
        if any(with_int8(card, results) != card for card in cards().values()):
            raise UserError("The cards in pretrained/ are not of results/; run python -m benchmarks.tables.")
    else:
        for path in update_cards(results):
            print(f"Wrote {path.relative_to(ROOT)}")
    for name, tables in PAGES.items():
        page = ROOT / name
        text = page.read_text()
        updated = with_tables(text, tables, results)
        if check:
            if updated != text:
                raise UserError(f"The tables in {name} are not those of results/; run python -m benchmarks.tables.")
        elif updated != text:
            with atomic_path(page) as temporary:
                temporary.write_text(updated)
            print(f"Wrote {name}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.tables"))
