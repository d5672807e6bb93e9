"""browser:wasm and browser:webgpu, LiteRT.js in a headless Chromium on this machine.

Every model with every number of threads has a Chromium of its own, whose one page (`edge/web/benchmark.html`) loads the
file, runs it and times it with its own clock.
"""

import json
import os
import pathlib
import re

import numpy as np

from edge import targets, web_server
from edge.device.tensors import pack, random_input, unpack
from edge.targets.chromium import Chromium, TooLate, find_program
from edge.targets.protocol import MeasurementFailed, Unsupported
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.gpu_log import refused_ops

# WebGPU on Linux needs the first two; the third makes Chromium tell the adapter's name and type.
_WEBGPU = ("--enable-unsafe-webgpu", "--enable-features=Vulkan", "--enable-webgpu-developer-features")


def check(address):
    """Raise a `UserError` unless `address` is 'wasm' or 'webgpu'."""
    if address not in ("wasm", "webgpu"):
        raise UserError(f"Unknown target 'browser:{address}'; there are browser:wasm and browser:webgpu.")


def uses_threads(address):
    """Return whether the number of CPU threads changes what is measured."""
    check(address)
    return address == "wasm"


def connect(address, options):
    """Return a Chromium with LiteRT.js, which is installed on first use.

    Raises:
        MeasurementFailed: there is no Chromium, or LiteRT.js cannot be installed.
    """
    program = find_program(options.chromium)
    try:
        return Browser(address, program, web_server.install())
    except web_server.NotInstalled as reason:
        raise MeasurementFailed(str(reason)) from None


class Browser:
    """Chromium and the server of its pages, a `protocol.Device`."""

    stand_in = None

    def __init__(self, accelerator, program, litertjs):
        self._accelerator = accelerator
        self._program = program
        self._server = web_server.Server(litertjs, accept_posts=True)
        self._started = 0

    def start(self, model, threads, timeout_s):
        """Return a `BrowserSession` with a page of its own; see `protocol.Device`."""
        self._started += 1
        return BrowserSession(self._program, self._server, self._started, self._accelerator, model, threads, timeout_s)

    def close(self):
        """Stop the server."""
        self._server.close()


