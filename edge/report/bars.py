"""Bars of the latency by target and precision as inline SVG, as wide as their place on the page."""

import dataclasses
import itertools

from markupsafe import Markup

from edge.report.rows import PRECISIONS
from keras_liteseg.drawing.charts import ticks

# A bar that is this many times as long as the median one would leave nothing of the others, and is cut.
LONGEST_BAR = 8


@dataclasses.dataclass(frozen=True)
class Bars:
    """Bars of one network with one scale.

    Attributes:
        network, size: name and input size, either may be None.
        stand_in: whether these are times of stand-ins.
        style: CSS class of the family's colour.
        files: [(label, precision, [(name of the place, row, bar as SVG), ...]), ...].
        axis: SVG.
        cut: whether a bar is longer than the scale.
    """

    network: str | None
    size: str | None
    stand_in: bool
    style: str
    files: list
    axis: Markup
    cut: bool


def bars(devices, families):
    """Return the `Bars` of all networks; stand-ins have some of their own.

    Args:
        devices: `edge.report.page.Device`s.
        families: {family: CSS class}.
    """
    found = {}
    for device in devices:
        what = device.stand_in or (device.kind if device.kind != "measured" else None)
        name = f"{device.title} ({what})" if what else device.title
        for row in filter(lambda row: row.is_timed, device.measured):
            label = f"{name}, {row.partial}" if row.partial else name
            found.setdefault((row.network, row.size, device.stand_in is not None), []).append((label, row))
    blocks = sorted(
        found.items(), key=lambda item: (item[0][0] is None, item[0][0] or "", item[0][1] or "", item[0][2])
    )
    return [_block(*key, entries, families) for key, entries in blocks]


def _block(network, size, stand_in, entries, families):
    end = _scale([row for _, row in entries])
    marks = ticks(end, 4)
    if marks[-1] > 1.25 * end:
        marks = ticks(end, 8)
    rank = {name: index for index, name in enumerate((*PRECISIONS, None))}
    entries.sort(key=lambda entry: (rank.get(entry[1].precision, 9), entry[1].label))
    files = [
        (label, precision, [(name, row, _bar(row, marks[-1])) for name, row in those])
        for (precision, label), those in itertools.groupby(
            entries, key=lambda entry: (entry[1].precision, entry[1].label)
        )
    ]
    cut = any(row.p50 > marks[-1] for _, row in entries)
    return Bars(network, size, stand_in, families[entries[0][1].family], files, _axis(marks), cut)


def _scale(rows):
    """Return the ms at which the axis may end."""
    middle = sorted(row.p50 for row in rows)[(len(rows) - 1) // 2]
    usual = [row for row in rows if row.p50 <= LONGEST_BAR * middle]
    # A few slow runs must not make all bars short either.
    return min(max(row.times.get("p90", row.p50) for row in usual), 2 * max(row.p50 for row in usual))


def _bar(row, end):
    def share(ms):
        return f"{min(100 * ms / end, 100):.2f}%"

    p90 = row.times.get("p90")
    parts = [Markup('<rect class="bar" x="0" y="2" width="{}" height="14" rx="2"/>').format(share(row.p50))]
    if row.p50 > end:
        parts.append(Markup('<svg x="94%" style="overflow:visible"><path class="break" d="M0 0l5 6l-5 6l5 6"/></svg>'))
    elif p90 is not None:
        parts.append(Markup('<line class="whisker" x1="{}" x2="{}" y1="9" y2="9"/>').format(share(row.p50), share(p90)))
        if p90 <= end:
            parts.append(Markup('<line class="whisker" x1="{0}" x2="{0}" y1="4.5" y2="13.5"/>').format(share(p90)))
    return Markup('<svg class="track" width="100%" height="18" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )


def _axis(marks):
    parts = []
    for value in marks:
        share = f"{100 * value / marks[-1]:.2f}%"
        anchor = "start" if value == 0 else "end" if value == marks[-1] else "middle"
        parts.append(Markup('<line x1="{0}" x2="{0}" y1="0" y2="4"/>').format(share))
        parts.append(Markup('<text x="{}" y="16" text-anchor="{}">{}</text>').format(share, anchor, f"{value:g}"))
    return Markup('<svg class="axis" width="100%" height="20" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )
