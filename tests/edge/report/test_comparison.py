"""The comparison with a baseline."""

import re

import pytest

from edge.report import comparison, rows
from keras_liteseg.errors import UserError
from tests.edge.report.results import failed, made_up, write


def load(tmp_path, name, *found, **changes):
    return rows.load([write(tmp_path / name, list(found), **changes)])[0]


def compare(tmp_path, new, old, **changes):
    found = comparison.compare(load(tmp_path, "new.json", new, **changes), load(tmp_path, "old.json", old))
    (change,) = found.changes
    return change, found.warnings


def test_ratio_and_its_noise(tmp_path):
    change, warnings = compare(tmp_path, made_up(p50=12.4), made_up(p50=10.0))
    assert (change.ratio, change.old_ms, change.new_ms) == (pytest.approx(1.24), 10.0, 12.4)
    # Quartiles of the rounds: 0.985 and 1.015 of the median.
    assert change.spread == pytest.approx((1.24 * 0.985 / 1.015, 1.24 * 1.015 / 0.985))
    assert (change.verdict, change.sentence) == ("slower", "1.24x slower")
    assert warnings == []


@pytest.mark.parametrize(
    ("p50", "verdict", "sentence"),
    [
        (5.0, "faster", "2.00x faster"),
        (10.1, "same", "1.01x slower, within the noise"),
        (9.8, "same", "1.02x faster, within the noise"),
        (10.0, "same", "equal, within the noise"),
    ],
)
def test_verdicts(p50, verdict, sentence, tmp_path):
    change, _ = compare(tmp_path, made_up(p50=p50), made_up(p50=10.0))
    assert (change.verdict, change.sentence) == (verdict, sentence)


def test_few_rounds_tell_no_noise(tmp_path):
    change, _ = compare(tmp_path, made_up(p50=20.0, round_p50_ms=[20.0] * 3), made_up())
    assert (change.spread, change.verdict, change.sentence) == (None, "unclear", "2.00x slower, noise unknown")


def test_run_is_compared_with_run_where_one_tool_knows_no_more(tmp_path):
    less = {"run": {"mean": 27.0, "std": 1.0, "min": 20.0, "max": 30.0}, "end_to_end": None}
    change, warnings = compare(tmp_path, made_up(latency_ms=less), made_up(p50=10.0))
    assert change.ratio == pytest.approx(27.0 / 9.0) and change.spread is None
    assert warnings == ["clock: end to end before, the run alone now"]


def test_rows_that_failed(tmp_path):
    broken = failed("it crashed")
    assert compare(tmp_path, broken, made_up())[0].sentence == "failed now: it crashed"
    assert compare(tmp_path, made_up(), broken)[0].sentence == "failed before: it crashed"
    change, _ = compare(tmp_path, broken, broken)
    assert (change.verdict, change.sentence) == ("failed", "failed both times: it crashed")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sha256": "other"}, "2.00x slower; the file has changed"),
        ({"model": "renamed.tflite", "sha256": made_up()["sha256"]}, "2.00x slower"),
        ({"sha256": "other", "precision": None}, "2.00x slower; the file has changed"),
    ],
)
def test_files_that_belong_together(changes, sentence, tmp_path):
    assert compare(tmp_path, made_up(p50=20.0, **changes), made_up())[0].sentence == sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "other", "precision": "float16"},
        {"sha256": "other", "network": "ndnet61"},
        {"threads": 2},
        {"target": "host:gpu"},
        {"model": "other.tflite", "sha256": "other"},
    ],
)
def test_rows_that_have_nothing_in_common(changes, tmp_path):
    with pytest.raises(UserError, match="old.json has no row in common with the results"):
        compare(tmp_path, made_up(**changes), made_up())


def test_everything_that_differs_is_told(tmp_path):
    now = {"device": {"cpu": "Other CPU", "soc": None, "cores": 8, "os": "Linux x86_64, Debian"}, "load_average": 7.0}
    now["runtime"] = {"name": "ai-edge-litert", "version": "2.4.0"}
    now["state"] = {"before": {"governor": "powersave"}, "after": {}}
    before = made_up(state={"before": {"governor": "performance"}, "after": {}}, load_average=0.2)
    _, warnings = compare(tmp_path, made_up(**now), before, versions={"python": "3.12.1", "numpy": "2.4.6"})
    assert warnings == [
        "device: Some CPU, 4 cores, Linux x86_64, Debian before, Other CPU, 8 cores, Linux x86_64, Debian now",
        "runtime: ai-edge-litert 2.3.0 before, ai-edge-litert 2.4.0 now",
        "governor: performance before, powersave now",
        "python: 3.11.7 before, 3.12.1 now",
        "the machine was busy now",
    ]


def test_older_results_name_the_system_less_exactly(tmp_path):
    old = made_up(device={"cpu": "Some CPU", "cores": 4, "os": "Linux x86_64"})
    assert compare(tmp_path, made_up(), old)[1] == []


def test_same_device_and_latest_run_are_the_baseline(tmp_path):
    other = {"cpu": "Other CPU", "soc": None, "cores": 2, "os": "Linux"}
    old = load(tmp_path, "old.json", made_up(p50=5.0), made_up(p50=50.0, device=other))
    old += load(tmp_path, "older.json", made_up(p50=500.0), date="2025-01-01")
    (change,) = comparison.compare(load(tmp_path, "new.json", made_up(p50=10.0)), old).changes
    assert change.ratio == 2.0


def test_comparison_on_page_and_terminal(show, tmp_path):
    new = [made_up(p50=12.4), made_up("new.tflite"), failed("it <crashed>", model="b.tflite")]
    old = write(tmp_path / "old.json", [made_up(p50=10.0), made_up("b.tflite"), made_up("gone.tflite", threads=2)])
    shown, text = show(new, baseline=old)
    assert re.search(r"net_int8 +host:cpu +threads 1 +10.00 -> +12.40 ms +1.24x slower \(rounds: 1.20 to 1.28\)", text)
    assert re.search(r"b +host:cpu +threads 1 +failed now: it <crashed>", text)
    assert "Not in the baseline: new on host:cpu, threads 1" in text
    assert "Only in the baseline: gone on host:cpu, threads 2" in text
    line = shown.table("comparison")[1]
    assert line[3:8] == ["10.00", "12.40", "1.24×", "1.20 to 1.28", "1.24× slower"]
    assert "failed now: it <crashed>" in shown.text
    assert "gone on host:cpu, threads 2." in shown.text


def test_real_run_against_itself_is_equal(real, show):
    shown, text = show(real, baseline=real)
    assert text.count("equal, within the noise") == 4
    assert {line[5] for line in shown.table("comparison")[1:]} == {"1.00×"}
