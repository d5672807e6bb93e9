"""Timing LPS-Nets of any size, and the table of a grid of them."""

import importlib.metadata
import importlib.util
import json
import logging
import subprocess
import sys

import pytest

from edge import targets
from edge.family import LATENCIES_FILE, FamilyLatency
from edge.profile_family import GRID_FILE, grid, table
from edge.targets import Options
from keras_liteseg.errors import UserError
from keras_liteseg.expansion import START, expand
from keras_liteseg.provenance import cpu_name
from tests.edge import sshd
from tests.edge.npu_files import tiny_file

TINY, WIDER, DEEPER = (f"lps_net_d{depth}_w{width}_r4" for depth, width in (
    ("1-1-1-1-1", "4-4-4-4-4"), ("1-1-1-1-1", "8-8-8-8-8"), ("1-2-2-2-2", "4-4-4-4-4")))  # fmt: skip

LARGER = "lps_net_d1-2-2-2-2_w16-16-16-16-16_r4"


def latency(folder, **changes):
    arguments = {"input_size": (64, 128), "precision": "float32", "runs": 3} | changes
    return FamilyLatency(folder, **arguments)


def said(caplog):
    """Return what `edge.family` has logged since the last call."""
    lines = [record.getMessage() for record in caplog.records if record.name == "edge.family"]
    caplog.clear()
    return "\n".join(lines)


def test_each_network_is_exported_and_timed_once(tmp_path, caplog):
    caplog.set_level(logging.INFO, "edge")
    first = latency(tmp_path)([TINY, WIDER])
    assert all(time > 0 for time in first)
    assert f"Exporting 2 of 2: {WIDER}\nTiming 2 networks on host:cpu" in said(caplog)
    # Another process, which knows what is on disk.
    again = latency(tmp_path)
    assert again([TINY, WIDER]) == first and said(caplog) == ""
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tflite")}
    found = again([TINY, DEEPER])
    out = said(caplog)
    assert "Timing 2 networks" in out and WIDER not in out and found[0] == first[0]
    assert all(path.stat().st_mtime_ns == time for path, time in files.items()) and len(files) == 2
    content = json.loads((tmp_path / LATENCIES_FILE).read_text())
    assert content["measured_on"] == again.measured_on and content["measured_on"]["stand_in"] is None
    assert content["measured_on"]["device"]["cpu"] == cpu_name()
    assert {"host", "command", "date", "versions"} <= set(content)
    known = content["latencies"]
    assert list(known) == [TINY, WIDER, DEEPER]
    for name, time in ((TINY, first[0]), (WIDER, first[1]), (DEEPER, found[1])):
        assert known[name]["relative_to"] == TINY and known[name]["accelerator"] == "xnnpack"
        assert time == pytest.approx(known[TINY]["latency_ms"] * known[name]["ratio"], abs=1e-3)


def test_latencies_of_another_kind_are_not_mixed(tmp_path):
    latency(tmp_path)([TINY])
    with pytest.raises(UserError, match="were measured with precision float32, not int8; give another folder"):
        latency(tmp_path, precision="int8")
    with pytest.raises(UserError, match=r"were measured with input_size \[64, 128\], not \[128, 128\]"):
        latency(tmp_path, input_size=(128, 128))
    path = tmp_path / LATENCIES_FILE
    path.write_text(path.read_text().replace(cpu_name(), "Raspberry Pi 5"))
    with pytest.raises(UserError, match="were measured on Raspberry Pi 5, and host:cpu is .* now; give another folder"):
        latency(tmp_path)([TINY, WIDER])
    path.write_text("{")
    with pytest.raises(UserError, match="is damaged .* remove it to measure again"):
        latency(tmp_path)


def test_a_device_that_does_not_answer_is_told_before_anything_is_exported(tmp_path, monkeypatch):
    def connect(target, options):
        raise targets.MeasurementFailed("nobody answers")

    monkeypatch.setattr(targets, "connect", connect)
    with pytest.raises(UserError, match="^Nothing can be measured on host:cpu: nobody answers.$"):
        latency(tmp_path)([TINY, WIDER])
    assert list(tmp_path.iterdir()) == []


def test_files_that_an_interrupt_left_untimed_are_not_taken_for_those_of_another_size(tmp_path):
    family = latency(tmp_path)
    with pytest.raises(UserError, match="There is no model 'lps_net_none'"):
        family([TINY, "lps_net_none"])  # ends after the first file, as an interrupt may
    assert [path.stem for path in tmp_path.glob("*.tflite")] == [TINY]
    assert latency(tmp_path).measured_on is None
    with pytest.raises(UserError, match=r"were measured with input_size \[64, 128\], not \[128, 128\]"):
        latency(tmp_path, input_size=(128, 128))


@pytest.mark.skipif(sshd.SSHD is None, reason="no sshd here; on Debian: apt install openssh-server")
def test_latencies_of_a_stand_in_say_so(tmp_path, caplog):
    caplog.set_level(logging.INFO, "edge")
    server = sshd.start(tmp_path)
    try:
        server.make_ready(importlib.metadata.version("ai-edge-litert"))
        options = Options(ssh_config=str(server.config))
        here = latency(tmp_path / "files", target=server.target, options=options)
        here([TINY])
    finally:
        sshd.stop(server)
    assert "Measured on a stand-in (loopback): no device's speed" in said(caplog)
    assert json.loads((tmp_path / "files" / LATENCIES_FILE).read_text())["measured_on"]["stand_in"] == "loopback"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int4"}, "precision is 'int4'; choose from float32, float16, int8"),
        ({"target": "phone"}, "Unknown target 'phone'"),
        ({"threads": 0}, "threads is 0; it must be a whole number from 1 to 1024"),
        ({"runs": 1.5}, "runs is 1.5; it must be a whole number, 1 or more"),
        ({"input_size": (64,)}, "give height and width"),
        ({"input_size": (64, 0)}, "a side of input_size is 0"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        latency(tmp_path, **changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ndnet45", [1], [[8]]), "network is 'ndnet45'; choose from lps_net_tiny"),
        (("lps_net_s", [0], [[8]]), "A width is 0; give factors above 0"),
        (("lps_net_s", [1], [[]]), r"A resolution is \[\]; give one to three paths"),
        (("lps_net_s", [1], [[6, 0]]), "a path of a resolution is 0"),
    ],
)
def test_wrong_grids_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        grid(*arguments)


def test_network_that_cannot_be_measured(tmp_path):
    (tmp_path / f"{TINY}.tflite").write_bytes(b"nothing")
    with pytest.raises(UserError, match="is not a TFLite file"):
        latency(tmp_path)([TINY])


vela = pytest.mark.skipif(importlib.util.find_spec("ethosu") is None, reason="Vela is not installed (extra ethos-u)")


@vela
def test_networks_are_made_for_the_npu_that_predicts_their_time(tmp_path):
    predicted = latency(tmp_path, target="ethos-u:u55-128", precision="int8")
    first, larger = predicted([TINY, LARGER])
    assert 0 < first < larger < 10
    assert predicted.measured_on["kind"] == "predicted" and "U55-128" in predicted.measured_on["device"]["cpu"]
    assert "ms, predicted  resolution" in table(
        [{"width": 1, "resolution": "4", "latency_ms": first}], predicted.measured_on["kind"]
    )


@vela
@pytest.mark.slow  # two dozen files
def test_network_grows_for_a_predicted_time(tmp_path):
    predicted = latency(tmp_path, target="ethos-u:u55-128", precision="int8")
    found = list(
        expand(
            lambda architectures: predicted([each.name for each in architectures]),
            lambda architectures, base: [sum(each.width) / 1000 for each in architectures],  # in place of trainings
            rounds=1,
            budget=0.6,
            max_resolution=0.5,
        )
    )
    (chosen,) = [each.chosen for each in found]
    assert sum(chosen.architecture.width) > sum(START.width) and chosen.latency <= 0.6
    assert predicted.measured_on["kind"] == "predicted"


