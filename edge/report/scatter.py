"""Latency against accuracy as inline SVG. Colours come from the page's style sheet."""

import dataclasses
import math

from markupsafe import Markup

LEFT, RIGHT, TOP, BOTTOM = 60, 20, 34, 46
FONT = 12
MARK = 6
GUIDES = (30, 15)
"""Frames per second that get a line."""

# Characters that are narrower or wider than most, as parts of the font size, in the widest of the usual fonts.
_NARROW, _WIDE = dict.fromkeys("iljI.,:;'| ", 0.38), dict.fromkeys("mwMW@%", 1.0)
_AVERAGE = 0.64
_STEPS = 12  # of a line each, that a label may be moved up or down
_LEADER = 20  # pixels from which on a line joins it to its mark
_CORNER = 40  # room for the name of the vertical axis


@dataclasses.dataclass(frozen=True)
class Mark:
    """One file on one device.

    Attributes:
        label: its name in the picture.
        miou: 0 to 1.
        times: {number of threads: ms}.
        style: CSS class of its colour.
        precision: one of `edge.report.rows.PRECISIONS`, or None.
    """

    label: str
    miou: float
    times: dict
    style: str
    precision: str | None

    @property
    def best(self):
        """The shortest of its times."""
        return min(self.times.values())


def pareto(marks):
    """Return the marks that no faster one reaches in accuracy, the fastest first."""
    front = []
    for mark in sorted(marks, key=lambda mark: (mark.best, -mark.miou)):
        if not front or mark.miou > front[-1].miou:
            front.append(mark)
    return front


def scatter(marks, width, title, stand_in=None):
    """Return a picture of `marks`, as safe SVG markup.

    The filled mark of a file is at its shortest latency, hollow ones show it with other numbers of threads. Where not
    all labels find room, the marks are numbered from 1 on.

    Args:
        marks: `Mark`s, one at least.
        width: of the picture in pixels; it is meant to be shown in this size.
        title: what it shows, for those who do not see it.
        stand_in: what stands in for a device, written over the picture, or None.
    """
    plot = _Plot(marks, width)
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {0} {1}" style="max-width:{0}px" role="img" aria-label="{2}">').format(
            width, plot.height, title
        )
    ]
    if stand_in:
        parts.append(
            Markup('<rect class="stand-in" x="{}" y="{}" width="{}" height="{}"/>').format(
                LEFT, TOP, width - LEFT - RIGHT, plot.height - TOP - BOTTOM
            )
        )
    parts += [plot.grid(), plot.guides()]
    if not stand_in:  # which is fast there says nothing
        parts.append(plot.front(pareto(marks)))
    parts += [plot.lines(mark) for mark in marks] + [plot.shapes(mark) for mark in marks]
    parts += plot.labels(marks, [mark.label for mark in marks]) or plot.labels(marks, range(1, len(marks) + 1)) or []
    return Markup("").join([*parts, Markup("</svg>")])


