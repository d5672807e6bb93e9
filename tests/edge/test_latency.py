import numpy as np
import pytest

from edge.latency import Latency, merged, statistics


def test_statistics():
    times = list(range(1, 102))
    assert statistics(times) == {
        "p50": 51,
        "p90": 91,
        "p99": 100,
        "mean": 51,
        "std": pytest.approx(29.1548, abs=1e-4),
        "min": 1,
        "max": 101,
    }


def test_merged_statistics_are_those_of_all_times():
    rng = np.random.default_rng(0)
    rounds = [rng.normal(20, 3, count) for count in (5, 50, 7)]
    told = [
        {"runs": len(times), **{name: getattr(np, name)(times) for name in ("mean", "std", "min", "max")}}
        for times in rounds
    ]
    everything = statistics(np.concatenate(rounds))
    assert merged(told) == {name: pytest.approx(everything[name], abs=2e-4) for name in ("mean", "std", "min", "max")}
    told = [{**one, "p50": p50} for one, p50 in zip(told, (3, 1, 2))]
    assert merged(told)["p50"] == 2


def test_single_times():
    latency = Latency()
    latency.add({"run": [1, 2, 3], "end_to_end": [2, 3, 40]})
    latency.add({"run": [2, 2], "end_to_end": [4, 6]})
    assert latency.medians() == [3, 5]
    assert latency.summary() == {"run": statistics([1, 2, 3, 2, 2]), "end_to_end": statistics([2, 3, 40, 4, 6])}


def test_a_tool_that_tells_statistics_of_the_run_alone():
    ours, theirs = Latency(), Latency()
    for mean in (2, 4, 8):
        ours.add({"statistics": {"run": {"runs": 10, "mean": mean, "std": 0, "min": mean, "max": mean}}})
        theirs.add({"statistics": {"run": {"runs": 10, "p50": 2, "mean": 3, "std": 0, "min": 2, "max": 4}}})
    assert ours.medians() == [2, 4, 8] and theirs.medians() == [2, 2, 2]
    assert ours.ratio_to(theirs) == 2
    assert ours.summary()["end_to_end"] is None
    assert ours.summary()["run"]["mean"] == pytest.approx(14 / 3, abs=1e-4) and "p50" not in ours.summary()["run"]
    assert theirs.summary()["run"]["p50"] == 2


def test_ratio_is_that_of_rounds_that_met_the_same_machine():
    """Here the machine gets slower from round to round, and one round of ours is disturbed."""
    ours, theirs = Latency(), Latency()
    for own, other in ((1, 1), (4, 2), (9, 9)):
        ours.add({"run": [own]})
        theirs.add({"run": [other]})
    assert ours.ratio_to(theirs) == 1
