"""The report as one HTML page that loads nothing from elsewhere."""

import dataclasses
import json

import jinja2
from markupsafe import Markup

from edge.advice import FEW_IMAGES
from edge.report.bars import bars
from edge.report.profiles import no_profiles, profiles
from edge.report.rows import PRECISIONS, advice_of, device_text, groups
from edge.report.scatter import GUIDES, Mark, pareto, rounded, scatter, shape
from edge.table import sram_remark
from keras_liteseg.files import write_text
from keras_liteseg.reports.demo_report import UNKNOWN, megabytes, milliseconds, percent

# Widths in pixels of the picture for a desk, for paper and for a phone.
WIDTHS = {"wide": 1120, "middle": 690, "narrow": 330}
REAL_TIME = GUIDES[0]
MOST_NAMES = 12


def write_page(path, runs, passed_over, left_out, comparison=None):
    """Write the page.

    Args:
        path: the HTML file.
        runs, passed_over, left_out: from `edge.report.rows.load`.
        comparison: an `edge.report.comparison.Comparison`, or None.

    Raises:
        UserError: the file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("edge.report", "."), jinja2.PackageLoader("keras_liteseg", "reports")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        megabytes=megabytes,
        milliseconds=milliseconds,
        percent=percent,
        number=number,
        device=device_text,
        times=times,
        breakable=breakable,
    )
    devices = [Device(rows) for rows in groups(runs).values()]
    targets = [device.target for device in devices]
    for device in devices:
        if targets.count(device.target) == 1:
            device.title = device.target
    rows = [row for device in devices for row in device.rows]
    families = _families(rows)
    page = environment.get_template("page.html.j2").render(
        runs=runs,
        devices=devices,
        rows=rows,
        measured=[row for row in rows if row.ok],
        failed=[row for row in rows if not row.ok],
        files=len({row.label for row in rows}),
        warnings=_warnings(devices),
        advice=advice_of(runs),
        tiles=_tiles(devices),
        families=families,
        precisions=_precisions(rows),
        icon=icon,
        named=named,
        pictures=_pictures(devices, families),
        unplaced=_unplaced(rows),
        bars=bars(devices, families),
        profiles=profiles(devices),
        no_profiles=no_profiles(devices),
        coverage=[(device, _coverage(device)) for device in devices if device.measured],
        comparison=comparison,
        passed_over=passed_over,
        left_out=left_out,
        few_images=FEW_IMAGES,
        unknown=UNKNOWN,
    )
    write_text(path, page)


class Device:
    """All rows of one target on one device."""

    def __init__(self, rows):
        self.rows = rows
        self.measured = [row for row in rows if row.ok]
        first = rows[-1]  # of the newest run, which says most of the device
        self.target, self.stand_in, self.place = first.target, first.stand_in, first.place
        self.kind = first.kind
        self.adapter, self.data = first.adapter, first.device
        self.name = self.title = f"{self.target} on {self.place}"

    @property
    def runtimes(self):
        return sorted({row.runtime_text for row in self.measured if row.runtime_text})

    @property
    def accelerators(self):
        return sorted({row.accelerator for row in self.measured if row.accelerator})

    @property
    def loads(self):
        """The lowest and the highest load average before the rows, or None."""
        found = [row.load_average for row in self.measured if row.load_average is not None]
        return (min(found), max(found)) if found else None

    @property
    def state(self):
        """What the device told of itself over all rows, as text; empty where it told nothing."""
        parts = [
            _range(self._told(lambda state: (state.get("temperature_c") or {}).values()), "°C"),
            _range(self._told(lambda state: state.get("cpu_mhz") or ()), "MHz"),
            _listed("governor", self._told(lambda state: [state.get("governor")])),
            _listed("power mode", self._told(lambda state: [state.get("power_mode")])),
        ]
        return ", ".join(filter(None, parts))

    def _told(self, pick):
        states = [state for row in self.measured for state in row.state.values() if state]
        return [value for state in states for value in pick(state) if value is not None]


def _range(values, unit):
    if not values:
        return None
    low, high = f"{min(values):g}", f"{max(values):g}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _listed(what, values):
    return f"{what} {' and '.join(sorted(set(values)))}" if values else None


def number(value, digits=2):
    """Return a number with a fixed number of digits, to stand in a column."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def times(text):
    """Return a text with the sign for 'times' in place of the terminal's x, and no line's end before a percent sign."""
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")
    return text.replace("x slower", "× slower").replace("x faster", "× faster").replace("x as fast", "× as fast")