def shape(precision, x, y, size=MARK):
    """Return the mark of a precision as SVG."""
    if precision == "float32":
        return Markup('<circle cx="{}" cy="{}" r="{}"/>').format(_short(x), _short(y), size)
    corners = {
        "int8": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "int16x8": [(0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
        "float16": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    }.get(precision, [(0, -0.4), (0.8, -1.2), (1.2, -0.8), (0.4, 0), (1.2, 0.8), (0.8, 1.2), (0, 0.4), (-0.8, 1.2),
                      (-1.2, 0.8), (-0.4, 0), (-1.2, -0.8), (-0.8, -1.2)])  # fmt: skip
    points = " ".join(f"{_short(x + size * across)},{_short(y + size * down)}" for across, down in corners)
    return Markup('<polygon points="{}"/>').format(points)


def text_width(text):
    """Return a width in pixels that `text` does not exceed in any of the usual fonts."""
    return FONT * sum(_NARROW.get(letter) or _WIDE.get(letter) or _AVERAGE for letter in text)


class _Plot:
    def __init__(self, marks, width):
        self.width = width
        self.height = min(320 + 10 * len(marks), 620)
        times = [time for mark in marks for time in mark.times.values()]
        low, high = min(times), max(times)
        self.rates = [rate for rate in GUIDES if low / 10 <= 1e3 / rate <= high * 10]
        # Only the faster of two guides pulls the axis towards it: one is enough to see where real time begins.
        reach = [low, high, *(1e3 / rate for rate in self.rates[:1])]
        margin = max((max(reach) / min(reach)) ** 0.06, (2 * min(reach) / max(reach)) ** 0.5, 1.15)
        self.low, self.high = min(reach) / margin, max(reach) * margin
        self.rates = [rate for rate in self.rates if self.low < 1e3 / rate < self.high]
        scores = [100 * mark.miou for mark in marks]
        middle, half = (min(scores) + max(scores)) / 2, max(max(scores) - min(scores), 2) / 2 * 1.3
        self.bottom, self.top = max(middle - half, 0), min(middle + half, 100)
        # (left, top, right, bottom) of what a label must not cover, and the lines it should not.
        self.taken = [self._box(mark, time) for mark in marks for time in mark.times.values()]
        self.crossed = []

    def x(self, time):
        share = math.log(time / self.low) / math.log(self.high / self.low)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, miou):
        share = (100 * miou - self.bottom) / (self.top - self.bottom)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)

    def _box(self, mark, time):
        x, y = self.x(time), self.y(mark.miou)
        return (x - MARK - 2, y - MARK - 2, x + MARK + 2, y + MARK + 2)

    def grid(self):
        parts = []
        floor = self.height - BOTTOM
        for time in _log_ticks(self.low, self.high, self.width / 60):
            x = self.x(time)
            parts += [_line("grid", x, TOP, x, floor), _text(x, floor + 18, f"{time:g}", "middle")]
        for score in _ticks(self.bottom, self.top, 6):
            y = self.y(score / 100)
            parts += [_line("grid", LEFT, y, self.width - RIGHT, y), _text(LEFT - 8, y + 4, f"{score:g} %", "end")]
        parts.append(_text((LEFT + self.width - RIGHT) / 2, self.height - 6, "latency, ms (logarithmic)", "middle"))
        parts.append(_text(4, 14, "mIoU", "start"))
        return Markup("").join(parts)

    def guides(self):
        parts = []
        for rate in self.rates:
            x = self.x(1e3 / rate)
            parts.append(_line("guide", x, TOP - 12, x, self.height - BOTTOM))
            self.crossed.append((x, TOP, x, self.height - BOTTOM))
        for words in (" frames/s", "/s"):
            places = [self._over(1e3 / rate, f"{rate}{words}") for rate in self.rates]
            if all(left[1] <= right[0] for left, right in zip(places, places[1:])):
                break
        for rate, (left, right) in zip(self.rates, places):
            parts.append(_text((left + right) / 2, TOP - 18, f"{rate}{words}", "middle", "guide"))
        return Markup("").join(parts)

    def _over(self, time, text):
        """Return (left, right) of a text over the line of a time, inside the picture."""
        half = text_width(text) / 2
        middle = min(max(self.x(time), _CORNER + half), self.width - half)
        return middle - half, middle + half

    def front(self, marks):
        corners = []
        for mark in marks:
            x, y = self.x(mark.best), self.y(mark.miou)
            if corners:
                corners.append((x, corners[-1][1]))
            corners.append((x, y))
        corners.append((self.width - RIGHT, corners[-1][1]))
        self.crossed += [(*one, *two) for one, two in zip(corners, corners[1:])]
        points = " ".join(f"{_short(x)},{_short(y)}" for x, y in corners)
        return Markup('<polyline class="front" points="{}"/>').format(points)

    def lines(self, mark):
        y, ends = self.y(mark.miou), (self.x(mark.best), self.x(max(mark.times.values())))
        self.crossed.append((ends[0], y, ends[1], y))
        return Markup('<g class="{}">{}</g>').format(mark.style, _line("threads", ends[0], y, ends[1], y))

    def shapes(self, mark):
        parts = []
        for threads, time in sorted(mark.times.items(), key=lambda item: -item[1]):
            said = (
                f"{mark.label}: {rounded(time, 4)} ms ({rounded(1e3 / time, 3)} frames/s), "
                f"mIoU {100 * mark.miou:.2f} %, {threads} thread{'' if threads == 1 else 's'}"
            )
            parts.append(
                Markup('<g class="{}"><title>{}</title>{}</g>').format(
                    "best" if time == mark.best else "other",
                    said,
                    shape(mark.precision, self.x(time), self.y(mark.miou)),
                )
            )
        return Markup('<g class="{}">{}</g>').format(mark.style, Markup("").join(parts))

    def labels(self, marks, texts):
        """Return the labels, each where it covers no mark and no other label, and crosses few lines; None where one
        finds no room."""
        taken, crossed, parts = list(self.taken), list(self.crossed), []
        # From the top downwards, as that is the order in which they stack.
        for mark, text in sorted(zip(marks, map(str, texts)), key=lambda pair: (-pair[0].miou, pair[0].best)):
            place = self._place(mark, text, taken, crossed)
            if place is None:
                return None
            box, anchor, leader = place
            taken.append(box)
            if leader:
                crossed.append(leader)
                parts.append(_line("leader", *leader))
            x = {"start": box[0], "middle": (box[0] + box[2]) / 2, "end": box[2]}[anchor]
            parts.append(_text(x, box[3] - 4, text, anchor, "label"))
        return parts

    def _place(self, mark, text, taken, crossed):
        """Return the cheapest (box, anchor, leader or None) for the label of a mark, or None."""
        x, y = self.x(mark.best), self.y(mark.miou)
        width, height, gap = text_width(text), FONT + 3, MARK + 5
        best = None
        for step in range(-_STEPS, _STEPS + 1):
            middle = y + step * FONT
            for left, anchor, extra in (
                (x + gap, "start", 0.0),
                (x - gap - width, "end", 0.5),
                (x - width / 2, "middle", 0.7),
            ):
                box = (left, middle - height / 2, left + width, middle + height / 2)
                if not self._is_free(box, taken):
                    continue
                # Upwards first: marks further down come later, and then find room below.
                cost = abs(step) + 0.3 * (step > 0) + extra + 3 * sum(_crosses(box, line) for line in crossed)
                leader = None
                if abs(step) * FONT > _LEADER:
                    near = {"start": box[0], "end": box[2], "middle": x}[anchor]
                    side = middle if anchor != "middle" else box[1] if step > 0 else box[3]
                    leader = (x, y, near, side)
                    # The mark's own box is one of those that it crosses.
                    cost += 2 + 4 * (sum(_crosses(other, leader) for other in taken) - 1)
                if best is None or cost < best[0]:
                    best = (cost, box, anchor, leader)
        return best and best[1:]

    def _is_free(self, box, taken):
        inside = box[0] >= LEFT + 2 and box[2] <= self.width - 2 and box[1] >= TOP and box[3] <= self.height - BOTTOM
        return inside and not any(_overlap(box, other) for other in taken)


