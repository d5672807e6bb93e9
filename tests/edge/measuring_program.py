"""Plays `benchmark_model` where there is no phone: takes its flags, prints in its words, and measures for real, with
the runner of this project. `install` writes it as a program in one of the two forms."""

import pathlib
import re
import shlex
import shutil
import sys

COMMON = ("graph", "num_threads", "num_runs", "min_secs", "max_secs", "warmup_runs", "warmup_min_secs")
COMMON += ("report_peak_memory_footprint", "use_gpu", "require_full_delegation", "signature_to_run_for")
FLAGS = {
    "classic": COMMON
    + ("input_layer", "input_layer_shape", "input_layer_value_files", "output_filepath", "use_nnapi", "use_xnnpack")
    + ("enable_op_profiling",),
    "litert": COMMON + ("use_cpu", "use_npu", "use_profiler"),
}


def install(path, form, first_lines="", python=(sys.executable,)):
    """Write the program to `path`; `first_lines` are run before anything else, all of it by the command `python`."""
    from edge.targets.runner_session import DEVICE_FOLDER
    from keras_liteseg.tflite import gpu_log, partitions

    runner = path.parent / "runner"
    runner.mkdir(parents=True)
    # What a device gets, this file, and what reads LiteRT's ops and log here as the program does; nothing else of this
    # project, so that any Python with LiteRT can run it.
    shutil.copytree(DEVICE_FOLDER, runner / "device")
    for file in (gpu_log.__file__, partitions.__file__, __file__):
        shutil.copy(file, runner)
    script = path.with_suffix(".py")
    script.write_text(
        f"import sys\nsys.path[:0] = {[str(runner)]!r}\n{first_lines}\n"
        f"from measuring_program import main\nsys.exit(main({form!r}, sys.argv[1:]))\n"
    )
    path.write_text(f'#!/bin/sh\nexec {shlex.join([*python, str(script)])} "$@"\n')
    path.chmod(0o755)
    return path


def main(form, arguments):
    flags = {"num_threads": "1", "num_runs": "50", "warmup_runs": "1"}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if name not in FLAGS[form]:
            print(f"WARN: Unconsumed cmdline flags: {argument}")
        flags[name] = value
    if not re.fullmatch(r"\d+", flags["num_runs"]):
        print(f"ERROR: Failed to parse flag 'num_runs' against argv '--num_runs={flags['num_runs']}'")
        print("ERROR: usage: benchmark_model <flags>\nFlags:")
        print("".join(f"\t--{name}=\tstring\toptional\t{name}\n" for name in FLAGS[form]), end="")
        return 1
    print("INFO: STARTING!\nINFO: Log parameter values verbosely: [0]\nINFO: Graph: [" + flags["graph"] + "]")
    return _measure(form, flags)


def _measure(form, flags):
    from device.machine import peak_memory_mb
    from device.runner import runner_class
    from gpu_log import refused_ops

    threads = int(flags["num_threads"])
    accelerator = "gpu" if flags.get("use_gpu") == "true" else "cpu"
    before = peak_memory_mb()
    try:
        runner = runner_class(accelerator)(flags["graph"], threads)
    except Exception as error:
        refused = refused_ops(getattr(error, "log", ""))
        if accelerator == "cpu" or not refused:
            print(f"ERROR: {error}\nERROR: Benchmarking failed.")
            return 1
        print("ERROR: Following operations are not supported by GPU delegate:", *refused, sep="\n")
        if form == "litert":
            print("ERROR: Failed to compile model.\nERROR: Benchmarking failed.")
            return 1
        # The classic program goes on without a word of failure.
        print("INFO: Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate.")
        runner, accelerator = runner_class("cpu")(flags["graph"], threads), "cpu"
    else:
        if accelerator == "gpu" and form == "classic":
            end = "the model graph will be completely executed by the delegate."
            print(f"INFO: Explicitly applied GPU delegate, and {end}")
    _tell_partitions(runner, accelerator)
    print(f"INFO: Initialized session in {runner.init_ms:g}ms.")

    files = [item.split(":")[1] for item in flags.get("input_layer_value_files", "").split(",") if item]
    if files:
        shapes = [[int(size) for size in shape.split(",")] for shape in flags["input_layer_shape"].split(":")]
        runner.data = [_read(file, tensor, shape) for file, tensor, shape in zip(files, runner.inputs, shapes)]
    warmup, times = [[1e3 * runner.infer()[0] for _ in range(int(flags[name]))] for name in ("warmup_runs", "num_runs")]
    for values in (warmup, times):
        print("INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding ...")
        print(f"INFO: {_count(values)}\n")
    memory = [peak_memory_mb() - before] * 2
    peak = peak_memory_mb() if flags.get("report_peak_memory_footprint") == "true" else None
    (_tell_classic if form == "classic" else _tell_litert)(runner.init_ms * 1e3, warmup, times, memory, peak)
    if flags.get("output_filepath"):
        data = runner.outputs_for(runner.data)
        pathlib.Path(flags["output_filepath"]).write_bytes(b"".join(tensor.tobytes() for tensor in data))
    if "true" in (flags.get("enable_op_profiling"), flags.get("use_profiler")):
        _tell_ops(form, flags["graph"], threads)
    return 0


