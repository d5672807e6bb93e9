"""--delegate: on a library that is built here, on this machine and over a real sshd."""

import importlib.metadata
import shutil

import pytest

from edge import benchmark, targets
from edge.report.report import report
from edge.report.rows import load
from edge.result_files import write
from edge.table import table
from edge.targets import Options
from keras_liteseg.errors import UserError
from tests.edge import sshd
from tests.edge.external_delegate import NEG, build, for_other_processor, needs_compiler, negating_file

pytestmark = needs_compiler
needs_sshd = pytest.mark.skipif(sshd.SSHD is None, reason="no sshd here; on Debian: apt install openssh-server")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("delegate"))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return negating_file(tmp_path_factory.mktemp("files") / "a.tflite")


def measure(file, target="host:cpu", **options):
    arguments = {"threads": [1], "runs": 2, "warmup": 0, "profile": True}
    (row,) = benchmark.benchmark([file], target, options=Options(**options), **arguments)
    return row


def test_row_counts_what_the_delegate_took_and_the_options_arrive(file, library, tmp_path):
    options = {"log": str(tmp_path / "log"), "builtin_code": NEG, "empty": ""}
    row = measure(file, delegate=library, delegate_options=options)
    assert row["status"] == "ok", row
    assert row["accelerator"] == library.name and row["delegate"] == {"library": str(library), "options": options}
    left = {"op": "CONV_2D", "count": 2, "reason": "the delegate left it to the CPU"}
    assert row["delegation"] == {"partitions": 2, "delegated_ops": 2, "other_ops": [left]}
    assert row["correctness"]["max_difference"] < 1e-5 and row["latency_ms"]["end_to_end"]["p50"] > 0
    assert "external delegate" in row["profile"]["unsupported"]
    assert set((tmp_path / "log").read_text().split("\n")[:3]) == {f"{key}={value}" for key, value in options.items()}
    assert f"{library.name}, partitions: 2, outside: 2x CONV_2D" in table([row])


def test_row_of_the_cpu_is_no_row_of_the_delegate(file, library):
    row = measure(file, delegate=library)
    assert row["status"] == "failed" and "latency_ms" not in row
    assert row["reason"] == f"the delegate {library} took none of its 4 ops, and all ran on the CPU"


def test_page_keeps_rows_with_and_without_it_apart(file, library, tmp_path):
    rows = [measure(file), measure(file, delegate=library, delegate_options={"builtin_code": NEG})]
    write(tmp_path / "result.json", [], rows)
    report([tmp_path / "result.json"], tmp_path / "page.html")
    runs, _, left_out = load([tmp_path / "result.json"])
    plain, delegated = (row.place for run in runs for row in run.rows)
    assert left_out == 0 and delegated == f"{plain}, with {library.name}"


def test_path_from_here(file, library, monkeypatch):
    monkeypatch.chdir(library.parent)
    assert measure(file, delegate=library.name, delegate_options={"builtin_code": NEG})["status"] == "ok"


def libraries(library):
    """{what: (library, options, what is said)} of those that cannot be used."""
    plain = library.with_name("plain.so")
    plain.write_text("no library")
    return {
        "missing": ("/no/lib.so", {}, r"there is no delegate /no/lib.so; give the path"),
        "unknown name": ("libno_such.so", {}, r"there is no delegate libno_such.so; give the path"),
        "no library": (plain, {}, r"plain.so is no library"),
        "no delegate": ("libc.so.6", {}, r"no delegate of TensorFlow Lite: .* function tflite_plugin_create_delegate"),
        "other processor": (for_other_processor(library), {}, r"libother.so is not for this processor, \S+; give"),
        "refusal": (library, {"refuse": "no NPU"}, r"does not start: no NPU; look at its options"),
    }


@pytest.mark.parametrize("what", ["missing", "unknown name", "no library", "no delegate", "other processor", "refusal"])
def test_library_that_cannot_be_used_is_a_reason(what, file, library):
    name, options, says = libraries(library)[what]
    row = measure(file, delegate=name, delegate_options=options)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(row["reason"])


@needs_sshd
def test_over_ssh_the_library_is_that_of_the_device(file, library, tmp_path):
    server = sshd.start(tmp_path)
    try:
        server.make_ready(importlib.metadata.version("ai-edge-litert"))
        there = tmp_path / "it's the device" / "libvx.so"
        there.parent.mkdir(exist_ok=True)
        shutil.copy(library, there)
        options = {"builtin_code": NEG, "log": str(tmp_path / "told"), "quoted": 'it\'s "$HOME"'}
        row = measure(file, server.target, ssh_config=str(server.config), delegate=there, delegate_options=options)
        assert row["status"] == "ok" and row["accelerator"] == "libvx.so" and row["stand_in"] == "loopback", row
        assert row["delegation"]["delegated_ops"] == 2 and options["quoted"] in (tmp_path / "told").read_text()
        missing = measure(file, server.target, ssh_config=str(server.config), delegate="/no/lib.so")
        assert "there is no delegate /no/lib.so" in missing["reason"]
    finally:
        sshd.stop(server)


@pytest.mark.parametrize("target", ["host:gpu", "ssh://pi@board/gpu", "micro:tflm", "browser:wasm"])
def test_other_targets_take_none(target, monkeypatch):
    for module, _ in targets.TARGETS.values():
        monkeypatch.setattr(f"{module}.check", lambda address: None)
    with pytest.raises(UserError, match=f"{target} takes no delegate; --delegate is for host:cpu and ssh://user@host"):
        targets.check(target, Options(delegate="a.so"))
    targets.check("ssh://pi@board:22", Options(delegate="a.so"))


def test_options_without_a_delegate(file):
    with pytest.raises(UserError, match="no delegate; name its library as --delegate"):
        measure(file, delegate_options={"a": "b"})
