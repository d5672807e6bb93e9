"""ethos-u:u55-256 and the like: what Vela, Arm's compiler for the Ethos-U, predicts for a file. Nothing runs.

Vela counts the cycles of the NPU alone. The ops that it leaves to the CPU cost nothing in its sum, so that rows with
such ops say that they are of the NPU part only.
"""

import collections
import csv
import importlib.metadata
import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from edge import model_files
from edge.targets.benchmark_model_log import last_line
from edge.targets.protocol import MeasurementFailed, Unsupported
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path
from keras_liteseg.tflite.flatbuffer import op_name, read_model

MACS = {"u55": (32, 64, 128, 256), "u65": (256, 512), "u85": (128, 256, 512, 1024, 2048)}
"""{kind of Ethos-U: multiply-accumulates per cycle that it is made with}."""

CONFIGS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram", 2048),
    "u65": ("Ethos_U65_High_End", "Dedicated_Sram_384KB", 384),
    "u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB", 384),
}
"""{kind: (system and memory mode of the vela.ini that comes with Vela, KiB of SRAM that the NPU has)}. Vela's own
default is a guess, as it says itself."""

_CONFIG_FILE = "Arm/vela.ini"
_NPU_OP = "ethos-u"
_REASON = re.compile(r"operator: (\w+), ofm: '.*'\nReason: (.*)")
_TARGETS = ", ".join(f"{kind}-{macs}" for kind, sizes in MACS.items() for macs in sizes)


def check(address):
    """Raise a `UserError` unless `address` is an Ethos-U such as 'u55-256', and Vela is installed."""
    _parse(address)
    if importlib.util.find_spec("ethosu") is None:
        raise UserError(f"ethos-u:{address} needs Vela; install it with: pip install 'keras-liteseg[ethos-u]'")


def uses_threads(address):
    """Return whether the number of CPU threads changes what is predicted: no."""
    _parse(address)
    return False


def connect(address, options):
    """Return the NPU, as Vela knows it."""
    return EthosU(address, options)


def _parse(address):
    kind, _, macs = address.partition("-")
    if macs not in map(str, MACS.get(kind, ())):
        raise UserError(f"Unknown target 'ethos-u:{address}'; after ethos-u: choose from {_TARGETS}.")
    return kind


class EthosU:
    """An NPU that is not here, a `protocol.Device`."""

    stand_in = None

    def __init__(self, address, options):
        self._address = address
        self._options = options

    def start(self, model, threads, timeout_s):
        """Return a `VelaSession`; see `protocol.Device`."""
        return VelaSession(self._address, self._options, pathlib.Path(model), timeout_s)

    def close(self):
        """Nothing is left behind."""


class VelaSession:
    """One file and what Vela says of it, a `protocol.Session`."""

    def __init__(self, address, options, model, timeout_s):
        self._address = address
        self._options = options
        self._model = model
        self._timeout_s = timeout_s
        self._compiled = None

    def ask(self, line):
        """Answer `line` as `edge/device/runner.py` does; see `protocol.Session`."""
        command, *arguments = line.split()
        if command == "load":
            self._compiled = compiled(
                self._model, self._address, self._options.npu_sram_kib, self._options.compiled, self._timeout_s
            )
            return {"init_ms": None, "compile_ms": None, "first_run_ms": None, "load_average": None}
        if command == "warmup":
            return {}
        if command == "run":
            time = self._compiled["time_ms"]
            told = {"runs": int(*arguments), "std": 0.0, **dict.fromkeys(("mean", "p50", "min", "max"), time)}
            return {"statistics": {"run": told}}
        if command == "report":
            return self._report()
        raise Unsupported("Vela predicts times and computes nothing")

    def close(self):
        """Nothing is left behind."""

    def _report(self):
        found = self._compiled
        inputs, outputs = model_files.tensors(self._model)
        return {
            "kind": "predicted",
            "device": {"cpu": f"Arm Ethos-{self._address.upper()} ({found['system']}, {found['memory_mode']})"},
            "stand_in": None,
            "runtime": {"name": "Vela", "version": importlib.metadata.version("ethos-u-vela")},
            "accelerator": f"ethos-{self._address}",
            "inputs": inputs,
            "outputs": outputs,
            "peak_memory_mb": {},
            "delegation": found["delegation"],
            "state": {"before": {}, "after": {}},
            "partial": "NPU part only" if found["delegation"]["other_ops"] else None,
            "memory_kib": found["memory_kib"],
            "traffic_mb": found["traffic_mb"],
        }


