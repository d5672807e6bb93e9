"""The comparison of checks: what is timed, and what is made of it. It is made by hand."""

import pytest

from benchmarks.check import summarize, timed, write_pairs
from benchmarks.startup import ROOT


def test_the_check_is_timed_on_sound_pairs_alone(tmp_path):
    write_pairs(tmp_path / "data", 8, size=(64, 128))
    assert len(list((tmp_path / "data/images/train").iterdir())) == 8
    assert 0 < timed(tmp_path / "data", ROOT, 8) < 60
    (tmp_path / "data/masks/train/00007.png").write_bytes(b"")
    with pytest.raises(RuntimeError, match="read 8 of 8 pairs and found 1 problems"):
        timed(tmp_path / "data", ROOT, 8)


def test_ratio_is_the_median_of_the_pairs():
    result = summarize({"new": [1.0, 2.0, 1.0], "old": [5.0, 20.0, 6.0]})
    assert result["times_faster"] == 6 and result["times_faster_of_each_pair"] == [5, 10, 6]
    assert result["programs"]["old"] == {"median_seconds": 6, "seconds": [5, 20, 6]}