def breakable(name):
    """Return a text whose lines may break after an underscore, as file names are long."""
    return Markup("_<wbr>").join(name.split("_"))


def icon(precision, style=""):
    """Return the mark of a precision as a small picture."""
    return Markup('<svg class="icon {}" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{}</svg>').format(
        style, shape(precision, 8, 8, 5.2)
    )


def named(rows):
    """Return rows as texts, one for those that differ in the number of threads alone, and only the first of many."""
    threads = {}
    for row in rows:
        threads.setdefault((row.label, row.target), []).append(str(row.threads))
    names = [f"{label} on {target}, threads {', '.join(counts)}" for (label, target), counts in threads.items()]
    return names if len(names) <= MOST_NAMES else [*names[:MOST_NAMES], f"{len(names) - MOST_NAMES} others"]


def _precisions(rows):
    """Return those that occur, known ones first and None last."""
    found = {row.precision for row in rows if row.ok}
    others = sorted(found - {*PRECISIONS, None})
    return [name for name in (*PRECISIONS, *others, None) if name in found]


def _families(rows):
    """Return {family: CSS class}, in the order of their first row."""
    found = dict.fromkeys(row.family for row in rows if row.ok)
    known = [family for family in found if family is not None]
    classes = {family: f"family-{index % 6}" for index, family in enumerate(known)}
    return classes | ({None: "family-none"} if None in found else {})


def _warnings(devices):
    """Return what a reader has to know before relying on the numbers, as sentences."""
    found = []
    for device in devices:
        title, measured = device.title, device.measured
        if measured and not any(row.is_timed for row in measured):
            found.append(f"Rows of {title} have no times: {' and '.join(device.runtimes)} tells none of the device.")
        elif device.stand_in and measured:
            found.append(
                f"{title} is no device: the times are those of a stand-in ({device.stand_in}) and say nothing about "
                "the speed of any device. They are hatched, and kept out of the devices’ pictures."
            )
        if device.kind == "predicted" and measured:
            found.append(f"Nothing ran on {title}: its times are predicted by {' and '.join(device.runtimes)}.")
        partial = [row for row in measured if row.partial]
        if partial:
            found.append(
                f"{len(partial)} of {len(measured)} rows of {title} count the {partial[0].partial}: what their ops "
                "outside cost on the CPU is not in them. They are in no picture of accuracy, and never the fastest."
            )
        found += [remark for row in measured if (remark := sram_remark(row.data))]
        converted = sorted({row.converted for row in measured if row.converted})
        if converted:
            found.append(
                f"On {title} it is not the files themselves that ran, but {' and '.join(converted)} made of them."
            )
        busy = [row for row in measured if row.busy]
        if busy:
            found.append(
                f"{title} was busy before the measuring of {len(busy)} of {len(measured)} rows (load average up to "
                f"{max(row.load_average for row in busy):.1f} on {busy[0].device['cores']} cores): repeat it when idle "
                "before you rely on the numbers."
            )
        runs = {id(row.run) for row in measured}
        if len(runs) > 1:
            versions = "" if len(device.runtimes) == 1 else f" with {' and '.join(device.runtimes)}"
            found.append(
                f"The rows of {title} come from {len(runs)} runs of the benchmark{versions}; only rows of one run met "
                "the same machine, so small differences between runs mean nothing."
            )
        if any(row.is_timed and not row.is_end_to_end for row in measured):
            found.append(f"The tool on {title} times the run alone, without writing the input and reading the output.")
    return found


