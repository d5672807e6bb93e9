"""What the report takes from result files of `edge.benchmark`, old ones included: runs of rows, grouped by device."""

import dataclasses
import functools
import json
import pathlib

from edge import result_files
from edge.advice import advice
from edge.latency import typical
from edge.report.fields import HEADER, require_fields
from edge.table import is_busy
from keras_liteseg.errors import UserError
from keras_liteseg.files import suffix_of

PRECISIONS = ("float32", "float16", "int16x8", "int8")
FAMILIES = ("ndnet", "liteseg", "pp_liteseg", "lps_net")
"""What the names of the registered networks begin with, one for each paper."""

# What rows lack that were written by an older benchmark, or that failed.
_UNKNOWN = {
    "sha256": None,
    "bytes": None,
    "network": None,
    "precision": None,
    "accuracy": None,
    "warmup": None,
    "runs": None,
    "reason": None,
    "kind": "measured",
    "device": None,
    "stand_in": None,
    "partial": None,
    "memory_kib": None,
    "runtime": {},
    "accelerator": None,
    "adapter": None,
    "delegate": None,
    "converted": None,
    "cpu_mask": None,
    "inputs": [],
    "outputs": [],
    "peak_memory_mb": {},
    "delegation": {"partitions": None, "other_ops": []},
    "state": {},
    "correctness": {},
    "profile": None,
    "load_average": None,
    "init_ms": None,
    "compile_ms": None,
    "first_run_ms": None,
    "latency_ms": {"run": None, "end_to_end": None},
    "round_p50_ms": [],
    "ratio_to_first": None,
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One call of the benchmark.

    Attributes:
        path: the file that holds it.
        command, date, host, versions: as `edge.result_files.read` gives them.
        rows: its `Row`s.
    """

    path: pathlib.Path
    command: str
    date: str
    host: dict
    versions: dict
    rows: list = dataclasses.field(default_factory=list)


class Row:
    """One model on one target with one number of threads.

    Attributes:
        data: the row as the benchmark wrote it, with None or nothing where it lacks a field.
        run: the `Run` that it belongs to.
        label: name of the file without .tflite, with part of its checksum where another file has the same name.
    """

    def __init__(self, data, run):
        known = {name: value for name, value in data.items() if value is not None}
        self.data = _UNKNOWN | known
        self.data["delegation"] = _UNKNOWN["delegation"] | self.data["delegation"]
        self.run = run
        self.label = self.model.removesuffix(".tflite")

    def __getattr__(self, name):
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def ok(self):
        return self.status == "ok"

    @property
    def family(self):
        """Family of the network, the network itself where it belongs to none of this project, or None."""
        return next((family for family in FAMILIES if (self.network or "").startswith(family)), self.network)

    @property
    def times(self):
        """Statistics in ms of what an application waits for, else, where the tool on the device does not tell, of the
        run alone."""
        return self.latency_ms["end_to_end"] or self.latency_ms["run"]

    @property
    def is_timed(self):
        """Whether there is a latency; a simulator may tell none."""
        return self.ok and bool(self.times)

    @property
    def is_end_to_end(self):
        return bool(self.latency_ms["end_to_end"])

    @property
    def p50(self):
        return typical(self.times)

    @property
    def size(self):
        """Height and width of the input, such as '512x1024', or None."""
        shape = self.inputs[0]["shape"] if self.inputs else []
        return f"{shape[1]}x{shape[2]}" if len(shape) == 4 else None

    @property
    def busy(self):
        """Whether other programs had more than half of the cores before the measuring."""
        return self.ok and is_busy(self.data)

    @functools.cached_property
    def group(self):
        """What the rows of one device have in common."""
        device = self.device or {}
        adapter = (self.adapter or {}).get("name")
        delegate = (self.delegate or {}).get("library")
        return (self.target, device.get("cpu"), device.get("cores"), adapter, delegate, self.stand_in)

    @property
    def runtime_text(self):
        """Name and version of the runtime, and of the browser around it, as text; empty where they are not known."""
        return " ".join(filter(None, (self.runtime.get(name) for name in ("name", "version", "browser"))))

    @property
    def place(self):
        """The device and what is used of it, as text."""
        parts = [] if self.device is None else [device_text(self.device)]
        parts += [self.adapter["name"]] if self.adapter else []
        parts += [f"with {pathlib.PurePath(self.delegate['library']).name}"] if self.delegate else []
        return ", ".join(parts) or "device unknown"


def device_text(device):
    """Return a row's "device" as text."""
    cores = device.get("cores")
    parts = [device.get("cpu") or "unnamed device", cores and f"{cores} core{'' if cores == 1 else 's'}"]
    return ", ".join(filter(None, [*parts, device.get("os")]))


def load(paths):
    """Read result files.

    Args:
        paths: files; those that are JSON, but no results of the benchmark, are passed over.

    Returns:
        (runs, paths passed over, number of rows left out): runs by date, with the newest row only of each file, by name
        and content, on each target and device with each number of threads.

    Raises:
        UserError: a file is missing or damaged, or none holds a result.
    """
    if not paths:
        raise UserError("No file to report on; give at least one that liteseg benchmark has written.")
    runs, passed_over = [], []
    for path in dict.fromkeys(map(pathlib.Path, paths)):
        try:
            rows = result_files.read(path)
        except UserError:
            if not _is_json(path):
                raise
            passed_over.append(path)
            continue
        runs += _runs(path, rows)
    if not runs:
        given = f"{paths[0]} and {len(paths) - 1} others are" if len(paths) > 1 else f"{paths[0]} is"
        raise UserError(f"{given} no result of liteseg benchmark; give a file that it has written.")
    runs.sort(key=lambda run: run.date)  # stable: files of one day stay as they were given
    _place_failed_rows(runs)
    count = sum(len(run.rows) for run in runs)
    newest = {_identity(row): row for run in runs for row in run.rows}
    for run in runs:
        run.rows[:] = [row for row in run.rows if newest[_identity(row)] is row]
    _tell_apart(newest.values())
    return [run for run in runs if run.rows], passed_over, count - len(newest)


def groups(runs):
    """Return {what a device's rows have in common: [rows]}, devices first, then what stands in for one."""
    found = {}
    for run in runs:
        for row in run.rows:
            found.setdefault(row.group, []).append(row)
    return dict(sorted(found.items(), key=lambda item: item[1][0].stand_in is not None))


def advice_of(runs):
    """Return the sentences of `edge.advice` on every run: only the rows of one run met the same machine."""
    return list(dict.fromkeys(sentence for run in runs for sentence in advice([row.data for row in run.rows])))


def _is_json(path):
    """Return whether a file can be read and is whole, whatever it holds."""
    try:
        text = path.read_text()
        for part in text.splitlines() if suffix_of(path) == ".jsonl" else [text]:
            json.loads(part)
    except (OSError, ValueError):
        return False
    return True


def _runs(path, rows):
    found = {}
    for data in rows:
        try:
            require_fields(data)
        except ValueError as error:
            raise UserError(
                f"{path} is damaged: the row of {data.get('model')} on {data.get('target')} does not hold what "
                f"liteseg benchmark writes ({error}). Measure it again."
            ) from None
        header = {name: data.pop(name) for name in HEADER}
        run = found.setdefault(json.dumps(header), Run(path, **header))
        run.rows.append(Row(data, run))
    return list(found.values())


def _place_failed_rows(runs):
    """Give a failed row, which knows no device, that of the others of its run on the same target."""
    for run in runs:
        measured = {row.target: row.data for row in run.rows if row.ok}
        for row in run.rows:
            if not row.ok and row.target in measured:
                known = measured[row.target]
                row.data |= {name: known.get(name) for name in ("device", "adapter", "delegate", "stand_in")}


def _identity(row):
    return (row.model, row.sha256, row.threads, row.group)


def _tell_apart(rows):
    contents = {}
    for row in rows:
        contents.setdefault(row.model, set()).add(row.sha256)
    for row in rows:
        if len(contents[row.model]) > 1:
            row.label += f" ({(row.sha256 or 'unknown')[:8]})"
