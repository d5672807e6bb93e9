"""A measurement becomes a row of the tables of results/, in the place of an older one of the same thing."""

import json
import subprocess
import sys

import pytest

from benchmarks import record, rows
from benchmarks.tables import ROOT
from benchmarks.tables.results import load_results
from keras_liteseg.errors import UserError
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.trainer import train
from tests.edge.report.results import failed, made_up, write
from tests.training.noise import SIZES, Noise


def evaluation(path, miou=0.5, **changes):
    """A result of liteseg evaluate, as it writes it."""
    header = {
        "command": "python evaluate.py --model a.keras",
        "date": "2026-12-01",
        "device": {"cpu": "Some CPU", "cores": 4, "gpu": "Some GPU", "os": "Linux x86_64"},
        "versions": {"keras_liteseg": "0.2.0", "commit": "1234567", "python": "3.11.7", "numpy": "2.4.6"},
    }
    result = {
        "kind": "accuracy",
        "model": "a.keras",
        "network": "ndnet45",
        "quantization": "keras",
        "data": "camvid",
        "split": "test",
        "input_size": [360, 480],
        "scales": [0.75, 1.0],
        "flip": True,
        "images": 233,
        "miou": miou,
        "miou_present": miou,
        "pixel_accuracy": 0.9,
        "mean_accuracy": 0.8,
        "frequency_weighted_iou": 0.7,
        "iou": {"sky": miou, "sign, symbol": None},
        "agreement": None,
    }
    path.write_text(json.dumps({**result, **header, **changes}))
    return path


def test_accuracy_becomes_a_row_with_its_origin(tmp_path):
    record.record_accuracy(tmp_path, evaluation(tmp_path / "a.json"), "some_training", "float")
    (row,) = rows.read(tmp_path / "accuracy.csv")
    assert row == {
        "training": "some_training",
        "variant": "float",
        "split": "test",
        "input_size": "360x480",
        "network": "ndnet45",
        "quantization": "keras",
        "data": "camvid",
        "scales": "0.75 1.0",
        "flip": "true",
        "images": 233,
        "miou": 0.5,
        "miou_present": 0.5,
        "pixel_accuracy": 0.9,
        "mean_accuracy": 0.8,
        "frequency_weighted_iou": 0.7,
        "agreement": None,
        "date": "2026-12-01",
        "package": "0.2.0",
        "commit": "1234567",
        "cpu": "Some CPU",
        "cores": 4,
        "gpu": "Some GPU",
        "os": "Linux x86_64",
        "versions": "python 3.11.7; numpy 2.4.6",
        "command": "python evaluate.py --model a.keras",
    }
    classes = rows.read_class_iou(tmp_path / "class_iou_camvid.csv")
    assert classes == {("some_training", "float", "test", "360x480"): {"sky": 0.5, "sign, symbol": None}}


def test_newer_measurement_takes_the_place_of_the_older(tmp_path):
    for training, miou in [("a", 0.25), ("b", 0.5), ("c", 0.75), ("b", 1 / 3)]:
        record.record_accuracy(tmp_path, evaluation(tmp_path / "a.json", miou), training, "float")
    record.record_accuracy(tmp_path, evaluation(tmp_path / "a.json", 0.1, split="val"), "b", "float")
    found = [(row["training"], row["split"], row["miou"]) for row in rows.read(tmp_path / "accuracy.csv")]
    assert found == [("a", "test", 0.25), ("b", "test", 1 / 3), ("c", "test", 0.75), ("b", "val", 0.1)]


def test_table_of_other_columns_is_left_alone(tmp_path):
    record.record_accuracy(tmp_path, evaluation(tmp_path / "a.json"), "a", "float")
    before = (tmp_path / "class_iou_camvid.csv").read_text()
    with pytest.raises(UserError, match="class_iou_camvid.csv has the columns .*sky.* and the new row has .*road"):
        record.record_accuracy(tmp_path, evaluation(tmp_path / "b.json", iou={"road": 0.5}), "a", "float")
    assert (tmp_path / "class_iou_camvid.csv").read_text() == before


def test_run_of_the_benchmark_replaces_all_of_its_rows(tmp_path):
    three = [made_up("a.tflite"), made_up("a.tflite", threads=2), made_up("b.tflite")]
    record.record_latency(tmp_path, write(tmp_path / "three.json", three), "some")
    record.record_latency(tmp_path, write(tmp_path / "other.json", [made_up("c.tflite")]), "other")
    one = made_up("b.tflite", p50=20.0, delegation={"partitions": 1, "delegated_ops": 9, "other_ops": []})
    record.record_latency(tmp_path, write(tmp_path / "one.json", [one], date="2026-02-03"), "some")
    found = rows.read(tmp_path / "latency.csv")
    assert [(row["run"], row["model"]) for row in found] == [("some", "b.tflite"), ("other", "c.tflite")]
    assert (found[0]["run_p50_ms"], found[0]["end_to_end_p50_ms"], found[0]["delegated_ops"]) == (18.0, 20.0, 9)
    assert (found[0]["inputs"], found[0]["outputs"]) == ("int8 1x360x480x3", "int8 1x360x480x11")
    assert (found[0]["peak_memory_mb"], found[0]["process_memory_mb"], found[0]["cpu"]) == (22.5, 100.0, "Some CPU")
    runs = rows.read(tmp_path / "latency_runs.csv")
    assert [(row["run"], row["date"]) for row in runs] == [("some", "2026-02-03"), ("other", "2026-01-02")]


