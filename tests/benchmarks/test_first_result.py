import pathlib

from benchmarks.first_result import STEPS, measure
from benchmarks.tables.speed import first_result_table


def test_every_step_takes_time(tiled_file, tmp_path):
    (row,) = measure([pathlib.Path(tiled_file)], rounds=1)
    assert all(row[step] > 0 for step in STEPS)
    assert row["all_ms"] > row["import_ms"] + row["load_ms"]
    results = type("Results", (), {"documents": {"first_result": {"results": [row]}}})
    assert pathlib.Path(tiled_file).name in first_result_table(results)
