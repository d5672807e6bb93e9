"""The README's tables are those of results/."""

import pytest

from benchmarks.tables import ROOT, TABLES, load_results, with_tables
from keras_liteseg.errors import UserError


def test_readme_shows_the_committed_results():
    text = (ROOT / "README.md").read_text()
    assert with_tables(text, load_results(ROOT / "results")) == text


def test_every_result_says_where_it_comes_from():
    for name, result in load_results(ROOT / "results").items():
        assert {"command", "date", "device", "versions"} <= set(result), name


def test_readme_without_a_marker_is_refused():
    with pytest.raises(UserError, match="has no line '<!-- table: accuracy -->'"):
        with_tables("# nothing\n", {})


def test_missing_results_leave_cells_empty():
    text = "".join(f"<!-- table: {name} -->\nold\n<!-- end -->\n" for name in TABLES)
    made = with_tables(text, {})
    assert "old" not in made and made.count("<!-- end -->") == len(TABLES)