def _read(file, tensor, shape):
    import numpy as np

    return np.fromfile(file, np.dtype(tensor["dtype"])).reshape(shape)


def _tell_partitions(runner, accelerator):
    from partitions import partitions

    ops = runner.ops()
    found = partitions(ops) if accelerator == "cpu" else {"partitions": 1, "delegated_ops": len(ops), "other_ops": []}
    nodes = found["delegated_ops"] + sum(entry["count"] for entry in found["other_ops"])
    names = {"cpu": "TfLiteXNNPackDelegate", "gpu": "LITERT_CL"}
    print(
        f"VERBOSE: Replacing {found['delegated_ops']} out of {nodes} node(s) with delegate ({names[accelerator]}) "
        f"node, yielding {found['partitions']} partitions for subgraph 0."
    )


def _count(times):
    import numpy as np

    if not times:
        return "count=0"
    ranks = " ".join(
        f"{name}={np.percentile(times, rank):.0f}" for name, rank in (("p5", 5), ("median", 50), ("p95", 95))
    )
    if len(times) == 1:
        return f"count=1 curr={times[0]:.0f} {ranks}"
    return (
        f"count={len(times)} first={times[0]:.0f} curr={times[-1]:.0f} min={min(times):.0f} max={max(times):.0f} "
        f"avg={np.mean(times):g} std={np.std(times):.0f} {ranks}"
    )


def _mean(times):
    return sum(times) / len(times) if times else 0


def _tell_classic(init, warmup, times, memory, peak):
    first = warmup[0] if warmup else 0
    print(
        f"INFO: Inference timings in us: Init: {init:.0f}, First inference: {first:.0f}, "
        f"Warmup (avg): {_mean(warmup):g}, Inference (avg): {_mean(times):g}"
    )
    print(f"INFO: Memory footprint delta from the start of the tool (MB): init={memory[0]:g} overall={memory[1]:g}")
    if peak is not None:
        print(f"INFO: Overall peak memory footprint (MB) via periodic monitoring: {peak:g}")


def _tell_litert(init, warmup, times, memory, peak):
    import numpy as np

    lines = [
        f"Model initialization: {init / 1e3:.2f} ms",
        f"Warmup (first):       {(warmup[0] if warmup else 0) / 1e3:.2f} ms",
        f"Warmup (avg):         {_mean(warmup) / 1e3:.2f} ms ({len(warmup)} runs)",
        f"Inference (avg):      {_mean(times) / 1e3:.2f} ms ({len(times)} runs)",
        f"Inference (min):      {min(times) / 1e3:.2f} ms",
        f"Inference (max):      {max(times) / 1e3:.2f} ms",
        f"Inference (std):      {np.std(times) / 1e3:.2f}",
        "\nMemory Usage:",
        f"Init footprint:       {memory[0]:.2f} MB",
        f"Overall footprint:    {memory[1]:.2f} MB",
        "Peak memory usage not available. (peak_mem_mb <= 0)"
        if peak is None
        else f"Peak memory:          {peak:.2f} MB",
    ]
    print("INFO: [benchmark_litert_model.h:91] \n========== BENCHMARK RESULTS ==========")
    for number, line in enumerate(lines):
        print(f"INFO: [benchmark_litert_model.h:{92 + number}] {line}")


def _tell_ops(form, model, threads):
    from device.op_profile import profile

    found = profile(model, threads, "cpu", 2)
    ops, total = found["ops"], found["total_ms"]
    if form == "litert":
        rows = [("Delegate/" + op["op"] if op["delegate"] else op["op"], op["ms"], f"[X]:{op['index']}") for op in ops]
        print("INFO: [benchmark_litert_model.h:150]")
        _tell_table(rows, total, "{:>60} {:>10.3f} {:>10.3f} {:>10.3f} {:>9.3f}% {:>9.3f}% {:>10.3f} {:>14} {:>8}")
        return
    classic = "\t{:>24}\t{:>17.3f}\t{:>9.3f}\t{:>9.3f}\t{:>7.3f}%\t{:>7.3f}%\t{:>10.3f}\t{:>9}\t{}"
    inside = [op for op in ops if op["delegate"]]
    graph = [("TfLiteXNNPackDelegate", sum(op["ms"] for op in inside), "[all]:0")] if inside else []
    graph += [(op["op"], op["ms"], f"[tensor]:{op['index']}") for op in ops if not op["delegate"]]
    print("INFO: Operator-wise Profiling Info for Regular Benchmark Runs:")
    _tell_table(graph, total, classic)
    print("Delegate internal: ")
    _tell_table([(op["op"], op["ms"], f"Delegate/{op['op']}:{op['index']}") for op in inside], total, classic)


def _tell_table(rows, total, line):
    for title in ("Run Order", "Top by Computation Time"):
        print(f"============================== {title} ==============================")
        print("\t[node type]\t[start]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]")
        for kind, ms, name in rows:
            print(line.format(kind, 0, ms, ms, 100 * ms / total, 0, 0, 1, name))
        print()
