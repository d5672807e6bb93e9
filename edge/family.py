"""Latency of LPS-Nets of any size on a target, from files that are exported for it."""

import logging
import pathlib

import numpy as np

from edge import targets
from edge.benchmark import benchmark
from keras_liteseg.choices import MOST_PIXELS, MOST_THREADS, require_one_of, require_whole
from keras_liteseg.errors import UserError
from keras_liteseg.files import read_json, write_json
from keras_liteseg.logs import quiet_log
from keras_liteseg.provenance import provenance_of_host

LATENCIES_FILE = "latencies.json"
PRECISIONS = ("float32", "float16", "int8")
# Random weights need no good scales, only some.
CALIBRATION_IMAGES = 2

_log = logging.getLogger(__name__)


class FamilyLatency:
    """Exports networks with random weights, times them together on a target, and keeps both on disk.

    Networks that were timed at different times are compared by their ratio to the first of each measurement, which is
    part of both: a machine that is slower today so makes no network slower.

    Args:
        folder: for the exported files and `latencies.json`.
        input_size: (height, width) of the files.
        data: `SegmentationDataset` whose classes the networks have; those of Cityscapes by default.
        precision: one of `PRECISIONS`.
        target, threads, runs, options: as for `edge.benchmark.benchmark`; one number of threads.

    Attributes:
        measured_on: {"device": where the files ran, as in a row of the benchmark, "stand_in": 'emulator' or the like
            where that is not the device whose speed is wanted, else None, "kind": 'measured', or
            'predicted' for an NPU that is not there}; None before the first measurement.

    Raises:
        UserError: an argument makes no sense, or the folder has latencies that were measured otherwise.
    """

    def __init__(
        self, folder, input_size, data=None, precision="int8", target="host:cpu", threads=1, runs=50, options=None
    ):
        if len(input_size) != 2:
            raise UserError(f"input_size is {input_size}; give height and width, such as (512, 1024).")
        for side in input_size:
            require_whole("a side of input_size", side, 1, MOST_PIXELS)
        require_one_of("precision", precision, PRECISIONS)
        require_whole("threads", threads, 1, MOST_THREADS)
        require_whole("runs", runs, 1)
        targets.check(target, options)
        self._folder = pathlib.Path(folder)
        self._input_size = tuple(input_size)
        self._data = data
        self._precision = precision
        self._arguments = dict(target=target, threads=[threads], runs=runs, options=options)
        self._for_npu = target.startswith("ethos-u:")
        if self._for_npu and precision != "int8":
            raise UserError(f"The precision is '{precision}', and {target} takes int8 files alone; give int8.")
        self._path = self._folder / LATENCIES_FILE
        self._known = {}
        self.measured_on = None
        self._measured_as = {
            "input_size": list(self._input_size),
            "classes": len(data.classes) if data else 19,
            "precision": precision,
            "target": target,
            "threads": threads,
        }
        if self._path.exists():
            self._read()

    def _read(self):
        content = read_json(self._path, "remove it to measure again", "measured_as", "measured_on", "latencies")
        before, self.measured_on = content["measured_as"], content["measured_on"]
        self._known = content["latencies"]
        for name, value in self._measured_as.items():
            if before.get(name) != value:
                raise UserError(
                    f"The latencies in {self._folder} were measured with {name} {before.get(name)}, not {value}; give "
                    "another folder."
                )

    def __call__(self, names):
        """Return the latency in ms, end to end, of each network of a list of registered names.

        Raises:
            UserError: a network cannot be exported or measured.
        """
        first, *others = names
        missing = [name for name in others if name not in self._known]
        if missing or first not in self._known:
            self._known |= self._measure([first, *missing], self._known.get(first))
            self._write()
        return [self._known[name]["latency_ms"] for name in names]

    def _write(self):
        header = {"measured_as": self._measured_as, "measured_on": self.measured_on}
        write_json(self._path, header | {"latencies": self._known} | provenance_of_host())

    def together(self, names):
        """Return {name: latency in ms, end to end} of networks that are timed in one run, also those known already.

        What is timed at different times is compared by a chain of ratios, each with its own error; this is not.

        Raises:
            UserError: a network cannot be exported or measured.
        """
        rows = self._run(names)
        return {name: round(float(np.median(row["round_p50_ms"])), 4) for name, row in zip(names, rows, strict=True)}

    def _run(self, names):
        if self.measured_on is None:
            self._require_reachable()
            self._write()  # says what the files are of, also where an interrupt leaves no more than some of these
        files = []
        for number, name in enumerate(names, 1):
            files.append(self._export(name, f"{number} of {len(names)}"))
        _log.info("Timing %d networks on %s", len(names), self._arguments["target"])
        rows = benchmark(files, **self._arguments)
        for name, row in zip(names, rows, strict=True):
            if row["status"] == "failed":
                raise UserError(f"{name} cannot be measured on {row['target']}: {row['reason']}.")
            if not row["round_p50_ms"]:
                raise UserError(f"{name} cannot be compared on {row['target']}, which tells no times; give another.")
            if row.get("partial"):
                left = ", ".join(f"{entry['count']}x {entry['op']}" for entry in row["delegation"]["other_ops"])
                raise UserError(
                    f"{name} cannot be compared on {row['target']}: {left} stay on the CPU, and the prediction counts "
                    f"the {row['partial']}."
                )
        self._require_same_device(rows[0])
        return rows

    def _require_reachable(self):
        """Refuse a device that does not answer, before minutes of exports for it."""
        target = self._arguments["target"]
        try:
            targets.connect(target, self._arguments["options"]).close()
        except targets.MeasurementFailed as failure:
            raise UserError(f"Nothing can be measured on {target}: {failure}.") from None

    def _measure(self, names, first):
        """Return {name: {"latency_ms", "ratio", "relative_to", "accelerator"}}.

        `first` is the entry of the first of `names`, if it has one.
        """
        rows = self._run(names)
        latency = first["latency_ms"] if first else float(np.median(rows[0]["round_p50_ms"]))
        found = {}
        for name, row in zip(names, rows, strict=True):
            ratio = row["ratio_to_first"]
            found[name] = {"latency_ms": round(latency * ratio, 4), "ratio": ratio, "relative_to": names[0]}
            found[name]["accelerator"] = row["accelerator"]
        return found if first is None else {name: found[name] for name in names[1:]}

    def _require_same_device(self, row):
        now = {"device": row["device"], "stand_in": row["stand_in"], "kind": row["kind"]}
        before = self.measured_on or now
        if before["device"]["cpu"] != now["device"]["cpu"]:
            raise UserError(
                f"The latencies in {self._folder} were measured on {before['device']['cpu']}, and {row['target']} is "
                f"{now['device']['cpu']} now; give another folder."
            )
        self.measured_on = now
        if now["stand_in"]:
            _log.info("Measured on a stand-in (%s): no device's speed", now["stand_in"])

    def _export(self, name, place):
        from keras_liteseg import CalibrationOptions, ExportOptions, export  # loads TensorFlow

        path = self._folder / f"{name}.tflite"
        if not path.exists():
            _log.info("Exporting %s: %s", place, name)
            options = ExportOptions(
                quantization="none" if self._precision == "float32" else self._precision,
                npu=self._arguments["target"].partition(":")[0] if self._for_npu else "none",
            )
            calibration = CalibrationOptions(
                self._data, CALIBRATION_IMAGES, cross_layer_equalization=False, bias_correction=False
            )
            with quiet_log():  # six lines for each of dozens of files
                export(name, path, options, calibration, input_size=self._input_size)
        return path
