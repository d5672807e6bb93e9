"""The comparison of frames and evaluations with an older commit: what is made of the numbers, and when it is refused.
The measurement itself is made by hand on an idle machine."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.end_to_end import NOW, ROOT, WORKER, measure, require_equal, shares_of_network, summarize


def test_sources_take_turns_and_the_first_round_does_not_count():
    calls = []

    def function(source):
        calls.append(source)
        return {"ms": float(len(calls))}

    found = measure({"a": function}, {NOW: "new", "old": "before"}, rounds=2)
    assert calls == ["new", "before"] * 3
    assert found == {"a": {NOW: [{"ms": 3.0}, {"ms": 5.0}], "old": [{"ms": 4.0}, {"ms": 6.0}]}}


def test_ratio_is_the_median_of_the_pairs():
    new, old = ([{"ms": value, "sha256": "a"} for value in values] for values in ((1.0, 2.0, 1.0), (5.0, 20.0, 6.0)))
    assert summarize({"a": {NOW: new, "old": old}}) == {"a": {"ms": {NOW: 1, "old": 6, "ratio": 6}}}


def test_what_the_older_source_lacks_has_no_ratio():
    found = {"a": {NOW: [{"labels_only": 2.0}], "old": [{"network": 1.0}]}}
    assert summarize(found) == {"a": {"labels_only": {NOW: 2}}}


def test_shares_are_of_the_network_alone_not_of_the_one_beside_other_stages():
    found = {
        "a frames": {NOW: [{"network": 4.0, "labels": 5.0}, {"network": 2.0, "labels": 4.0}]},
        "a predict": {NOW: [{"network": 9.0, "end_to_end": 8.0, "labels_only": 5.0}] * 2},
    }
    assert shares_of_network(found, "a") == {"labels": 0.65, "labels_only": 0.6, "end_to_end": 0.38}


@pytest.mark.parametrize("key, equal, other", [("sha256", "a", "b"), ("result", {"miou": 0.5}, {"miou": 0.6})])
def test_another_result_is_refused(key, equal, other):
    found = {"a frames": {NOW: [{key: equal}], "old": [{key: equal}]}}
    require_equal(found)
    found["a frames"]["old"][0][key] = other
    with pytest.raises(RuntimeError, match=f"a frames: the two sources differ in what they compute .{key}"):
        require_equal(found)


def test_worker_measures_a_file(int8_file, scenes, tmp_path):
    np.save(tmp_path / "frames.npy", [scenes.image(0), scenes.image(1)])
    command = [sys.executable, WORKER, ROOT, "frames", int8_file, "1", tmp_path / "frames.npy"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == {"network", "labels", "overlay", "sha256"}
    assert all(result[name] > 0 for name in ("network", "labels", "overlay"))
