"""The tables of the pages are those of results/."""

import pytest

from benchmarks.tables import ROOT
from benchmarks.tables.pages import PAGES, load_results, with_tables
from keras_liteseg.errors import UserError


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_the_committed_results(page):
    text = (ROOT / page).read_text()
    assert with_tables(text, PAGES[page], load_results(ROOT / "results")) == text


def test_every_result_says_where_it_comes_from():
    for name, result in load_results(ROOT / "results").items():
        assert {"command", "date", "device", "versions"} <= set(result), name


def test_page_without_a_marker_is_refused():
    with pytest.raises(UserError, match="has no line '<!-- table: accuracy -->'"):
        with_tables("# nothing\n", PAGES["README.md"], {})


@pytest.mark.parametrize("page", PAGES)
def test_missing_results_leave_cells_empty(page):
    tables = PAGES[page]
    text = "".join(f"<!-- table: {name} -->\nold\n<!-- end -->\n" for name in tables)
    made = with_tables(text, tables, {})
    assert "old" not in made and made.count("<!-- end -->") == len(tables)
