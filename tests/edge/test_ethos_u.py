"""ethos-u: on the real Vela, which predicts and runs nothing."""

import importlib.util
import re

import pytest

from edge import targets
from edge.benchmark import benchmark
from edge.report.report import report
from edge.result_files import write
from edge.table import table
from edge.targets import Options, ethos_u
from edge.targets.ethos_u import _ops
from keras_liteseg import CalibrationOptions, ExportOptions, export
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.flatbuffer import read_model
from tests.edge.npu_files import tiny_file
from tests.edge.report.results import Page

vela = pytest.mark.skipif(importlib.util.find_spec("ethosu") is None, reason="Vela is not installed (extra ethos-u)")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{name: path}: the last resize of 'whole' has the factor 2, that of 'part' has another."""
    folder = tmp_path_factory.mktemp("npu")
    found = {name: tiny_file(folder / f"{name}.tflite", size) for name, size in SIZES.items()}
    return found | {"float": tiny_file(folder / "float.tflite", (17, 25), "none")}


SIZES = {"part": (16, 24), "whole": (17, 25)}


@pytest.fixture(scope="module")
def rows(files, tmp_path_factory):
    """Rows of all files, and the folder of the compiled ones."""
    folder = tmp_path_factory.mktemp("compiled")
    found = benchmark(list(files.values()), "ethos-u:u55-256", options=Options(compiled=folder))
    return dict(zip(files, found, strict=True)), folder


@vela
def test_whole_network_on_the_npu(rows):
    row = rows[0]["whole"]
    assert (row["status"], row["kind"], row["partial"]) == ("ok", "predicted", None)
    assert row["delegation"]["partitions"] == 1 and row["delegation"]["other_ops"] == []
    assert 0 < row["latency_ms"]["run"]["p50"] < 1 and row["latency_ms"]["end_to_end"] is None
    assert row["latency_ms"]["run"]["min"] == row["latency_ms"]["run"]["max"]
    assert row["memory_kib"]["sram_limit"] == 2048 and 0 < row["memory_kib"]["sram"] < 100 > row["memory_kib"]["flash"]
    assert row["traffic_mb"]["sram"] > 0
    assert row["device"]["cpu"] == "Arm Ethos-U55-256 (Ethos_U55_High_End_Embedded, Shared_Sram)"
    assert row["runtime"]["name"] == "Vela" and re.match(r"\d+\.\d+", row["runtime"]["version"])
    assert [tensor["shape"] for tensor in row["inputs"] + row["outputs"]] == [[1, 17, 25, 3], [1, 17, 25, 3]]
    assert "computes nothing" in row["correctness"]["unsupported"]


@vela
def test_ops_on_the_cpu_are_named_with_reasons_and_never_ranked(rows, files):
    row = rows[0]["part"]
    assert row["partial"] == "NPU part only" and row["ratio_to_first"] is None
    (left,) = row["delegation"]["other_ops"]
    assert (left["op"], left["count"]) == ("RESIZE_BILINEAR", 1) and "scale-factor=2.1428" in left["reason"]
    text = table([row])
    assert "predicted" in text and "NPU part only" in text and "1x RESIZE_BILINEAR" in text
    assert "exported with --npu ethos-u, nothing is left" in text
    assert "no time of the network" in text and "no time of the network" not in table([rows[0]["whole"]])


@vela
@pytest.mark.parametrize("output_type", ["logits", "classes"])
def test_all_of_a_file_for_it_is_on_the_npu(output_type, tmp_path):
    path = tmp_path / "for_npu.tflite"
    options = ExportOptions(quantization="int8", npu="ethos-u", output_type=output_type)
    export("lps_net_tiny", path, options, CalibrationOptions(images=1), input_size=(70, 101))
    (row,) = benchmark([path], "ethos-u:u55-256")
    assert row["partial"] is None and row["delegation"]["other_ops"] == []


@vela
def test_compiled_file_is_kept_on_demand(rows, files):
    compiled = {path.name: path for path in rows[1].iterdir()}
    assert compiled.keys() == {"part_u55-256.tflite", "whole_u55-256.tflite"}
    assert _ops(read_model(compiled["whole_u55-256.tflite"])) == ["ethos-u"]
    assert _ops(read_model(compiled["part_u55-256.tflite"])) == ["ethos-u", "RESIZE_BILINEAR"]


@vela
def test_float_file_runs_nowhere_on_it(rows):
    assert rows[0]["float"]["status"] == "failed"
    assert "no op of it runs on the NPU, which takes int8 files only" in rows[0]["float"]["reason"]


@vela
@pytest.mark.parametrize("address", ["u65-512", "u85-128"])
def test_other_npus(address, files):
    (row,) = benchmark([files["whole"]], f"ethos-u:{address}")
    assert row["status"] == "ok" and row["partial"] is None and row["accelerator"] == f"ethos-{address}"
    assert row["memory_kib"]["sram_limit"] == 384


@vela
def test_too_little_sram_is_told(files, tmp_path):
    rows = benchmark([files["whole"]], "ethos-u:u55-128", options=Options(npu_sram_kib=1))
    assert rows[0]["memory_kib"]["sram_limit"] == 1
    assert re.search(r"whole.tflite needs [\d.]+ KiB of SRAM, more than the 1 .*export it for about", table(rows))


@vela
def test_page_marks_what_is_predicted(rows, tmp_path):
    write(tmp_path / "result.json", [], [rows[0]["whole"], rows[0]["part"]])
    text = report([tmp_path / "result.json"], tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    assert "predicted" in text and "Nothing ran on ethos-u:u55-256" in page.text
    assert "1 of 2 rows of ethos-u:u55-256 count the NPU part only" in page.text
    assert "fastest on ethos-u:u55-256 (predicted)" in page.text and "whole, 1 thread" in page.text


@vela
def test_vela_that_takes_too_long(files):
    (row,) = benchmark([files["whole"]], "ethos-u:u55-256", timeout_s=0.01)
    assert row["status"] == "failed" and "Vela did not end within 0.01 s" in row["reason"]


def test_without_vela_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(ethos_u.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs Vela; install it with: pip install 'keras-liteseg\[ethos-u\]'"):
        targets.check("ethos-u:u55-256")
    assert targets.uses_threads("ethos-u:u55-256") is False