class BrowserSession:
    """One model in one page, a `protocol.Session`."""

    def __init__(self, program, server, number, accelerator, model, threads, timeout_s):
        self._server = server
        self._folder = f"/{number}"  # a number, so that no name of a user's gets into an address
        self._accelerator = accelerator
        self._model = model
        self._threads = threads
        self._timeout_s = timeout_s
        # What the file takes and gives, and what machine this is.
        self._host = _ask_host(model, timeout_s)
        self._chromium = Chromium(program, _WEBGPU if accelerator == "webgpu" else (), timeout_s)

    def ask(self, line):
        """Answer `line` as `edge/device/runner.py` does; see `protocol.Session`."""
        command, *arguments = line.split()
        try:
            if command == "load":
                return self._load()
            if command == "warmup":
                self._evaluate(line, f"benchmark.run({int(*arguments)})")
                return {}
            if command == "run":
                return self._evaluate(line, f"benchmark.run({int(*arguments)})")
            if command == "report":
                return self._report()
            if command == "infer":
                return self._infer(*arguments)
        except MeasurementFailed:
            self.close()
            raise
        raise Unsupported("LiteRT.js does not time single ops")

    def close(self):
        """End the Chromium; may be called twice."""
        self._chromium.close()
        for path in [path for path in self._server.answers if path.startswith(self._folder + "/")]:
            del self._server.answers[path]

    def _load(self):
        load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        rng = np.random.default_rng(0)
        self._serve("", (web_server.PAGES / "benchmark.html").read_bytes(), "text/html")
        self._serve("model", self._model.read_bytes())
        inputs = self._host["inputs"]
        self._serve_inputs([random_input(rng, tensor["shape"], np.dtype(tensor["dtype"])) for tensor in inputs])
        self._chromium.open(f"{self._server.url}{self._folder}/", self._timeout_s)
        self._memory_before = self._peak_memory_mb()
        options = json.dumps({"accelerator": self._accelerator, "threads": self._threads})
        loaded = self._evaluate("load", f"benchmark.load({options})")
        self._told = self._evaluate("load", "benchmark.report()")
        if self._accelerator == "webgpu":
            left_out = refused_ops("\n".join(self._chromium.console))
            if left_out or not self._told["fully_accelerated"]:
                reasons = "; ".join(left_out) or "LiteRT.js does not say why"
                raise MeasurementFailed(f"not all of it runs on the GPU: {reasons}")
        return {**loaded, "load_average": load_average}

    def _infer(self, packed):
        self._serve_inputs(unpack(packed))
        outputs = []
        for index, tensor in enumerate(self._evaluate("infer", "benchmark.infer()")):
            data = self._server.posted.pop(f"{self._folder}/output/{index}")
            outputs.append(np.frombuffer(data, tensor["dtype"]).reshape(tensor["shape"]))
        return {"outputs": pack(outputs)}

    def _report(self):
        report = {
            **{name: self._host[name] for name in ("device", "inputs", "outputs")},
            "stand_in": None,
            "runtime": {
                "name": "LiteRT.js",
                "version": web_server.litertjs_version(),
                "browser": self._chromium.version,
            },
            "accelerator": self._accelerator,
            "peak_memory_mb": self._memory() if self._accelerator == "wasm" else {},
            "delegation": self._delegation(),
            "state": {"before": {}, "after": {}},
        }
        adapter = self._told["adapter"]
        if adapter is None:
            return report
        software = adapter["fallback"] or adapter["architecture"] == "swiftshader" or adapter["type"] == "CPU"
        name = adapter["description"] or " ".join(filter(None, (adapter["vendor"], adapter["architecture"])))
        return report | {
            "adapter": {"name": name or "not told", "backend": adapter["backend"], "type": adapter["type"]},
            "stand_in": "software GPU" if software else None,
        }

    def _delegation(self):
        delegation = self._host["delegation"]
        left_out = delegation["other_ops"]
        total = delegation["delegated_ops"] + sum(entry["count"] for entry in left_out)
        if self._told["fully_accelerated"]:
            return {"partitions": 1, "delegated_ops": total, "other_ops": []}
        reason = "LiteRT.js says that XNNPACK left out some ops, not which; it left out these on host:cpu"
        return delegation | {"other_ops": [entry | {"reason": reason} for entry in left_out]}

    def _memory(self):
        # That of the page is the largest; Chromium does not tell which process is whose.
        peaks = self._peak_memory_mb()
        process = max(peaks, key=peaks.get, default=None)
        if process not in self._memory_before:
            return {}
        peak = peaks[process]
        return {"process": round(peak, 1), "model": round(peak - self._memory_before[process], 1)}

    def _peak_memory_mb(self):
        """Return {process number: peak resident memory in MB} of Chromium's page processes, as far as Linux tells."""
        found = {}
        for process in self._chromium.call("SystemInfo.getProcessInfo", self._timeout_s)["processInfo"]:
            try:
                status = pathlib.Path(f"/proc/{process['id']}/status").read_text()
            except OSError:  # another system, or it has just ended
                continue
            peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
            if process["type"] == "renderer" and peak:
                found[process["id"]] = int(peak[1]) / 1024
        return found

    def _evaluate(self, line, expression):
        try:
            return self._chromium.evaluate(expression, self._timeout_s)
        except TooLate:
            raise MeasurementFailed(f"no answer to '{line}' within {self._timeout_s:g} s") from None
        except MeasurementFailed as failure:
            raise MeasurementFailed(self._cure(str(failure))) from None

    def _cure(self, said):
        """Return what to do about a failure that is known, else the failure."""
        if "no WebGPU adapter" in said:
            return f"{self._chromium.version} finds no WebGPU adapter here; install a Vulkan driver of your GPU"
        if re.search(r"Element type \w+ is not supported", said):
            types = [f"{name} {self._host[f'{name}s'][0]['dtype']}" for name in ("input", "output")]
            return (
                f"LiteRT.js takes and gives float32, int32 and uint8 only, and this file has {' and '.join(types)}; "
                "export it with --input_type float32 --output_type classes"
            )
        return said

    def _serve(self, name, data, kind="application/octet-stream"):
        self._server.answers[f"{self._folder}/{name}"] = (kind, data)

    def _serve_inputs(self, tensors):
        for index, tensor in enumerate(tensors):
            self._serve(f"input/{index}", tensor.tobytes())


def _ask_host(model, timeout_s):
    """Return the report of host:cpu."""
    session = targets.connect("host:cpu").start(model, 1, timeout_s)
    try:
        session.ask("load")
        return session.ask("report")
    finally:
        session.close()
