"""trtexec, the program that comes with NVIDIA's TensorRT: builds a network, times it, and is read here.

    python -m device.trtexec

prints {"path": of trtexec on this device, "version": such as '10.3.0'} or {"error": reason}.

TensorRT reads no .tflite: it gets what the benchmark made of the file, MODEL.onnx beside MODEL.tflite. Options and
output files of trtexec are those of
https://docs.nvidia.com/deeplearning/tensorrt/latest/reference/command-line-programs.html and of its source,
https://github.com/NVIDIA/TensorRT/tree/main/samples/common, read for TensorRT 8 to 10. Version 11 no longer has --fp16:
there the ONNX file itself has to be in 16 bits, says .../latest/api/migration/tensorrt-10x-to-11x-trtexec.html.
"""

import json
import pathlib
import re
import shutil
import signal
import subprocess

import numpy as np

JETPACK = "/usr/src/tensorrt/bin/trtexec"
OPSET = 17
WARM_UP_MS = 200
_ONCE = ("--warmUp=0", "--duration=0", "--iterations=1")


def input_name(number):
    """Return the name of an input in the ONNX file: one that trtexec's lists of names and files cannot take amiss."""
    return f"input_{number}"


def output_name(number):
    """Return the name of an output in the ONNX file."""
    return f"output_{number}"


def needs_half(version):
    """Return whether this version of TensorRT computes in 16 bits only what the ONNX file has in 16 bits."""
    return int(version.split(".")[0]) >= 11


def find():
    """Return {"path", "version"} of trtexec on this machine.

    Raises:
        RuntimeError: there is none, or it does not run.
    """
    path = shutil.which("trtexec") or shutil.which(JETPACK)
    if path is None:
        raise RuntimeError(
            f"there is no trtexec, neither on PATH nor as {JETPACK}; on a Jetson, apt install tensorrt brings it"
        )
    said = _run([path, "--help"], None)
    version = read_log(said)["version"]
    if version is None:
        raise RuntimeError(f"{path} does not tell its version, where TensorRT's names it first: {said.strip()[:80]}")
    return {"path": path, "version": version}


class Engine:
    """A network that TensorRT has built for this very device.

    Args:
        onnx: path of the ONNX file; the engine and what trtexec writes are put beside it.
    """

    def __init__(self, onnx):
        onnx = pathlib.Path(onnx)
        # Files are named from the folder where trtexec runs: it splits its lists at commas and colons, which the path
        # of a home may have.
        self._folder, self._name = onnx.parent, onnx.stem
        found = find()
        self._path, self.version = found["path"], found["version"]

    def build(self):
        """Build the engine, which takes TensorRT minutes, and return what `read_log` finds in trtexec's text."""
        precision = [] if needs_half(self.version) else ["--fp16"]
        files = [f"--onnx={self._name}.onnx", f"--saveEngine={self._name}.engine"]
        return read_log(self._trtexec(*files, *precision, *_ONCE))

    def exists(self):
        return (self._folder / f"{self._name}.engine").exists()

    def time(self, runs):
        """Return the times of `runs` runs in the form of `read_times`, measured after 200 ms of untimed ones."""
        times = self._file("times.json")
        limits = [f"--warmUp={WARM_UP_MS}", "--duration=0", f"--iterations={runs}"]
        self._load(*limits, "--useCudaGraph", "--useSpinWait", f"--exportTimes={times}")
        return read_times(self._text(times))

    def profile(self, runs):
        """Return the times of the layers over `runs` runs in the form of `read_profile`."""
        # Runs of their own: with the profiler on, trtexec writes no times.
        layers = self._file("profile.json")
        limits = [f"--warmUp={WARM_UP_MS}", "--duration=0", f"--iterations={runs}"]
        self._load(*limits, "--dumpProfile", f"--exportProfile={layers}")
        return read_profile(self._text(layers))

    def infer(self, inputs):
        """Return the outputs for a list of input arrays as {name: array}."""
        files = {input_name(number): self._file(f"input_{number}.bin") for number in range(len(inputs))}
        for file, values in zip(files.values(), inputs):
            np.ascontiguousarray(values).tofile(self._folder / file)
        outputs = self._file("outputs.json")
        loaded = ",".join(f"{name}:{file}" for name, file in files.items())
        self._load(*_ONCE, f"--loadInputs={loaded}", f"--exportOutput={outputs}")
        return read_outputs(self._text(outputs))

    def _file(self, name):
        return f"{self._name}.{name}"

    def _load(self, *arguments):
        return self._trtexec(f"--loadEngine={self._name}.engine", *arguments)

    def _trtexec(self, *arguments):
        return _run([self._path, *arguments], self._folder)

    def _text(self, name):
        file = self._folder / name
        if not file.exists():
            raise RuntimeError(f"trtexec ended well and wrote no {name.partition('.')[2]}")
        text = file.read_text()
        file.unlink()  # so that the next run's cannot be taken for it
        return text


