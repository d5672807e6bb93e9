"""One model in `benchmark_model` on a phone, asked as `edge/device/runner.py` is."""

import collections
import math
import pathlib
import shlex
import signal
import tempfile

import numpy as np

from edge import model_files
from edge.device.tensors import pack, unpack
from edge.targets.benchmark_model_log import last_line, parse
from edge.targets.protocol import MeasurementFailed, Unsupported
from keras_liteseg.tflite import flatbuffer

# What each form of the program needs to run all of a model on an accelerator, or to fail.
_ACCELERATORS = {
    "classic": {"cpu": [], "gpu": ["--use_gpu=true"], "npu": ["--use_nnapi=true", "--disable_nnapi_cpu=true"]},
    "LiteRT 2": {
        "cpu": [],
        "gpu": ["--use_gpu=true", "--use_cpu=false", "--require_full_delegation=true"],
        "npu": ["--use_npu=true", "--use_cpu=false", "--require_full_delegation=true"],
    },
}


class AdbSession:
    """One model on the phone, a `protocol.Session`. Every question that measures calls the program once."""

    def __init__(self, device, model, path, threads, timeout_s):
        self._device, self._path, self._threads, self._timeout_s = device, path, threads, timeout_s
        self._graph = flatbuffer.read_model(model)
        self._inputs, self._outputs = model_files.tensors(model)
        self._warmup = 0
        self._answers = {
            "load": self._load,
            "warmup": self._remember_warmup,
            "run": self._run,
            "report": self._report,
            "infer": self._infer,
            "profile": self._profile,
        }

    def ask(self, line):
        """Answer one line of the protocol; see `protocol.Session`."""
        command, *words = line.split()
        return self._answers[command](*words)

    def close(self):
        """Nothing runs between two questions."""

    def _load(self):
        self._before = self._device.state()
        # The memory is watched here only, as the watching takes time of its own.
        self._loaded = self._call(1, 1, "--report_peak_memory_footprint=true")
        return {
            "init_ms": self._loaded["init_ms"],
            "compile_ms": None,
            "first_run_ms": self._loaded["first_run_ms"],
            "load_average": self._before["load_average"],
        }

    def _remember_warmup(self, count):
        # The largest, because each call of the program is cold.
        self._warmup = max(self._warmup, int(count))
        return {}

    def _run(self, count):
        self._device.cool_down()
        found = self._call(self._warmup, int(count))
        if found["runs"] != int(count):
            raise MeasurementFailed(f"benchmark_model made {found['runs']} runs instead of {count}")
        known = {
            name: value for name, value in found["latency_ms"].items() if name in ("mean", "std", "min", "max", "p50")
        }
        return {"statistics": {"run": {"runs": found["runs"], **known}}}

    def _report(self):
        device, memory = self._device, self._loaded["memory_mb"]
        found = self._loaded["delegation"]
        accelerator = device.accelerator
        if accelerator == "cpu":
            accelerator = "xnnpack" if found["partitions"] else "none" if found["partitions"] == 0 else "cpu"
        names = {"process": "peak", "model": "overall"}
        return {
            "device": device.describe(),
            "stand_in": device.stand_in,
            "runtime": {"name": f"benchmark_model ({device.form})", "version": f"sha256 {device.version}"},
            "accelerator": accelerator,
            "cpu_mask": device.cpu_mask if device.accelerator == "cpu" else None,
            "inputs": self._inputs,
            "outputs": self._outputs,
            "peak_memory_mb": {ours: round(memory[name], 1) for ours, name in names.items() if name in memory},
            "delegation": self._delegation(found),
            "state": {"before": _told(self._before), "after": _told(device.state())},
        }

    def _delegation(self, found):
        operators = self._graph.subgraphs[0].operators
        if found["complete"] or found["partitions"] is None and self._device.accelerator != "cpu":
            return {"partitions": found["partitions"] or 1, "delegated_ops": len(operators), "other_ops": []}
        if found["all_ops"] is None:
            reason = "benchmark_model does not tell what ran where"
            left = [{"op": "unknown", "count": len(operators), "reason": reason}]
            return {"partitions": found["partitions"], "delegated_ops": None, "other_ops": left}
        return {
            "partitions": found["partitions"],
            "delegated_ops": found["delegated_ops"],
            "other_ops": self._left_out(found["all_ops"] - found["delegated_ops"]),
        }

    def _left_out(self, count):
        """Return the ops that XNNPACK did not take: the program counts them, and names them in a profile."""
        try:
            ops = collections.Counter(op["op"] for op in self._profile(1)["ops"] if op["delegate"] is None)
        except (Unsupported, MeasurementFailed):
            ops = collections.Counter()
        if ops.total() != count:
            return [{"op": "unknown", "count": count, "reason": "benchmark_model does not name them"}] if count else []
        return [{"op": op, "count": number} for op, number in ops.most_common()]

    def _infer(self, packed):
        missing = {"input_layer_value_files", "output_filepath"} - self._device.flags
        if missing:
            raise Unsupported(
                f"this benchmark_model ({self._device.form}) has no flag --{sorted(missing)[0]}, which it takes to "
                "compare outputs; the classic one has"
            )
        arrays = unpack(packed)
        names = [f"input{number}" for number in range(len(arrays))]
        folder = self._path.removesuffix(".tflite")
        with tempfile.TemporaryDirectory() as local:
            file = pathlib.Path(local) / "tensor"
            # Outputs of an earlier frame must not pass for those of this one.
            self._device.shell(f"mkdir -p {shlex.quote(folder)} && rm -f {shlex.quote(folder + '/outputs')}")
            for name, array in zip(names, arrays, strict=True):
                file.write_bytes(array.tobytes())
                self._device.push(file, f"{folder}/{name}")
            shapes = [",".join(map(str, array.shape)) for array in arrays]
            self._call(
                0,
                1,
                f"--input_layer={','.join(names)}",
                f"--input_layer_shape={':'.join(shapes)}",
                f"--input_layer_value_files={','.join(f'{name}:{folder}/{name}' for name in names)}",
                f"--output_filepath={folder}/outputs",
            )
            self._device.pull(f"{folder}/outputs", file)
            data = file.read_bytes()
        return {"outputs": pack(self._split(data))}

    def _split(self, data):
        """Return the output tensors whose bytes follow one another in `data`."""
        tensors = self._outputs
        sizes = [math.prod(tensor["shape"]) * np.dtype(tensor["dtype"]).itemsize for tensor in tensors]
        if sum(sizes) != len(data):
            raise MeasurementFailed(f"benchmark_model wrote {len(data)} bytes of outputs instead of {sum(sizes)}")
        ends = np.cumsum(sizes)
        return [
            np.frombuffer(data[end - size : end], tensor["dtype"]).reshape(tensor["shape"])
            for tensor, size, end in zip(tensors, sizes, ends, strict=True)
        ]

    def _profile(self, count):
        flag = "--enable_op_profiling=true" if self._device.form == "classic" else "--use_profiler=true"
        ops = self._call(1, int(count), flag)["ops"]
        if not ops:
            raise Unsupported("this benchmark_model prints no table of ops that is known here")
        return {"ops": ops}

    def _call(self, warmup, runs, *flags):
        """Run the program and return what it measured, as `benchmark_model_log.parse` does."""
        device = self._device
        words = [f"--graph={self._path}", f"--num_threads={self._threads}"]
        # Exactly so many runs: no least time, and none that ends them.
        words += [f"--num_runs={runs}", "--min_secs=0", f"--warmup_runs={warmup}", "--warmup_min_secs=0"]
        words += [f"--max_secs={self._timeout_s:g}"]
        words += [*_ACCELERATORS[device.form][device.accelerator], *flags]
        try:
            status, said = device.call(words, self._timeout_s)
        except MeasurementFailed as failure:
            if "gave no answer" in str(failure):
                raise MeasurementFailed(f"benchmark_model gave no result within {self._timeout_s:g} s") from None
            raise
        if status > 128:
            raise MeasurementFailed(
                f"benchmark_model crashed, killed by {_signal(status - 128)}; it last wrote: {last_line(said)}"
            )
        found = parse(said)
        if status:
            raise MeasurementFailed(f"benchmark_model ended with exit status {status}: {last_line(said)}")
        if device.accelerator != "cpu":
            self._require_all(found["delegation"])
        return found

    def _require_all(self, found):
        name = self._device.accelerator.upper()
        # LiteRT 2 fails when it is to run all of a model there and cannot; the classic program has to say that it did,
        # and what XNNPACK took ran on the CPU.
        cpu = "XNNPack" in (found["delegate"] or "")
        if not cpu and (found["complete"] or found["complete"] is None and self._device.form == "LiteRT 2"):
            return
        if cpu or found["complete"] is None:
            raise MeasurementFailed(
                f"benchmark_model does not say that the {name} took the model; it may not support it"
            )
        share = "none of the model" if found["partitions"] == 0 else "not all of the model"
        reasons = "; ".join(dict.fromkeys(found["refused"]))
        raise MeasurementFailed(f"{share} runs on the {name}" + (f": {reasons}" if reasons else ""))


def _told(state):
    return {name: value for name, value in state.items() if value and name != "load_average"}


def _signal(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
