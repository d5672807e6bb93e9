"""Stands in for trtexec where there is no NVIDIA GPU: takes the options that `edge.device.trtexec` gives, computes with
ONNX Runtime on the CPU, and writes what trtexec would write, in its form. An "engine" is the ONNX file itself.

The environment variable TENSORRT is the version in trtexec's writing, FAULT what shall go wrong.
"""

import json
import os
import signal
import sys
import time

VERSION = os.environ.get("TENSORRT", "100300")
FAULT = os.environ.get("FAULT", "")
OPTIONS = """--onnx --saveEngine --loadEngine --fp16 --warmUp --duration --iterations --useCudaGraph --useSpinWait
    --exportTimes --dumpProfile --exportProfile --loadInputs --exportOutput""".split()


def info(text):
    print(f"[11/21/2026-12:00:00] [I] {text}", flush=True)


def fail(text):
    print(f"[11/21/2026-12:00:00] [E] {text}", file=sys.stderr)
    print("&&&& FAILED TensorRT.trtexec", file=sys.stderr)
    sys.exit(1)


def main(arguments):
    print(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{VERSION}] # trtexec {' '.join(arguments)}")
    if arguments == ["--help"]:
        return
    options = dict(argument.partition("=")[::2] for argument in arguments)
    known = [name for name in OPTIONS if name != "--fp16" or int(VERSION) < 110000]
    for name in options:
        if name not in known:
            fail(f"Unknown option: {name} {options[name]}")
    if FAULT == "hang":
        time.sleep(1000)
    if FAULT == "killed":
        os.kill(os.getpid(), signal.SIGKILL)

    import numpy as np
    import onnxruntime

    source = options.get("--onnx") or options["--loadEngine"]
    settings = onnxruntime.SessionOptions()
    settings.enable_profiling = "--exportProfile" in options
    start = time.perf_counter()
    try:
        session = onnxruntime.InferenceSession(source, settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        fail(f"[TRT] ModelImporter.cpp:914: Failed to parse ONNX model from file: {source}! ({error})")
    info("Selected Device: stand-in")
    info("Compute Capability: 8.7")
    if "--saveEngine" in options:
        with open(source, "rb") as file, open(options["--saveEngine"], "wb") as engine:
            engine.write(file.read())
        info(f"Engine built in {time.perf_counter() - start:.6g} sec.")
    creation = "TensorRT-managed allocation in IExecutionContext creation: CPU +0, GPU +3, now: CPU 0, GPU 7 (MiB)"
    info(f"[TRT] [MemUsageChange] {creation}")

    files = dict(pair.split(":") for pair in options["--loadInputs"].split(",")) if "--loadInputs" in options else {}
    rng = np.random.default_rng(0)
    inputs = {}
    for tensor in session.get_inputs():
        random = rng.uniform(-1, 1, tensor.shape).astype("float32")
        file = files.pop(tensor.name, None)
        inputs[tensor.name] = random if file is None else np.fromfile(file, "float32").reshape(tensor.shape)
    if files:
        fail(f"Cannot find input tensor with name {files} in the engine bindings!")

    times, begin = [], time.perf_counter()
    while True:
        start = time.perf_counter()
        outputs = session.run(None, inputs)
        end = time.perf_counter()
        start, end = 1e3 * (start - begin), 1e3 * (end - begin)
        if start >= float(options["--warmUp"]):
            # Copying the input and the output takes no time here.
            times.append(
                {"startComputeMs": start, "endComputeMs": end, "computeMs": end - start, "latencyMs": end - start}
            )
        if len(times) >= int(options["--iterations"]):
            break
    names = [tensor.name for tensor in session.get_outputs()]
    if "--exportTimes" in options and FAULT != "no times":
        with open(options["--exportTimes"], "w") as file:
            lines = [", ".join(f'"{name}" : {value:.6g}' for name, value in run.items()) for run in times]
            text = "[\n  { " + " }\n, { ".join(lines) + " }\n]\n"
            file.write(text[: len(text) // 2] if FAULT == "cut times" else text)
    if "--exportOutput" in options:
        with open(options["--exportOutput"], "w") as file:
            separator = "  "
            file.write("[\n")
            # In another order than the file's, as from the map that trtexec keeps them in.
            for name, values in reversed(list(zip(names, outputs))):
                values = {"wrong": -values, "nan": values * np.nan}.get(FAULT, values)
                file.write(
                    f'{separator}{{ "name" : "{name}"\n  , "dimensions" : "{"x".join(map(str, values.shape))}"\n'
                )
                text = ", ".join(f"{value:.6g}" for value in values.ravel())
                file.write(f'  , "values" : [ {text[:-9] if FAULT == "cut outputs" else text} ]\n  }}\n')
                separator = ", "
            file.write("]\n")
    if "--exportProfile" in options:
        with open(session.end_profiling()) as file:
            events = [event for event in json.load(file) if event["name"].endswith("_kernel_time")]
        os.unlink(file.name)
        total = {}
        for event in events:
            total[event["name"]] = total.get(event["name"], 0) + event["dur"] / 1e3
        count = len(events) // len(total)
        rows = [f'"name" : "{name}", "timeMs" : {ms:.6g}, "averageMs" : {ms / count:.6g}' for name, ms in total.items()]
        with open(options["--exportProfile"], "w") as file:
            file.write("[\n  { " + f'"count" : {count}' + " }\n" + "".join(f", {{ {row} }}\n" for row in rows) + "]\n")
    print("&&&& PASSED TensorRT.trtexec")


main(sys.argv[1:])