def _overlap(one, two):
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _crosses(box, line):
    """Return whether a line, given by its two ends, meets a box."""
    x1, y1, x2, y2 = line
    enter, leave = 0.0, 1.0
    for start, step, low, high in ((x1, x2 - x1, box[0], box[2]), (y1, y2 - y1, box[1], box[3])):
        if step == 0:
            if not low < start < high:
                return False
            continue
        near, far = sorted(((low - start) / step, (high - start) / step))
        enter, leave = max(enter, near), min(leave, far)
    return enter < leave


def _log_ticks(low, high, count):
    """Return round numbers on a logarithmic axis, at most about `count` of them."""
    if high < 8 * low:
        return [tick for tick in _ticks(low, high, min(count, 8)) if tick > 0]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    found = [tick for tick in found if low <= tick <= high]
    return found if len(found) <= count else [tick for tick in found if math.log10(tick).is_integer()]


def _ticks(low, high, count):
    power = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if (high - low) / (factor * power) <= count)
    return [round(number * step, 6) for number in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def rounded(number, digits):
    """Return a number with as many significant digits, but no power of ten in place of thousands."""
    text = f"{number:.{digits}g}"
    return f"{number:,.0f}" if "e+" in text else text


def _short(number):
    return f"{number:.1f}"


def _line(style, x1, y1, x2, y2):
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(style, *map(_short, (x1, y1, x2, y2)))


def _text(x, y, text, anchor, style=""):
    return Markup('<text{} x="{}" y="{}" text-anchor="{}">{}</text>').format(
        Markup(' class="{}"').format(style) if style else "", _short(x), _short(y), anchor, text
    )
