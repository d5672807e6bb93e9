"""Per-op times from the profiler of the installed LiteRT, in processes of their own as on a device."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge import targets
from edge.benchmark import PROFILE_RUNS, benchmark
from edge.targets.runner_session import DEVICE_FOLDER
from keras_liteseg.conversion.convert import convert
from keras_liteseg.graph import native_dilation
from keras_liteseg.quantization.simulate import simulate_int8
from keras_liteseg.tflite.partitions import left_out, op_details, partitions
from tests.edge.test_benchmark import folder, needs_gpu  # noqa: F401  a fixture


@pytest.fixture(scope="module")
def files(folded, calibrated, metadata, tmp_path_factory):
    """{precision: a file of NDNet45 that gives classes}."""
    found = {}
    models = {
        "none": native_dilation(folded),
        "float16": native_dilation(folded),
        "int8": simulate_int8(*calibrated),
    }
    for precision, model in models.items():
        found[precision] = tmp_path_factory.mktemp("profile") / f"{precision}.tflite"
        found[precision].write_bytes(convert(model, metadata.replace(quantization=precision, output_type="classes")))
    return found


def ask(file, threads=1, runs=3, target="host:cpu"):
    session = targets.connect(target).start(file, threads, timeout_s=120)
    try:
        return session.ask(f"profile {runs}")
    finally:
        session.close()


def delegation(file):
    """Return (what `partitions`, what `left_out` says of a file)."""
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    ops = op_details(interpreter)
    return partitions(ops), left_out(ops)


def check(found, file, runs):
    delegated, outside = delegation(file)
    ops = found["ops"]
    assert (found["runs"], found["partitions"]) == (runs, delegated["partitions"])
    # Built-in kernels one by one, in order.
    assert [(op["index"], op["op"]) for op in ops if op["delegate"] is None] == outside
    # XNNPACK's operators, numbered from 0 in each partition.
    indices = [op["index"] for op in ops if op["delegate"] == "xnnpack"]
    assert len(indices) + len(outside) == len(ops)
    starts = [place for place, index in enumerate(indices) if index == 0]
    assert len(starts) == delegated["partitions"]
    for start, end in zip(starts, [*starts[1:], len(indices)]):
        assert indices[start:end] == list(range(end - start))
    assert all(op["ms"] >= 0 for op in ops)
    assert max(op["ms"] for op in ops) <= found["total_ms"]
    # One microsecond per op for rounding.
    assert sum(op["ms"] for op in ops) <= found["total_ms"] + 1e-3 * len(ops)
    for op in ops:
        assert op["share"] == pytest.approx(op["ms"] / found["total_ms"], abs=1e-5)
    json.dumps(found)


@pytest.mark.parametrize("precision", ["none", "float16", "int8"])
@pytest.mark.parametrize("threads", [1, 2])
def test_network(files, precision, threads):
    found = ask(files[precision], threads)
    check(found, files[precision], runs=3)
    # The last op is the one that XNNPACK does not have.
    assert (found["ops"][-1]["op"], found["ops"][-1]["delegate"]) == ("ARG_MAX", None)
    convolutions = {op["op"] for op in found["ops"] if op["op"].startswith("Convolution (")}
    assert convolutions and all(("QC8" if precision == "int8" else "F32") in name for name in convolutions)


def test_several_partitions(folder):  # noqa: F811
    # CAST to and from int64 stands between a convolution and the end; XNNPACK has neither.
    file = folder / "int64.tflite"
    found = ask(file)
    check(found, file, runs=3)
    names = [op["op"] for op in found["ops"]]
    assert names.count("CAST") == 2 and found["ops"][0]["delegate"] == "xnnpack"


def test_row_of_the_benchmark(files):
    plain, profiled = (benchmark([files["int8"]], threads=[1], runs=2, profile=profile)[0] for profile in (False, True))
    assert "profile" not in plain
    assert profiled["status"] == "ok"
    check(profiled["profile"], files["int8"], PROFILE_RUNS)


@needs_gpu
def test_gpu_has_none(folder):  # noqa: F811
    (row,) = benchmark([folder / "good.tflite"], "host:gpu", runs=1, profile=True)
    assert row["status"] == "ok"
    assert row["profile"] == {"unsupported": "LiteRT has no profiler for its GPU accelerator"}


def test_file_that_litert_refuses(folder):  # noqa: F811
    with pytest.raises(targets.Unsupported, match=r"LiteRt\w+ failed with status"):
        ask(folder / "flex.tflite")


@pytest.fixture
def on_device(files, tmp_path):
    """Function that runs Python code beside the folder `device`, as on a device, and returns what it prints as JSON.
    Its `arguments` are those of a profile."""
    shutil.copytree(DEVICE_FOLDER, tmp_path / "device")

    def run(code):
        start = f"import json\nfrom device import op_profile\narguments = {str(files['int8'])!r}, 1, 'cpu', 2\n"
        done = subprocess.run([sys.executable, "-c", start + code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


PRINT_PROFILE = "\nprint(json.dumps(op_profile.profile(*arguments)))"


def test_unknown_accelerator_and_no_runs_are_refused(on_device):
    found = on_device("""
from device import runner
said = []
for accelerator, runs in (("tpu", 2), ("cpu", 0)):
    try:
        runner.profile(arguments[0], 1, accelerator, runs)
    except ValueError as error:
        said.append(str(error))
print(json.dumps(said))""")
    choices = "cpu, gpu, npu, tensorrt, openvino, onnxruntime"
    assert found == [f"unknown accelerator 'tpu'; choose from {choices}", "runs is 0; give 1 or more"]


def test_library_without_the_profiler(on_device):
    # A real library that has none of the functions.
    path = numpy.random._generator.__file__
    reason = on_device(f"op_profile.find_library = lambda: {path!r}" + PRINT_PROFILE)["unsupported"]
    assert reason.startswith(f"{pathlib.Path(path).name} has no function LiteRtCreateEnvironment")


def test_library_that_is_missing_or_broken(on_device, tmp_path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    for path, message in ((None, "comes without its C library"), (str(broken), "C library cannot be loaded: ")):
        found = on_device(f"op_profile.find_library = lambda: {path!r}" + PRINT_PROFILE)
        assert list(found) == ["unsupported"] and message in found["unsupported"]


@pytest.mark.parametrize("fields", ["fields[:-1]", "fields + [('more', op_profile.c_uint64)]"])
def test_events_of_another_form(on_device, fields):
    change = f"""
fields = op_profile._Event._fields_
class Event(op_profile.ctypes.Structure):
    _fields_ = {fields}
op_profile._Event = Event"""
    assert "have another form" in on_device(change + PRINT_PROFILE)["unsupported"]


def test_all_memory_is_given_back(on_device):
    first, last = on_device("""
from device import machine
peaks = []
for _ in range(20):
    assert "ops" in op_profile.profile(*arguments)
    peaks.append(machine.peak_memory_mb())
print(json.dumps([peaks[4], peaks[-1]]))""")
    # The file and what XNNPACK makes of it take some MB each time.
    assert last < first + 5
