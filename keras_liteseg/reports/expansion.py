"""The path of an expansion as a picture: mIoU over latency."""

import html
import math

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 56
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.title { font-size: 17px; font-weight: 600 } .small { font-size: 12px; fill: #555 }
.grid { stroke: #e3e6ea } .axis { stroke: #8a9099 }
.candidate { fill: #9aa7b5 } .chosen { fill: #1769c2 } .path { stroke: #1769c2; stroke-width: 2.5; fill: none }
.published { stroke: #b7791f; stroke-dasharray: 5 4 } .budget { stroke: #c53030; stroke-width: 1.5 }
.try { stroke: #c8d0d9; fill: none }
"""


def expansion_picture(rounds, published, budget, device):
    """Return an SVG picture of a search: every candidate, joined to its base, and a line through the chosen ones.

    Args:
        rounds: list of `keras_liteseg.expansion.Round`s, one at least.
        published: {name: latency in ms} of networks that are shown for comparison. They are vertical lines, because
            their mIoU after the same short training is not known.
        budget: largest latency in ms; infinity for none.
        device: name of the device that the latencies were measured on.
    """
    path = [rounds[0].base, *(found.chosen for found in rounds if found.chosen)]
    nodes = [*path, *(node for found in rounds for node in found.candidates)]
    latencies = [node.latency for node in nodes] + [time for time in (*published.values(), budget) if time < math.inf]
    plot = _Plot(latencies, [100 * node.miou for node in nodes])
    parts = [*plot.axes(device)]
    for name, time in published.items():
        parts.append(plot.vertical(time, "published", name))
    if math.isfinite(budget):
        parts.append(plot.vertical(budget, "budget", "budget"))
    for found in rounds:
        parts += [plot.line("try", (found.base, node)) for node in found.candidates]
    parts.append(plot.line("path", path))
    for found in rounds:
        parts += [plot.dot("candidate", node, 4) for node in found.candidates if node is not found.chosen]
    parts += [plot.dot("chosen", node, 6) for node in path]
    title = f"Progressive expansion: {len(rounds)} rounds, {len(nodes) - len(path) + 1} networks trained"
    title = f'<text class="title" x="{LEFT}" y="24">{title}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="white"/>{title}{"".join(parts)}</svg>\n'
    )


class _Plot:
    def __init__(self, times, scores):
        self.low, self.high = min(times) / 1.15, max(times) * 1.15
        margin = max(max(scores) - min(scores), 1) * 0.08
        self.bottom, self.top = max(min(scores) - margin, 0), min(max(scores) + margin, 100)
        self.named = []  # x and row of the names of vertical lines

    def x(self, time):
        return LEFT + math.log(time / self.low) / math.log(self.high / self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, score):
        return HEIGHT - BOTTOM - (score - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)

    def axes(self, device):
        floor = HEIGHT - BOTTOM
        for time in _log_ticks(self.low, self.high):
            x = self.x(time)
            yield f'<path class="grid" d="M{x:.1f} {TOP}V{floor}"/>'
            yield f'<text x="{x:.1f}" y="{floor + 20}" text-anchor="middle">{time:g}</text>'
        for score in _ticks(self.bottom, self.top):
            y = self.y(score)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{score:g}</text>'
        yield f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}" fill="none"/>'
        label = html.escape(f"latency, ms (logarithmic), {device}")
        yield f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 14}" text-anchor="end">{label}</text>'
        yield f'<text x="{LEFT}" y="{TOP - 12}" class="small">mIoU on val after the short training, %</text>'

    def vertical(self, time, style, name):
        x = self.x(time)
        # The names of lines that are close together are written below one another.
        row = 0
        while any(abs(x - other) < 90 and row == taken for other, taken in self.named):
            row += 1
        self.named.append((x, row))
        anchor, aside = ("end", -5) if x > WIDTH - 140 else ("start", 5)
        return (
            f'<path class="{style}" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/><text class="small" x="{x + aside:.1f}" '
            f'y="{HEIGHT - BOTTOM - 10 - 16 * row}" text-anchor="{anchor}">{html.escape(name)}</text>'
        )

    def line(self, style, nodes):
        points = " L".join(f"{self.x(node.latency):.1f} {self.y(100 * node.miou):.1f}" for node in nodes)
        return f'<path class="{style}" d="M{points}"/>'

    def dot(self, style, node, radius):
        x, y = self.x(node.latency), self.y(100 * node.miou)
        text = html.escape(f"{node.architecture.name}: {node.latency:.2f} ms, mIoU {100 * node.miou:.2f}")
        return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{text}</title></circle>'


def _log_ticks(low, high):
    values = [step * 10.0**power for power in range(-2, 6) for step in (1, 1.5, 2, 3, 5, 7)]
    return [value for value in values if low <= value <= high]


def _ticks(low, high):
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(step * more for more in (1, 2, 5, 10) if (high - low) / (step * more) <= 8)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
