"""The page and the table on the terminal, on real results of the benchmark and on made up ones for what is rare."""

import json
import re
import subprocess
import sys

import pytest

from edge import table
from edge.report import page, rows
from edge.targets import host
from tests.edge.report.results import ODD_NAME, OLDER, ROOT, STATISTICS, Page, accuracy, failed, made_up, results, write


@pytest.fixture(scope="module")
def real_page(real, tmp_path_factory):
    output = tmp_path_factory.mktemp("report") / "report.html"
    command = [sys.executable, "-m", "keras_liteseg", "report", str(real), "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return Page(output), done.stdout


def test_terminal_shows_the_table_of_the_benchmark(real, real_page):
    found = results(real)
    _, text = real_page
    device = found[0]["device"]
    assert text.startswith(f"host:cpu on {device['cpu']}, {device['cores']} core")  # one, or cores
    assert table.table(found) in text


def test_page_loads_nothing_and_escapes_names(real_page):
    shown, _ = real_page
    for word in ("http", "@import", "src=", "href=", "<script"):
        assert word not in shown.source
    assert set(re.findall(r"url\([^)]*\)", shown.source)) == {"url(#hatch)", "url(#hatch-bar)"}
    assert ODD_NAME in shown.text
    assert "<b>" not in shown.source and "&amp;amp;" in shown.source
    assert not shown.all("b")


def test_every_column_has_a_head(show):
    profile = {"ops": [{"op": "ARG_MAX", "ms": 4.0, "delegate": None, "index": 9}], "total_ms": 10.0, "runs": 20}
    shown, _ = show([made_up(profile=profile)])
    heads = re.findall(r"<thead><tr>(.*?)</tr></thead>", shown.source)
    assert {"profile", "percentiles", "accuracy"} <= {section for section, _ in shown.rows}
    assert not [head for head in heads if "></th>" in head or "<td" in head]


def test_whoever_has_no_mouse_reaches_every_table(show, tmp_path):
    profile = {"ops": [{"op": "ARG_MAX", "ms": 4.0, "delegate": None, "index": 9}], "total_ms": 10.0, "runs": 20}
    baseline = write(tmp_path / "before.json", [made_up()])
    shown, _ = show([made_up(profile=profile)], baseline=baseline)
    scrollers = shown.all("div", tabindex="0", role="group", **{"class": "scroll"})
    assert len(scrollers) == len(shown.all("table")) == 8
    assert len({scroller["aria-label"] for scroller in scrollers}) == 8


def test_page_tells_every_percentile(real, real_page):
    shown, _ = real_page
    lines = [cells for cells in shown.table("percentiles") if "p50" not in cells]
    assert len(lines) == 2 * len(results(real))
    for row, (end_to_end, run) in zip(results(real), zip(lines[::2], lines[1::2]), strict=True):
        expected = [f"{row['latency_ms']['end_to_end'][name]:,.2f}" for name in STATISTICS]
        assert end_to_end[:2] == [row["model"].removesuffix(".tflite"), str(row["threads"])]
        assert end_to_end[3:10] == expected
        assert end_to_end[10:] == [
            *(f"{row[name]:,.2f}" for name in ("init_ms", "compile_ms", "first_run_ms")),
            f"{row['peak_memory_mb']['model']:.1f}",
            "8",
            f"{row['load_average']:.1f}",
        ]
        assert run == ["run", *(f"{row['latency_ms']['run'][name]:,.2f}" for name in STATISTICS)]


def test_page_tells_accuracy_coverage_and_origin(real, real_page):
    shown, _ = real_page
    row = results(real)[0]
    (line,) = [cells for cells in shown.table("accuracy") if "no." not in cells]
    assert line[1] == ODD_NAME and "43.21" in line[4]
    assert line[5:7] == [f"{each['latency_ms']['end_to_end']['p50']:,.2f}" for each in results(real)[:2]]
    assert "street_scenes, val, 4 images" in shown.text and "4 images are too few" in shown.text
    assert "because they have no card with a measured accuracy: plain." in shown.text
    coverage = [cells for cells in shown.table("coverage") if cells[0] == "plain"]
    assert coverage[0][2:5] == ["xnnpack", "1", str(row["delegation"]["delegated_ops"])]
    assert coverage[0][6:] == ["2", "0 steps", "100.00 %"]
    document = json.loads(real.read_text())
    assert " ".join(document["command"].split()) in shown.text
    assert document["date"] in shown.text and document["versions"]["ai-edge-litert"] in shown.text


def test_page_tells_where_the_time_goes(real, real_page):
    shown, _ = real_page
    profile = results(real)[0]["profile"]
    if "ops" not in profile:
        pytest.skip(f"no profile of this machine: {profile['unsupported']}")
    line = next(cells for cells in shown.table("profile") if cells[0] == ODD_NAME)
    inside = sum(op["ms"] for op in profile["ops"] if op["delegate"])
    outside = sum(op["ms"] for op in profile["ops"] if not op["delegate"])
    rest = max(profile["total_ms"] - inside - outside, 0)
    assert line[2] == f"{profile['total_ms']:.2f}"
    assert line[4:7] == [f"{value:.2f}" for value in (inside, outside, rest)]
    slowest = max(profile["ops"], key=lambda op: op["ms"])
    assert [slowest["op"], slowest["delegate"] or "built-in", str(slowest["index"])] in [
        cells[:3] for cells in shown.table("profile")
    ]


def test_accuracies_on_different_images_are_never_in_one_picture(show):
    found = [
        made_up("a.tflite", accuracy=accuracy(0.61)),
        made_up("b.tflite", accuracy=accuracy(0.62, split="test")),
        made_up("c.tflite", accuracy=accuracy(0.63, data="cityscapes")),
        made_up("d.tflite", accuracy=accuracy(0.64, images=7)),
        made_up("e.tflite", accuracy=None),
    ]
    shown, _ = show(found)
    pictures = [found["aria-label"] for found in shown.all("svg", role="img")]
    assert len(pictures) == 4 * len(page.WIDTHS)
    for name in "abcd":
        titles = re.findall(rf"<title>{name}: ", shown.source)
        assert len(titles) == len(page.WIDTHS)
    for svg in re.findall(r'<svg class="chart".*?</svg>', shown.source):
        assert svg.count("<title>") == 1
    assert "no card with a measured accuracy: e." in shown.text


@pytest.mark.skipif(
    not host.SWIFTSHADER.exists(), reason="no SwiftShader here; on Debian it is in the package chromium"
)
def test_real_software_gpu_is_no_device(tmp_path, show):
    import tensorflow as tf

    from tests.edge.test_benchmark import to_tflite

    model, result = tmp_path / "model.tflite", tmp_path / "gpu.json"
    model.write_bytes(to_tflite(lambda x: tf.argmax(x, -1, output_type=tf.int32)))
    command = [sys.executable, "-m", "keras_liteseg", "benchmark", "--model", model, "--target", "host:cpu,host:gpu"]
    command += ["--threads", "1", "--runs", "4", "--warmup", "1", "--output", result]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    if results(result)[1]["stand_in"] is None:
        pytest.skip("this machine has a GPU")
    shown, text = show(result)
    assert "host:gpu is no device: the times are those of a stand-in (software GPU)" in shown.text
    assert shown.all("div", **{"class": "block no-device family-none"})
    assert "(software GPU: no device's speed)" in text


def test_stand_ins_are_labelled_and_apart(show):
    stand_ins = [
        made_up(target="ssh://user@localhost", stand_in="loopback", p50=777.0),
        made_up(target="adb:emulator-5554", stand_in="emulator", p50=888.0),
    ]
    shown, _ = show([made_up(p50=12.0), *stand_ins])
    blocks = shown.source.split('<div class="block ')[1:]
    assert len(blocks) == 2
    assert "12.0&nbsp;ms" in blocks[0].replace("\N{NO-BREAK SPACE}", "&nbsp;") and "no-device" not in blocks[0][:20]
    assert not {"777", "888"} & set(re.findall(r"\d+", blocks[0]))
    assert "stand-in, no device’s speed" in blocks[1] and "(loopback)" in blocks[1] and "(emulator)" in blocks[1]
    for svg in re.findall(r'<svg class="chart".*?</svg>', shown.source):
        assert ('class="stand-in"' in svg) == ("12 ms" not in svg)
    assert "fastest on host:cpu" in shown.text and "fastest on ssh" not in shown.text
    for name in ("loopback", "emulator"):
        assert f"{name}, no device" in shown.text


def test_failed_rows_come_first_with_their_reason(show):
    reason = "wrong result: 12.00 % of the labels are those of <this> machine's CPU"
    long = "not all of it runs on the GPU: " + "CONV_2D: Tensor type(INT16) is not supported; " * 40
    found = [made_up(), failed(reason, target="host:gpu"), failed(long, model="other.tflite", target="host:gpu")]
    shown, text = show(found)
    assert shown.text.index("2 rows failed") < shown.text.index("Latency against accuracy")
    assert f"net_int8 on host:gpu, 1 thread: {reason}" in shown.text
    assert long.strip() in shown.text and "the whole reason" in shown.text
    assert f"failed: {reason}" in text and "1 of 3 rows measured" in shown.text


def test_all_rows_failed(show):
    shown, text = show([failed("host:gpu is down", target="host:gpu")])
    assert "1 row failed" in shown.text and "unknown, as all rows failed" in shown.text
    assert not shown.all("svg", role="img")
    assert "host:gpu on device unknown" in text


def test_what_was_not_measured_is_not_called_so(show):
    shown, _ = show([made_up(load_average=0.12), failed("no GPU", target="host:gpu")])
    (cpu, gpu) = shown.table("method")[1:]
    assert (cpu[1], cpu[5]) == ("measured", "0.1")
    assert gpu[1] == "–"


def test_accuracy_comes_with_its_data_set_and_split(show):
    shown, text = show([made_up(accuracy=accuracy(0.612)), made_up("slow.tflite", p50=20.0, accuracy=accuracy(0.7))])
    assert "best mIoU on camvid val at 30 frames/s" in shown.text
    sentence = (
        "host:cpu, of 2 files with an mIoU on camvid val: net_int8 (10.00 ms with 1 thread, 61.20 %) is the fastest, "
        "and slow (20.00 ms with 1 thread, 70.00 %) the most accurate."
    )
    assert sentence in shown.text and sentence in text


def test_tool_that_knows_statistics_alone(show):
    less = {"run": {"mean": 44.4, "std": 1.0, "min": 40.0, "max": 50.0}, "end_to_end": None}
    row = made_up(target="adb:phone", latency_ms=less, round_p50_ms=[44.4], init_ms=None, compile_ms=None)
    row |= {"peak_memory_mb": {}, "correctness": {"unsupported": "no flag for outputs"}, "load_average": None}
    shown, text = show([row])
    end_to_end, run = shown.table("percentiles")[1:]
    assert end_to_end[3:10] == ["–"] * 7 and run == ["run", "–", "–", "–", "44.40", "1.00", "40.00", "50.00"]
    assert "not compared: no flag for outputs" in shown.text
    assert "44.4 ms run alone" in shown.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "The tool on adb:phone times the run alone" in shown.text
    assert "44.40" in text


def test_converted_networks_and_states_of_a_device(show):
    state = {"before": {"temperature_c": {"cpu": 41.5}, "cpu_mhz": [1500.0]}, "after": {"temperature_c": {"cpu": 55.0}}}
    state["after"]["power_mode"] = "MAXN"
    shown, _ = show([made_up(target="ssh://jetson", converted="ONNX opset 17, TensorRT fp16", state=state)])
    assert "not the files themselves that ran, but ONNX opset 17, TensorRT fp16" in shown.text
    assert "41.5 to 55 °C, 1500 MHz, power mode MAXN" in shown.text


def test_ops_outside_come_with_reasons(show):
    other = [{"op": "ARG_MAX", "count": 1, "reason": "int64 <output>"}, {"op": "PAD", "count": 3}]
    shown, _ = show([made_up(delegation={"partitions": 2, "delegated_ops": 7, "other_ops": other})])
    (line,) = shown.table("coverage")[1:]
    assert line[3:6] == ["2", "7", "1× ARG_MAX (int64 <output>), 3× PAD"]


def test_profile_adds_up_the_ops_of_a_type(show):
    def op(name, ms, delegate, index):
        return {"op": name, "ms": ms, "share": ms / 10, "delegate": delegate, "index": index}

    ops = [op("Convolution", 2.0, "xnnpack", 0), op("Convolution", 3.0, "xnnpack", 1), op("ARG_MAX", 4.0, None, 9)]
    profile = {"ops": ops, "total_ms": 10.0, "runs": 20, "partitions": 1}
    refused = made_up("other.tflite", profile={"unsupported": "no profiler for the GPU"})
    shown, _ = show([made_up(profile=profile), refused])
    lines = shown.table("profile")
    assert lines[1][2] == "10.00" and lines[1][4:7] == ["5.00", "4.00", "1.00"]
    assert ["Convolution", "xnnpack", "2", "5.000", "50.0 %"] in [[*map(plain, line)] for line in lines]
    assert ["ARG_MAX", "built-in", "9", "4.000", "40.0 %"] in [[*map(plain, line)] for line in lines]
    assert [found["width"] for found in shown.all("rect") if found.get("class") in ("inside", "outside")] == [
        "50.00%",
        "40.00%",
    ]
    assert "No profile of 1 row of host:cpu: no profiler for the GPU." in shown.text


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_bar_that_would_hide_the_others_is_cut(show):
    shown, _ = show([made_up("a.tflite", p50=10.0), made_up("b.tflite", p50=12.0), made_up("c.tflite", p50=900.0)])
    widths = [float(found["width"][:-1]) for found in shown.all("rect", **{"class": "bar"})]
    assert widths == pytest.approx([10 / 15 * 100, 12 / 15 * 100, 100], abs=0.01)
    assert len(shown.all("path", **{"class": "break"})) == 1 and "Broken bars" in shown.text


def test_older_results_lack_fields(show):
    shown, text = show(OLDER)
    found = results(OLDER)
    assert len(shown.table("percentiles")) == 1 + 2 * len(found)
    first = shown.table("percentiles")[1]
    assert first[3] == f"{found[0]['latency_ms']['end_to_end']['p50']:,.2f}" and first[11] == "–"
    assert table.table([rows.Row(row, None).data for row in found]) in text
    assert "precision unknown" in shown.text and "liteseg_darknet19" in shown.text


def test_other_json_files_are_passed_over(show, tmp_path):
    (tmp_path / "lines.jsonl").write_text('{"accuracy": 1}\n')
    shown, text = show(ROOT / "results" / "demo.json", [made_up()], tmp_path / "lines.jsonl")
    remark = (
        f"Passed over, being no results of liteseg benchmark: {ROOT / 'results' / 'demo.json'}, {tmp_path}/lines.jsonl"
    )
    assert remark in text and remark in shown.text


def test_all_committed_documents_can_be_given_beside_a_result(show):
    shown, text = show(*sorted((ROOT / "results").glob("*.json")), OLDER)
    assert "results/demo.json" in text and "liteseg_darknet19" in shown.text


def test_newest_row_of_a_history_counts(show, tmp_path):
    old = write(tmp_path / "a.jsonl", [made_up(p50=11.0), made_up(p50=22.0, threads=2)], date="2026-01-01")
    new = write(tmp_path / "b.jsonl", [made_up(p50=33.0), made_up(p50=44.0)], date="2026-02-01")
    shown, text = show(new, old)  # by date, and not as they are given
    assert [cells[3] for cells in shown.table("percentiles")[1::2]] == ["22.00", "44.00"]
    assert "2 older rows of the same files" in text and "2 older rows" in shown.text
    assert "come from 2 runs of the benchmark" in shown.text
    twice = [write(tmp_path / f"{date}.json", [made_up()], date=date) for date in ("2026-01-01", "2026-01-02")]
    assert "\n1 older row of the same files was left out.\n" in show(*twice)[1]


def test_thousands_of_frames_are_written_out(show):
    assert "1 thread: 20,000 frames/s" in show([made_up(p50=0.05)])[0].text


def test_files_of_one_name_are_told_apart(show):
    shown, _ = show([made_up(sha256="aaaaaaaa11"), made_up(sha256="bbbbbbbb22", p50=20.0)])
    assert "net_int8 (aaaaaaaa)" in shown.text and "net_int8 (bbbbbbbb)" in shown.text


def test_busy_machine(show):
    shown, text = show([made_up(load_average=3.5), made_up("other.tflite")])
    assert "busy before the measuring of 1 of 2 rows (load average up to 3.5 on 4 cores)" in shown.text
    assert "The machine was busy before the measuring (load average 3.5 on 4 cores)" in text
