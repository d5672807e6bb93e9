"""Bad files and outputs that cannot be written."""

import copy
import re
import subprocess
import sys

import pytest

from edge.report import rows
from keras_liteseg.commands import main
from keras_liteseg.errors import UserError
from tests.edge.report.results import ROOT, made_up, write


def report(*arguments):
    command = [sys.executable, "-m", "keras_liteseg", "report", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / "good.json", [made_up()])


def broken(tmp_path, kind):
    path = tmp_path / f"{kind}.json"
    if kind == "damaged":
        path.write_text(write(path, [made_up()]).read_text()[:-40])
    elif kind == "truncated":
        path = write(path.with_suffix(".jsonl"), [made_up(), made_up(threads=2)])
        path.write_text(path.read_text()[:-40])
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00{}")
    elif kind == "empty":
        path.write_text("")
    elif kind == "other":
        path.write_text('{"kind": "accuracy", "miou": 0.5}')
    elif kind == "incomplete":
        row = copy.deepcopy(made_up())
        del row["latency_ms"]["run"]
        write(path, [row])
    elif kind == "folder":
        path.mkdir()
    return path


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("latency_ms.end_to_end.p50", NAN, "latency_ms.end_to_end.p50 is nan, not a number above 0"),
        ("latency_ms.end_to_end.p50", 0, "latency_ms.end_to_end.p50 is 0, not a number above 0"),
        ("latency_ms.run.p90", None, "latency_ms.run.p90 is None, not a number above 0"),
        ("latency_ms.run", ..., "latency_ms.run is missing"),
        ("latency_ms", None, "latency_ms is missing"),
        ("round_p50_ms", [1.0, NAN], "round_p50_ms is nan, not a number above 0"),
        ("round_p50_ms", 3.0, "round_p50_ms is 3.0, not a list"),
        ("accuracy.miou", NAN, "accuracy.miou is nan, not a number"),
        ("accuracy.split", ..., "accuracy.split is missing"),
        ("accuracy", 0.6, "accuracy is 0.6, not a table"),
        ("threads", "two", "threads is 'two', not a whole number"),
        ("network", 45, "network is 45, not a text"),
        ("bytes", "3 MB", "bytes is '3 MB', not a number"),
        ("status", "done", "status is 'done', not 'ok' or 'failed'"),
        ("device.cores", "four", "device.cores is 'four', not a whole number"),
        ("inputs", [{"name": "image"}], "inputs.shape is missing"),
        ("correctness.equal_labels", INFINITE, "correctness.equal_labels is inf, not a number"),
    ],
)
def test_rows_that_no_benchmark_writes(place, value, message, tmp_path):
    row = made_up()
    *above, last = place.split(".")
    parent = row
    for name in above:
        parent = parent[name]
    if value is ...:
        del parent[last]
    else:
        parent[last] = value
    path = write(tmp_path / "result.json", [row])
    with pytest.raises(
        UserError,
        match=re.escape(f"net_int8.tflite on host:cpu does not hold what liteseg benchmark writes ({message})"),
    ):
        rows.load([path])


@pytest.mark.parametrize("name", ["command", "date", "versions"])
def test_run_without_its_origin(name, tmp_path):
    with pytest.raises(UserError, match=f"{name} is missing"):
        rows.load([write(tmp_path / "result.json", [made_up()], **{name: None})])


@pytest.mark.parametrize("name", ["accuracy", "adapter", "correctness", "delegation", "inputs", "state"])
def test_null_is_as_good_as_nothing(name, show):
    page, text = show([made_up(**{name: None})])
    assert "net_int8" in page.text and "10.00" in text


def test_op_of_a_profile_that_does_not_tell_its_delegate(show):
    page, _ = show([made_up(profile={"total_ms": 2.0, "ops": [{"op": "CONV_2D", "ms": 1.5}]})])
    assert any("CONV_2D" in cells[0] and cells[1] == "built-in" for cells in page.table("profile"))


@pytest.mark.parametrize("inputs", [[], [{"name": "x", "dtype": "int8", "shape": [1, 40], "quantization": [0.1, 0]}]])
def test_too_little_sram_for_what_takes_no_picture(inputs, show):
    page, _ = show([made_up(memory_kib={"sram": 400.0, "sram_limit": 384}, inputs=inputs)])
    assert "net_int8.tflite needs 400 KiB of SRAM, more than the 384 that the NPU is given" in page.text


def test_device_that_does_not_tell_its_cores_is_not_called_busy(show):
    page, text = show([made_up(device={"cpu": "Some CPU"}, load_average=9.0)])
    assert "busy" not in page.text + text


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "error: Cannot read {path}: No such file"),
        ("folder", "error: Cannot read {path}: Is a directory"),
        ("damaged", "error: {path} is no result of liteseg benchmark ("),
        ("truncated", "error: {path} is no result of liteseg benchmark ("),
        ("binary", "error: {path} is no result of liteseg benchmark ("),
        ("empty", "error: {path} is no result of liteseg benchmark ("),
        ("other", "error: {path} is no result of liteseg benchmark; give a file that it has written."),
        ("incomplete", "error: {path} is damaged: the row of net_int8.tflite on host:cpu"),
    ],
)
@pytest.mark.parametrize("as_baseline", [False, True])
def test_bad_files(kind, message, as_baseline, good, tmp_path, capsys):
    path = broken(tmp_path, kind)
    before = sorted(tmp_path.iterdir())
    files = [good, "--baseline", path] if as_baseline else [path] if kind == "other" else [good, path]
    assert main(["report", *map(str, files), "--output", str(tmp_path / "report.html")]) == 1
    printed, error = capsys.readouterr()
    assert error.startswith(message.format(path=path)) and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
    assert printed == ""


def test_exit_status_and_one_sentence(tmp_path, good):
    done = report("--output", tmp_path / "report.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: No file to report on; give at least one that liteseg benchmark has written.\n"
    other = write(tmp_path / "other.json", [made_up("other.tflite")])
    done = report(good, "--baseline", other, "--output", tmp_path / "report.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: The baseline {other} has no row in common") and done.stderr.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("good.json/report.html", "error: Cannot write"),
        ("good.json", "error: The output .*good.json is no HTML file; give a name that ends in .html"),
    ],
)
def test_output_that_cannot_be_written(output, message, good, tmp_path):
    before = good.read_text()
    done = report(good, "--output", tmp_path / output)
    assert done.returncode == 1 and re.match(message, done.stderr) and done.stdout == ""
    assert good.read_text() == before and list(tmp_path.iterdir()) == [good]


def test_full_disk_leaves_the_old_page(disk, tmp_path):
    old = disk / "report.html"
    old.write_text("old")
    many = write(tmp_path / "many.json", [made_up(f"net{number}.tflite", accuracy=None) for number in range(600)])
    done = report(many, "--output", old)
    assert done.returncode == 1 and done.stderr.startswith(f"error: Cannot write {old}: No space left on device")
    assert old.read_text() == "old" and list(disk.iterdir()) == [old]
