"""expand.py from end to end, killed in its middle."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from keras_liteseg.expansion.record import CONFIG_FILE, PICTURE_FILE, SEARCH_FILE
from keras_liteseg.training.config import load_config

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """
model: lps_net_s
data: street_scenes
data_options: {train: {length: 8, size: [64, 128]}, val: {length: 4, size: [64, 128]}}
crop_size: [64, 128]
eval_size: [64, 128]
batch_size: 4
epochs: 3
learning_rate: 0.05
"""


def expand(folder, *arguments):
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    command = [
        sys.executable,
        "-m",
        "keras_liteseg",
        "expand",
        "--budget_ms",
        "1000",
        "--config",
        config,
        "--candidate_epochs",
        "1",
    ]
    command += ["--precision", "float32", "--runs", "7", "--rounds", "1", "--output_dir", folder / "search", *arguments]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def times(folder, pattern):
    return {path: path.stat().st_mtime_ns for path in folder.glob(pattern)}


@pytest.mark.slow
def test_search_that_is_killed_goes_on_without_doing_anything_twice(tmp_path):
    search = tmp_path / "search"
    killed = expand(tmp_path)
    # In the middle of the round: two candidates beside the first network are trained.
    while len(times(search, "candidates/*/result.json")) < 3:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    out, _ = killed.communicate()
    assert "The network to begin with: lps_net_d1-1-1-1-1_w4-8-16-32-32_r4" in out
    assert "Round 1 of at most 1, candidate 2 of" in out
    trained, exported = times(search, "candidates/*/result.json"), times(search, "files/*.tflite")
    measured = json.loads((search / "files" / "latencies.json").read_text())
    latencies = measured["latencies"]

    without = expand(tmp_path)
    _, errors = without.communicate()
    assert without.returncode == 1 and "already holds a search; give --resume" in errors

    resumed = expand(tmp_path, "--resume")
    out, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    # All of a round is timed before any of it is trained; what was chosen is timed once more, with those published.
    assert "Exporting" not in out and out.count("Timing") == 1
    assert times(search, "files/*.tflite") == exported
    assert json.loads((search / "files" / "latencies.json").read_text())["latencies"] == latencies
    after = times(search, "candidates/*/result.json")
    assert trained.items() <= after.items()
    begun = {line.split(": ")[1].split(";")[0] for line in out.splitlines() if ", candidate " in line}
    assert begun and "The network to begin with" not in out
    assert begun.isdisjoint(path.parent.name for path in trained)

    content = json.loads((search / SEARCH_FILE).read_text())
    (found,) = content["rounds"]
    assert len(after) == 1 + len(found["candidates"]) >= 8
    for candidate in [found["base"], *found["candidates"]]:
        assert candidate["latency_ms"] == latencies[candidate["name"]]["latency_ms"]
        result = json.loads((search / "candidates" / candidate["name"] / "result.json").read_text())
        assert candidate["miou"] == result["miou"] and result["epochs"] == 1
    assert {"command", "date", "device", "versions"} <= set(content)
    assert content["measured_on"] == measured["measured_on"]
    assert (search / PICTURE_FILE).read_text().count("<circle") == len(after)

    winner = found["chosen"] or found["base"]["name"]
    assert set(content["final_ms"]) == {found["base"]["name"], winner, "lps_net_s", "lps_net_m", "lps_net_l"}
    config = load_config(search / CONFIG_FILE)
    assert config.model == winner and config.epochs == 3
    # The config trains, and what it trains can be exported.
    for command in (
        ["train", "--config", search / CONFIG_FILE, "--output_dir", tmp_path / "run", "--override", "epochs=1"],
        ["export", "--model", tmp_path / "run" / "best.keras", "--output", tmp_path / "winner.tflite"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "keras_liteseg", *map(str, command)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    # More rounds, from where it ended.
    more = expand(tmp_path, "--resume", "--budget_ms", "900")
    _, errors = more.communicate()
    assert more.returncode == 1 and "begun with budget_ms 1000.0, not 900.0" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "phone"], "phone"),
        (["--config", "nothing.yaml"], "nothing.yaml"),
        (["--resume"], "no search.json in"),
        (["--candidate_override", "epochs=2"], "has 'epochs', which would change nothing: --candidate_epochs says"),
        (["--recipe", "config.yaml"], "The flag --recipe is no more; use --config"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(arguments, message, tmp_path):
    done = expand(tmp_path, *arguments)
    _, errors = done.communicate()
    assert done.returncode == 1
    assert errors.startswith("error: ") and message in errors and errors.count("\n") == 1


@pytest.mark.parametrize("budget", ["0", "-1", "nan"])
def test_budget_that_no_network_can_meet_is_refused_before_any_work(tmp_path, budget):
    done = expand(tmp_path, "--budget_ms", budget)
    _, errors = done.communicate()
    assert done.returncode == 2 and "'--budget_ms'" in errors and errors.count("\n") == 1
    assert not (tmp_path / "search").exists()


@pytest.mark.slow
def test_budget_below_the_first_network_leaves_no_search(tmp_path):
    done = expand(tmp_path, "--budget_ms", "0.001")
    _, errors = done.communicate()
    assert done.returncode == 1 and "more than the budget of 0.001 ms; give at least that" in errors
    assert [path.name for path in (tmp_path / "search").iterdir()] == ["files"]  # timed for a larger budget too


def test_a_device_that_does_not_answer_leaves_no_search(tmp_path):
    done = expand(tmp_path, "--target", "ssh://nobody@127.0.0.1:1")
    _, errors = done.communicate()
    assert done.returncode == 1 and "Nothing can be measured on ssh://nobody@127.0.0.1:1" in errors
    assert list((tmp_path / "search").rglob("*")) == []
