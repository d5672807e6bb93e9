"""Line charts as inline SVG. The page's style sheet sets the colours, so that they follow its light or dark mode."""

import dataclasses
import math

from markupsafe import Markup

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 20, 36
MOST_DOTS = 60


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        label: what it shows, for the tooltip of its points.
        style: CSS classes.
        points: [(x, y), ...], in the order of x.
    """

    label: str
    style: str
    points: list


def line_chart(lines, title, text, divider=None):
    """Return a chart of `lines` over whole-numbered epochs from 1 on, as safe SVG markup.

    Args:
        lines: `Line`s with non-negative values, at least one point in all.
        title: what the chart shows, for screen readers.
        text: function that turns a value of the y axis into text.
        divider: (x, label) of a vertical line that opens a second stage, or None.
    """
    points = [point for line in lines for point in line.points]
    y_ticks = ticks(max(y for _, y in points))
    last = max(max(x for x, _ in points), 2)

    def at(x, y):
        across = LEFT + (x - 1) / (last - 1) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - y / y_ticks[-1] * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(up, 1)

    marks = [Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, title)]
    for value in y_ticks:
        x, y = at(1, value)
        marks.append(Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x, WIDTH - RIGHT, y, y))
        marks.append(_text(x - 8, y + 4, text(value), "end"))
    for value in sorted({1, *(int(tick) for tick in ticks(last) if tick == int(tick) and 1 < tick <= last)}):
        marks.append(_text(at(value, 0)[0], HEIGHT - BOTTOM + 18, value, "middle"))
    marks.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 3, "epoch", "middle"))
    if divider:
        x, y = at(divider[0], y_ticks[-1])
        marks.append(Markup('<line class="divider" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x, x, 4, at(1, 0)[1]))
        marks.append(_text(x - 6, 12, divider[1], "end", "divider"))
    for line in lines:
        marks.append(_line(line, [at(x, y) for x, y in line.points], text, len(points) <= MOST_DOTS))
    return Markup("").join([*marks, Markup("</svg>")])


def ticks(largest, count=5):
    """Return round numbers from 0, evenly spaced, up to the first that is not below `largest`; about `count`."""
    if not largest > 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(largest / count))
    step = next(factor * power for factor in (1, 2, 5, 10) if largest / (factor * power) <= count)
    return [round(number * step, 10) for number in range(math.ceil(largest / step - 1e-9) + 1)]


def _line(line, places, text, dots):
    path = " ".join(f"{x},{y}" for x, y in places)
    marks = [Markup('<polyline points="{}"/>').format(path)]
    for (epoch, value), (x, y) in zip(line.points, places):
        # Every point keeps its tooltip; on a long training the dots themselves would only thicken the line.
        marks.append(
            Markup('<circle cx="{}" cy="{}" r="{}"{}><title>{}, epoch {}: {}</title></circle>').format(
                x, y, 2.5, "" if dots else Markup(' class="unseen"'), line.label, epoch, text(value)
            )
        )
    return Markup('<g class="{}">{}</g>').format(line.style, Markup("").join(marks))


def _text(x, y, text, anchor, style=""):
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(style, x, y, anchor, text)