def _tiles(devices):
    """Return [(what, value, explanation), ...] of the real devices."""
    real = [device for device in devices if device.measured and not device.stand_in]
    tiles = []
    for device in real[:3]:
        whole = [row for row in device.measured if row.is_timed and not row.partial]
        if not whole:
            continue
        row = min(whole, key=lambda row: row.p50)
        predicted = "" if device.kind == "measured" else f" ({device.kind})"
        tiles.append(
            (
                f"fastest on {device.title}{predicted}",
                milliseconds(row.p50),
                f"{row.label}, {_threads(row.threads)}: {rounded(1e3 / row.p50, 3)} frames/s",
            )
        )
    for basis, those in list(_by_accuracy(row for device in real for row in device.measured).items())[:2]:
        fast = [row for row in those if row.p50 <= 1e3 / REAL_TIME]
        if fast:
            row = max(fast, key=lambda row: (row.accuracy["miou"], -row.p50))
            tiles.append(
                (
                    f"best mIoU on {basis[0]} {basis[1]} at {REAL_TIME} frames/s",
                    percent(row.accuracy["miou"], 2),
                    f"{row.label}, {milliseconds(row.p50)} on {row.target}"
                    + ("" if row.kind == "measured" else f", {row.kind}"),
                )
            )
    compared = [row for device in devices for row in device.measured if row.correctness.get("equal_labels") is not None]
    if compared:
        worst = min(compared, key=lambda row: row.correctness["equal_labels"])
        share = worst.correctness["equal_labels"]
        tiles.append(
            (
                "labels equal to the reference",
                percent(share, 2),
                f"the lowest of {len(compared)} rows compared"
                + ("" if share == 1 else f": {worst.label} on {worst.target}"),
            )
        )
    return tiles


def _threads(count):
    return f"{count} thread{'' if count == 1 else 's'}"


def _by_accuracy(rows):
    """Return {(data, split, images): [rows]}: only accuracies on the same images can be compared."""
    found = {}
    for row in rows:
        if row.is_timed and row.accuracy and not row.partial:
            found.setdefault(tuple(row.accuracy[name] for name in ("data", "split", "images")), []).append(row)
    return found


@dataclasses.dataclass(frozen=True)
class Picture:
    """Latency against accuracy on one device.

    Attributes:
        device: the `Device`.
        svgs: {name of a width: SVG}.
        lines: [(number, row with the shortest latency, {threads: ms}, whether it is on the Pareto line), ...].
        threads: all numbers of threads.
    """

    device: Device
    svgs: dict
    lines: list
    threads: list


def _pictures(devices, families):
    """Return [((data, split, images), [`Picture`, ...]), ...]."""
    found = {}
    for device in devices:
        for basis, rows in _by_accuracy(device.rows).items():
            found.setdefault(basis, []).append(_picture(device, rows, basis, families))
    return list(found.items())


def _picture(device, rows, basis, families):
    by_file = {}
    for row in rows:
        by_file.setdefault(row.label, []).append(row)
    files = sorted(by_file.values(), key=lambda those: (-those[0].accuracy["miou"], those[0].label))
    marks = [
        Mark(
            label=those[0].label,
            miou=those[0].accuracy["miou"],
            times={row.threads: row.p50 for row in those},
            style=families[those[0].family],
            precision=those[0].precision,
        )
        for those in files
    ]
    front = [] if device.stand_in else pareto(marks)
    lines = [
        (index, min(those, key=lambda row: row.p50), mark.times, mark in front)
        for index, (those, mark) in enumerate(zip(files, marks), start=1)
    ]
    title = f"Latency on {device.name} against mIoU on {basis[0]} {basis[1]}"
    svgs = {name: scatter(marks, width, title, device.stand_in) for name, width in WIDTHS.items()}
    return Picture(device, svgs, lines, sorted({row.threads for row in rows}))


def _unplaced(rows):
    """Return the names of files that were measured, but have no accuracy."""
    return list(dict.fromkeys(row.label for row in rows if row.ok and not row.accuracy))


def _coverage(device):
    """Return [(row, [threads]), ...]: one entry for the rows that differ in the number of threads alone."""
    found = {}
    for row in device.measured:
        same = json.dumps([row.label, row.accelerator, row.delegation, row.correctness], sort_keys=True)
        found.setdefault(same, (row, []))[1].append(row.threads)
    return list(found.values())