def compiled(model, address, sram_kib=None, folder=None, timeout_s=300):
    """Compile a `.tflite` file for an Ethos-U and return what Vela tells.

    Args:
        model: path of the file.
        address: such as 'u55-256'.
        sram_kib: KiB of SRAM that the NPU may use; those of `CONFIGS` by default.
        folder: where to leave the compiled file, as MODEL_u55-256.tflite, or None.
        timeout_s: seconds that it may take.

    Returns:
        {"time_ms": predicted time of the NPU, "system", "memory_mode": sections of vela.ini, "memory_kib": {"sram",
        "dram", "flash": used, "sram_limit": what the NPU may use}, "traffic_mb": {"sram", "dram", "flash": read and
        written in one run, in MB of 2^20 bytes}, "delegation": as in a row of the benchmark}.

    Raises:
        MeasurementFailed: Vela does not compile it.
    """
    kind = _parse(address)
    system, memory_mode, limit = CONFIGS[kind]
    limit = sram_kib or limit
    with tempfile.TemporaryDirectory() as temporary:
        # Under a name of our own: Vela makes the names of its files of it.
        source = pathlib.Path(temporary) / "model.tflite"
        shutil.copyfile(model, source)
        command = [sys.executable, "-m", "ethosu.vela", str(source), "--output-dir", temporary]
        command += ["--accelerator-config", f"ethos-{address}", "--config", _CONFIG_FILE]
        command += ["--system-config", system, "--memory-mode", memory_mode]
        command += ["--arena-cache-size", str(limit * 1024)]
        said = _run(command, timeout_s)
        result = source.with_name("model_vela.tflite")
        tables = list(source.parent.glob("model_summary_*.csv"))
        if not result.exists() or not tables:
            raise MeasurementFailed(f"Vela wrote no result; it last said: {last_line(said)}")
        numbers = list(csv.DictReader(tables[0].read_text().splitlines()))[-1]
        delegation = _delegation(read_model(source), read_model(result), said)
        if not delegation["partitions"]:
            left = "; ".join(f"{entry['op']}: {entry['reason']}" for entry in delegation["other_ops"])
            raise MeasurementFailed(f"no op of it runs on the NPU, which takes int8 files only ({left[:300]})")
        if folder is not None:
            with atomic_path(pathlib.Path(folder) / f"{pathlib.Path(model).stem}_{address}.tflite") as path:
                shutil.copyfile(result, path)
    areas = {"sram": "sram", "dram": "dram", "flash": "off_chip_flash"}
    used = {area: round(float(numbers[f"{name}_memory_used"]), 1) for area, name in areas.items()}
    return {
        "time_ms": round(1e3 * float(numbers["inference_time"]), 4),
        "system": system,
        "memory_mode": memory_mode,
        "memory_kib": {**used, "sram_limit": limit},
        "traffic_mb": {area: round(float(numbers[f"{name}_total_bytes"]) / 2**20, 2) for area, name in areas.items()},
        "delegation": delegation,
    }


def _run(command, timeout_s):
    """Return what Vela says."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"Vela did not end within {timeout_s:g} s") from None
    if done.returncode:
        raise MeasurementFailed(f"Vela refused it: {last_line(done.stdout)}")
    return done.stdout


def _delegation(source, result, said):
    """Return what is on the NPU and what is left, from the file before and after, and why, from what Vela said."""
    left = collections.Counter(_ops(result))
    partitions = left.pop(_NPU_OP, 0)
    reasons = {}
    for op, reason in _REASON.findall(said):
        reasons.setdefault(op, []).append(reason.strip().rstrip("."))
    others = [
        {"op": op, "count": count, "reason": "; ".join(dict.fromkeys(reasons.get(op, ["not told"])))}
        for op, count in sorted(left.items())
    ]
    return {
        "partitions": partitions,
        "delegated_ops": len(_ops(source)) - sum(left.values()),
        "other_ops": others,
    }


def _ops(file):
    return [op_name(file.operatorCodes[op.opcodeIndex]) for graph in file.subgraphs for op in graph.operators]
