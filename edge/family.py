"""Latency of LPS-Nets of any size on a target, from files that are exported for it."""

import contextlib
import io
import json
import pathlib
import sys

import numpy as np

from edge.benchmark import benchmark
from edge.targets import Options
from keras_liteseg.errors import UserError
from keras_liteseg.files import write_json

# Random weights need no good scales, only some.
CALIBRATION_IMAGES = 2


class FamilyLatency:
    """Exports networks with random weights, times them together on a target, and keeps both on disk.

    Networks that were timed at different times are compared by their ratio to the first of each measurement, which is
    part of both: a machine that is slower today so makes no network slower.

    Args:
        folder: for the exported files and `latencies.json`.
        input_size: (height, width) of the files.
        data: `SegmentationDataset` whose classes the networks have; those of Cityscapes by default.
        precision: 'float32', 'float16' or 'int8'.
        target, threads, runs, options: as for `edge.benchmark.benchmark`; one number of threads.
    """

    def __init__(
        self, folder, input_size, data=None, precision="int8", target="host:cpu", threads=1, runs=50, options=Options()
    ):
        self._folder = pathlib.Path(folder)
        self._input_size = tuple(input_size)
        self._data = data
        self._precision = precision
        self._arguments = dict(target=target, threads=[threads], runs=runs, options=options)
        self._latencies = self._folder / "latencies.json"

    def __call__(self, names):
        """Return the latency in ms, end to end, of each network of a list of registered names.

        Raises:
            UserError: a network cannot be exported or measured.
        """
        known = json.loads(self._latencies.read_text()) if self._latencies.exists() else {}
        first, *others = names
        missing = [name for name in others if name not in known]
        if missing or first not in known:
            known |= self._measure([first, *missing], known.get(first))
            write_json(self._latencies, known)
        return [known[name]["latency_ms"] for name in names]

    def _measure(self, names, first):
        """Return {name: {"latency_ms", "ratio", "relative_to"}}; `first` is the entry of the first, if it has one."""
        files = [self._export(name) for name in names]
        print(f"Timing {len(names)} networks on {self._arguments['target']}", flush=True)
        rows = benchmark(files, **self._arguments)
        for name, row in zip(names, rows, strict=True):
            if row["status"] == "failed":
                raise UserError(f"{name} cannot be measured on {row['target']}: {row['reason']}.")
        latency = first["latency_ms"] if first else float(np.median(rows[0]["round_p50_ms"]))
        found = {} if first else {names[0]: {"latency_ms": latency, "ratio": 1.0, "relative_to": names[0]}}
        for name, row in zip(names[1:], rows[1:], strict=True):
            ratio = row["ratio_to_first"]
            found[name] = {"latency_ms": round(latency * ratio, 4), "ratio": ratio, "relative_to": names[0]}
        return found

    def _export(self, name):
        from keras_liteseg.tflite.export import export  # loads TensorFlow

        path = self._folder / f"{name}.tflite"
        if not path.exists():
            print(f"Exporting {name}", flush=True)
            log = io.StringIO()
            try:
                with contextlib.redirect_stdout(log):  # six lines for each of dozens of files
                    export(
                        name,
                        path,
                        input_size=self._input_size,
                        calibration=self._data,
                        quantization="none" if self._precision == "float32" else self._precision,
                        calibration_images=CALIBRATION_IMAGES,
                        repair=False,
                    )
            except BaseException:
                sys.stdout.write(log.getvalue())
                raise
        return path