def test_ops_outside_of_the_delegate_are_named():
    others = [{"op": "ARG_MAX", "count": 1}, {"op": "SOFTMAX", "count": 2}]
    row = made_up(delegation={"partitions": 2, "delegated_ops": 9, "other_ops": others}, correctness=None)
    (found,) = rows.latency_rows({"results": [row]}, "some")
    assert (found["other_ops"], found["partitions"], found["equal_labels"]) == ("1xARG_MAX 2xSOFTMAX", 2, None)


def test_what_a_target_does_not_tell_stays_empty():
    row = made_up(peak_memory_mb={}, delegation={"partitions": None, "other_ops": []})
    row["latency_ms"] = {"run": {"p50": 3.0}, "end_to_end": None}
    (found,) = rows.latency_rows({"results": [row]}, "some")
    assert found["run_p50_ms"] == 3.0 and found["delegated_ops"] is None
    assert {found[name] for name in ("run_p99_ms", "end_to_end_p50_ms", "peak_memory_mb", "partitions")} == {None}


def test_run_in_which_a_row_failed_is_refused(tmp_path):
    path = write(tmp_path / "a.json", [made_up(), failed("wrong result", model="b.tflite")])
    with pytest.raises(UserError, match="b.tflite was not measured: wrong result"):
        record.record_latency(tmp_path, path, "some")
    assert not (tmp_path / "latency.csv").exists()


def test_training_becomes_a_row_and_its_curve(tiny_network, tmp_path):
    config = TrainingConfig(model=tiny_network, epochs=2, **SIZES)
    train(config, Noise(9), Noise(5), tmp_path / "my_training")
    record.record_training(tmp_path, tmp_path / "my_training")
    (row,) = rows.read(tmp_path / "trainings.csv")
    assert (row["training"], row["network"], row["train_split"]) == ("my_training", tiny_network, "train")
    assert row["epochs"] == row["epochs_planned"] == 2 and row["minutes"] > 0 and row["package"]
    curve = rows.read(tmp_path / "training_curves.csv")
    assert [(point["training"], point["epoch"]) for point in curve] == [("my_training", 0), ("my_training", 1)]
    assert max(point["val_miou"] for point in curve) == pytest.approx(row["best_val_miou"], abs=1e-5)


def test_tables_that_were_recorded_can_be_read(tmp_path, tiny_network):
    record.record_accuracy(tmp_path, evaluation(tmp_path / "a.txt"), "ndnet45_camvid_scratch", "float")
    record.record_latency(tmp_path, write(tmp_path / "b.txt", [made_up()]), "some")
    train(TrainingConfig(model=tiny_network, epochs=1, **SIZES), Noise(9), Noise(5), tmp_path / "c")
    record.record_training(tmp_path, tmp_path / "c")
    results = load_results(tmp_path)
    assert results.accuracy_of("ndnet45_camvid_scratch", "float")["miou"] == 0.5
    assert results.class_iou_of("ndnet45_camvid_scratch", "float") == {"sky": 0.5, "sign, symbol": None}
    assert results.accuracy_of("ndnet45_camvid_scratch", "int8") is None
    assert results.times_of("some") == {"net_int8.tflite": {1: 9.0}} and results.times_of("other") == {}
    assert list(results.trainings) == ["c"]


@pytest.mark.parametrize("text", ["", "[1]", '{"kind": "training"}'])
def test_what_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match="a.json is no result of liteseg evaluate; give a .json file"):
        record.record_accuracy(tmp_path, tmp_path / "a.json", "a", "float")
    with pytest.raises(UserError, match="a.json is no result of liteseg benchmark"):
        record.record_latency(tmp_path, tmp_path / "a.json", "some")


def test_command(tmp_path):
    command = [sys.executable, "-m", "benchmarks.record", "--results", tmp_path]

    def run(*flags):
        return subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True)

    done = run("--accuracy", evaluation(tmp_path / "a.json"), "--training", "t", "--variant", "int8")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Recorded t, int8, test, 360x480: mIoU 50.00\n"
    assert rows.read(tmp_path / "accuracy.csv")[0]["variant"] == "int8"
    done = run("--latency", write(tmp_path / "b.json", [made_up()]), "--run", "some")
    assert done.stdout == "Recorded 1 rows of the run some\n", done.stderr
    done = run("--accuracy", tmp_path / "a.json", "--variant", "int8")
    assert done.returncode == 1 and done.stderr.startswith("error: --accuracy needs --training too")
    done = run("--accuracy", tmp_path / "a.json", "--latency", tmp_path / "b.json")
    assert done.returncode == 1 and "error: Give one of --accuracy, --training_run and --latency" in done.stderr
    done = run("--accuracy", tmp_path / "none.json", "--training", "t", "--variant", "int8")
    assert done.returncode == 1 and "none.json: No such file" in done.stderr


def test_commands_can_share_a_process():
    code = "import benchmarks.coverage, benchmarks.picture, benchmarks.record, benchmarks.runtimes, "
    code += "benchmarks.sensitivity, benchmarks.take_published, benchmarks.training_speed, benchmarks.tables.__main__"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