@vela
def test_npus_take_int8_alone(tmp_path):
    with pytest.raises(UserError, match="precision is 'float32', and ethos-u:u55-128 takes int8 files alone"):
        latency(tmp_path, target="ethos-u:u55-128")


@vela
def test_prediction_of_the_npu_part_ranks_nothing(tmp_path):
    tiny_file(tmp_path / f"{TINY}.tflite", (16, 24))  # left there, and not made for the NPU
    with pytest.raises(
        UserError, match=f"{TINY} cannot be compared on ethos-u:u55-256: .*RESIZE_BILINEAR stay on the CPU"
    ):
        latency(tmp_path, target="ethos-u:u55-256", precision="int8")([TINY])


def test_grid_scales_widths_in_multiples_of_four():
    cells = grid("lps_net_s", [0.1, 1], [[6, 2], [8]])
    assert [cell["name"] for cell in cells] == [
        "lps_net_d1-3-3-10-10_w4-4-4-8-8_r6-2",
        "lps_net_d1-3-3-10-10_w4-4-4-8-8_r8",
        "lps_net_d1-3-3-10-10_w8-24-48-96-96_r6-2",
        "lps_net_d1-3-3-10-10_w8-24-48-96-96_r8",
    ]
    assert [(cell["width"], cell["resolution"]) for cell in cells] == [(0.1, "6-2"), (0.1, "8"), (1, "6-2"), (1, "8")]


def profile_family(*arguments):
    command = [sys.executable, "-m", "keras_liteseg", "profile", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_table_and_file_of_a_grid(tmp_path):
    # Both widths are rounded to the same channels at 0.5 and 0.4.
    arguments = ["--network", "lps_net_tiny", "--widths", "0.4,0.5", "--resolutions", "2,4-2"]
    arguments += ["--input_size", "64x128", "--precision", "float32", "--runs", 3, "--output_dir", tmp_path]
    done = profile_family(*arguments)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / GRID_FILE).read_text())
    assert {"command", "date", "host", "versions"} <= set(content) and content["input_size"] == "64x128"
    assert content["device"]["cpu"] == cpu_name() and content["stand_in"] is None
    cells = {(cell["width"], cell["resolution"]): cell for cell in content["networks"]}
    assert len(cells) == 4
    assert cells[0.5, "4-2"]["macs"] > cells[0.5, "2"]["macs"] > 0
    lines = done.stdout[done.stdout.index("width") :].splitlines()
    assert lines[0].split() == ["width", "2", "4-2"]
    for line, width in zip(lines[1:3], (0.4, 0.5), strict=True):
        times = [cells[width, paths]["latency_ms"] for paths in ("2", "4-2")]
        assert line.split() == [f"{width:g}", *(f"{time:.2f}" for time in times)]
    # Again, with one width more: what is known is not measured again.
    more = profile_family(*arguments[:3], "0.4,0.5,1", *arguments[4:])
    assert more.returncode == 0 and more.stdout.count("Exporting") == 2
    again = json.loads((tmp_path / GRID_FILE).read_text())["networks"]
    assert [cell for cell in again if cell["width"] < 1] == content["networks"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "ndnet45"], "network is 'ndnet45'; choose from lps_net_tiny, lps_net_s"),
        (["--widths", "1,wide"], "'wide' in --widths is no factor"),
        (["--widths", "0"], "'0' in --widths is no factor"),
        (["--resolutions", "6-0"], "'6-0' in --resolutions is no list of paths"),
        (["--resolutions", "1-1-1-1"], "'1-1-1-1' in --resolutions is no list of paths"),
        (["--input_size", "2x2", "--resolutions", "1"], "2x2"),
        (["--target", "phone"], "phone"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments, message, tmp_path):
    done = profile_family(*arguments, "--output_dir", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and message in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.tflite"))


def test_size_that_cannot_be_read(tmp_path):
    done = profile_family("--input_size", "64", "--output_dir", tmp_path)
    assert done.returncode == 2 and "'64' is not a size" in done.stderr and list(tmp_path.iterdir()) == []
