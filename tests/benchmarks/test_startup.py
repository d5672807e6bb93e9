"""The comparison of start-up times: how programs are timed, and what is made of it. It is made by hand on an idle
machine."""

import subprocess
import sys

import pytest

from benchmarks.startup import ROOT, summarize, timed


def test_time_and_memory_are_those_of_the_program(tmp_path):
    large = "import time; a = bytearray(b'x') * (200 << 20); time.sleep(0.5)"
    # In a small process, because what a program inherits counts as its peak memory.
    measuring = (
        "import sys; from benchmarks.startup import ROOT, timed\n"
        "for program in sys.argv[1:]: print(*timed([sys.executable, '-c', program], '.', '/dev/null'))"
    )
    command = [sys.executable, "-c", measuring, "pass", large]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (quick, small), (slow, peak) = (map(float, line.split()) for line in done.stdout.splitlines())
    assert quick > 0 and slow > 0.5
    assert small < 100 << 20 and 200 << 20 < peak < 300 << 20


def test_program_that_fails_stops_the_measurement(tmp_path):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        timed([sys.executable, "-c", "1 / 0"], tmp_path, tmp_path / "log.txt")


def test_ratio_is_the_median_of_the_pairs():
    mib = 1 << 20
    found = {"new": [(1.0, 10 * mib), (2.0, 20 * mib), (1.0, 30 * mib)], "old": [(5.0, mib), (20.0, mib), (6.0, mib)]}
    result = summarize(found)
    assert result["times_faster"] == 6 and result["times_faster_of_each_pair"] == [5, 10, 6]
    assert result["programs"]["new"] == {"median_seconds": 1, "peak_memory_mb": 20, "seconds": [1, 2, 1]}