def read_log(text):
    """Return what trtexec tells in its text; None for what it does not.

    Lines are such as

        &&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --onnx=model.onnx
        [04/07/2025-23:59:36] [I] Selected Device: Orin
        [04/07/2025-23:59:36] [I] Compute Capability: 8.7
        [04/07/2025-23:59:46] [I] Engine built in 10.7204 sec.
        [04/07/2025-23:59:47] [I] [TRT] [MemUsageChange] TensorRT-managed allocation in IExecutionContext creation: \
CPU +0, GPU +67, now: CPU 0, GPU 87 (MiB)

    as in https://github.com/NVIDIA/TensorRT/issues/2217, /4494 and https://github.com/OE4T/meta-tegra/pull/2243.

    Returns:
        {"version": such as '10.3.0', "device": name of the GPU, "compute_capability", "build_s": seconds, "memory_mb":
        of the engine and its run, in MB of 2^20 bytes}.
    """
    version = _search(r"\[TensorRT v(\d+)\]", text)
    device = _search(r"Selected Device: (.+)", text)
    capability = _search(r"Compute Capability: ([\d.]+)", text)
    built = _search(r"Engine built in ([\d.]+) sec", text)
    memory = _search(r"IExecutionContext creation: .*now: CPU (\d+), GPU (\d+) \(MiB\)", text)
    return {
        "version": version and _version(int(version[1])),
        "device": device and device[1].strip(),
        "compute_capability": capability and capability[1],
        "build_s": built and float(built[1]),
        "memory_mb": memory and float(memory[1]) + float(memory[2]),
    }


def read_times(text):
    """Return the times of a file of --exportTimes in ms, {"run": [...], "end_to_end": [...]}.

    It is a list of {"startComputeMs" and the like, since the start, "h2dMs", "computeMs", "d2hMs", "latencyMs"}, one
    for each run: exportJSONTrace in samples/common/sampleReporting.cpp of https://github.com/NVIDIA/TensorRT. Latency
    is copying the input to the GPU, computing and copying the output back; a Jetson copies too.
    """
    try:
        # TensorRT before 8.5 writes the runs of the warm-up too.
        runs = [run for run in json.loads(text) if run["startComputeMs"] >= WARM_UP_MS]
        times = {"run": [float(run["computeMs"]) for run in runs]}
        times["end_to_end"] = [float(run["latencyMs"]) for run in runs]
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"trtexec's times cannot be read: {error!r}") from error
    if not runs:
        raise RuntimeError("trtexec has timed no run")
    return times


def read_profile(text):
    """Return the layers of a file of --exportProfile in the form of `op_profile.profile`.

    It is a list that begins with {"count": runs} and goes on with {"name", "timeMs", "averageMs", "percentage"} of each
    layer: exportJSONProfile in samples/common/sampleReporting.cpp of https://github.com/NVIDIA/TensorRT. TensorRT
    joins ops to layers, and names them after these.
    """
    try:
        count, *layers = json.loads(text)
        total = sum(layer["averageMs"] for layer in layers)
        ops = [
            {
                "op": layer["name"],
                "ms": float(layer["averageMs"]),
                "share": layer["averageMs"] / total if total else 0.0,
                "delegate": "tensorrt",
                "index": index,
            }
            for index, layer in enumerate(layers)
        ]
        return {"ops": ops, "total_ms": float(total), "runs": int(count["count"]), "partitions": 1}
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"trtexec's profile cannot be read: {error!r}") from error


def read_outputs(text):
    """Return the tensors of a file of --exportOutput, {name: float64 array}.

    It is a list of {"name", "dimensions": such as "1x64x128x9", "values": [...]}, with up to six digits a value:
    exportJSONOutput in samples/common/sampleReporting.cpp of https://github.com/NVIDIA/TensorRT. It is no JSON where a
    value is nan or inf.
    """
    tensors = {}
    form = r'"name" : "([^"]*)"\s*, "dimensions" : "([\dx]+)"\s*, "values" : \[([^\]]*)\]'
    for name, dimensions, values in re.findall(form, text):
        shape = [int(size) for size in dimensions.split("x")]
        try:
            found = np.fromstring(values, np.float64, sep=",")
        except ValueError as error:
            raise RuntimeError(f"trtexec's output {name} cannot be read: {error}") from error
        if found.size != np.prod(shape):
            raise RuntimeError(f"trtexec's output {name} has {found.size} values, where {dimensions} has more or fewer")
        tensors[name] = found.reshape(shape)
    if not tensors or text.count('"name" :') != len(tensors):
        raise RuntimeError("trtexec's outputs cannot be read: the file is cut off, or of another form")
    return tensors


def failure(text):
    """Return the sentence that says best why trtexec failed, from its text.

    Errors are such as

        [07/18/2023-14:17:05] [E] [TRT] ModelImporter.cpp:732: ERROR: builtin_op_importers.cpp:5428 In function import:
        [8] Assertion failed: creator && "Plugin not found"
        [07/18/2023-14:17:05] [E] Failed to parse onnx file

    as in https://github.com/AUTOMATIC1111/stable-diffusion-webui-tensorrt/issues/54.
    """
    records = re.split(r"^(?:\[[\d/:-]+\] (?=\[[VIWEF]\])|&&&& )", text, flags=re.MULTILINE)
    errors = [record[4:].removeprefix("[TRT] ") for record in records if record.startswith("[E] ")]
    told = next((error for error in errors if re.search(r"error|unknown option", error, re.IGNORECASE)), None)
    told = told or (errors[0] if errors else text.strip().rpartition("\n")[2])
    return " ".join(told.split())[:300]


def _version(number):
    # NV_TENSORRT_VERSION: 8602 is 8.6.2, 100300 is 10.3.0.
    thousands = 1000 if number < 10000 else 10000
    return f"{number // thousands}.{number % thousands // 100}.{number % 100}"


def _search(pattern, text):
    """Return the last match, or None."""
    found = list(re.finditer(pattern, text))
    return found[-1] if found else None


def _run(command, folder):
    """Return what a program prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,  # this process's is the conversation
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        status = done.returncode
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"failed with exit status {status}"
        said = failure(done.stdout)
        raise RuntimeError(f"trtexec {how}" + (f": {said}" if said else ""))
    return done.stdout


if __name__ == "__main__":
    try:
        print(json.dumps(find()))
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}))
