"""Cars, vans, lorries and buses as solid bodies seen from any side."""

import math

import numpy as np

from keras_liteseg.datasets.street_scenes.colors import SNOW, mix, scale, vary
from keras_liteseg.datasets.street_scenes.labels import VEHICLE

PAINTS = (
    (196, 198, 200),
    (232, 232, 230),
    (34, 36, 40),
    (92, 94, 98),
    (140, 142, 146),
    (36, 58, 112),
    (86, 118, 158),
    (158, 28, 32),
    (62, 96, 64),
    (108, 128, 78),
    (196, 170, 60),
    (122, 94, 72),
    (206, 106, 40),
)
GLASS = (38, 46, 54)
TYRE = (26, 26, 28)
LIT_HEAD, LIT_TAIL = (255, 246, 214), (255, 52, 36)
SIZES = {  # length, width, height in metres
    "car": (4.3, 1.8, 1.5),
    "estate": (4.6, 1.85, 1.65),
    "van": (5.2, 2.0, 2.3),
    "lorry": (7.5, 2.4, 3.2),
    "bus": (11.0, 2.5, 3.1),
}
CIRCLE = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 13)[:-1]]


class Body:
    """A vehicle's own frame: along (to its front), across (to its right) and up, in metres from its middle."""

    def __init__(self, canvas, lateral, ahead, heading):
        self.canvas = canvas
        self.origin = np.array((lateral, 0.0, ahead))
        sine, cosine = math.sin(heading), math.cos(heading)
        self.axes = np.array(((sine, 0.0, cosine), (cosine, 0.0, -sine), (0.0, 1.0, 0.0)))
        view = canvas.view
        aside = view.position - 0.5 * view.bend * ahead * ahead
        self.eye = self.axes @ (np.array((aside, view.eye, 0.0)) - self.origin)
        shadow = canvas.conditions.shadow
        self.sun = None if shadow is None else self.axes @ np.array((-shadow[0], 0.0, -shadow[1]))

    def positions(self, points):
        return self.origin + np.asarray(points, np.float64) @ self.axes

    def prism(self, bottom, top, paint, details):
        """Draw a six-sided body from the rectangle `bottom` to the smaller rectangle `top`.

        Args:
            bottom, top: (rear, front, half width, height).
            paint: RGB.
            details: side name ('rear', 'front', 'flank') to a list of (outline, colour, glow); outlines are
                (share from left or rear, share of height).
        """
        (r0, f0, w0, h0), (r1, f1, w1, h1) = bottom, top
        if self.eye[2] > h1:
            self._face([(r1, -w1, h1), (f1, -w1, h1), (f1, w1, h1), (r1, w1, h1)], paint, 1.12, ())
        walls = (
            ("rear", (-1, 0), [(r0, -w0, h0), (r0, w0, h0), (r1, w1, h1), (r1, -w1, h1)]),
            ("front", (1, 0), [(f0, w0, h0), (f0, -w0, h0), (f1, -w1, h1), (f1, w1, h1)]),
            ("flank", (0, -1), [(r0, -w0, h0), (f0, -w0, h0), (f1, -w1, h1), (r1, -w1, h1)]),
            ("flank", (0, 1), [(r0, w0, h0), (f0, w0, h0), (f1, w1, h1), (r1, w1, h1)]),
        )
        for name, normal, corners in walls:
            if self._turned_to_eye(normal, corners[0]):
                self._face(corners, paint, self._light(normal), details.get(name, ()))

    def flat(self, points, color, shade=1.0):
        """Fill a polygon of (along, across, up)."""
        self.canvas.polygon(self.positions(points), color, VEHICLE, shade)

    def _light(self, normal):
        if self.sun is None:
            return 0.9
        return 0.82 + 0.22 * max(-1.0, min(1.0, normal[0] * self.sun[0] + normal[1] * self.sun[1]))

    def _turned_to_eye(self, normal, corner):
        return (self.eye[0] - corner[0]) * normal[0] + (self.eye[1] - corner[1]) * normal[1] > 0

    def _face(self, corners, paint, lit, details):
        outlines = [((0, 0), (1, 0), (1, 1), (0, 1)), *(outline for outline, _, _ in details)]
        weights = [((1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t) for outline in outlines for s, t in outline]
        positions = self.positions(np.array(weights) @ np.array(corners))
        if positions[:, 2].min() < 1.0:
            return
        pixels = self.canvas.view.pixels(positions)
        ahead = float(positions[:4, 2].mean())
        start = 0
        for outline, (_, color, glow) in zip(outlines, ((None, paint, False), *details)):
            stop = start + len(outline)
            self.canvas.fill(pixels[start:stop], self.canvas.tone(color, ahead, 1.0 if glow else lit, glow), VEHICLE)
            start = stop


def sample_vehicle(rng):
    """Return (kind, length, width, height)."""
    kind = rng.choices(tuple(SIZES), (0.5, 0.2, 0.14, 0.08, 0.08))[0]
    grow = rng.uniform(0.93, 1.07)
    return kind, *(grow * side for side in SIZES[kind])


def draw_vehicle(canvas, rng, lateral, ahead, heading, vehicle, driving):
    """Draw a vehicle whose middle is at (lateral, ahead); heading 0 drives away, pi comes towards the camera."""
    kind, length, width, height = vehicle
    body = Body(canvas, lateral, ahead, heading)
    paint = vary(rng, rng.choice(PAINTS), 14)
    second = vary(rng, rng.choice(PAINTS), 20)
    braking = rng.random() < 0.4
    glow = driving and (canvas.conditions.lamps_on or canvas.conditions.weather in ("rain", "fog"))
    tail = (LIT_TAIL if glow or braking and driving else (140, 26, 28), glow or braking and driving)
    head = (LIT_HEAD, True) if glow else ((206, 212, 216), False)
    half, side = length / 2, width / 2
    _wheels_across(body, half, side)
    low = {"car": 1.0, "estate": 1.0, "van": 0.46, "lorry": 0.34, "bus": 0.32}[kind]
    ends = {"rear": _rear(tail, low), "front": _front(paint, head, low)}
    snowy = mix(paint, SNOW, 0.85 * canvas.conditions.snow)
    if kind in ("car", "estate"):
        belt = 0.6 * height
        flank = [_line(0.52, 0.6, scale(paint, 0.75)), *_wheels(length, belt - 0.22, (0.19, 0.81))]
        lower = (-half, half, side, 0.22), (-half * 0.98, half * 0.96, side * 0.97, belt)
        body.prism(*lower, paint, {**ends, "flank": flank})
        tip = -0.92 if kind == "estate" else -0.62
        window = _pane(0.06, 0.94, 0.12, 0.86)
        panes = [_pane(0.06, 0.47, 0.1, 0.84), _pane(0.52, 0.94, 0.1, 0.84)]
        sill = (half * (tip - 0.06), half * 0.46, side * 0.94, belt)
        roof = (half * (tip + 0.14), half * 0.08, side * 0.74, height)
        body.prism(sill, roof, snowy, {"rear": [window], "front": [window], "flank": panes})
    elif kind == "lorry":
        split = half * 0.55
        box = {"rear": [*ends["rear"], _line(0.49, 0.51, scale(second, 0.6), upright=True)]}
        box["flank"] = [*_wheels(split + half, height - 0.5, (0.16, 0.3), up=-0.08), *_stripe(rng)]
        front = {"front": [_pane(0.08, 0.92, 0.52, 0.88), *ends["front"][1:]]}
        front["flank"] = [_pane(0.3, 0.85, 0.5, 0.86), *_wheels(half - split, 0.76 * height - 0.3, (0.5,), up=0.05)]
        parts = [
            (split + half, ((-half, split - 0.15, side, 0.5), (-half, split - 0.15, side, height), second, box)),
            (0.0, ((split, half, side * 0.96, 0.3), (split, half * 0.94, side * 0.92, 0.76 * height), paint, front)),
        ]
        # Whichever part is farther from the camera goes first.
        for _, prism in sorted(parts, key=lambda part: part[0], reverse=bool(body.eye[0] > 0)):
            body.prism(*prism)
    else:
        count = 3 if kind == "van" else 7
        floor = 0.42 if kind == "van" else 0.36
        panes = [_pane((i + 0.12) / count, (i + 0.92) / count, floor + 0.1, 0.86) for i in range(count)]
        if kind == "van" and rng.random() < 0.5:
            panes = panes[-1:]
        walls = {
            "rear": [*ends["rear"], _pane(0.1, 0.9, 0.52, 0.86)],
            "front": [*ends["front"], _pane(0.06, 0.94, floor, 0.84)],
            "flank": [*panes, *_wheels(length, height - 0.3, (0.2, 0.8))],
        }
        if kind == "bus":
            letters = (255, 170, 40) if canvas.conditions.lamps_on else (60, 52, 30)
            walls["front"].append((_box(0.2, 0.88, 0.8, 0.97), letters, True))
            walls["flank"].append(_line(0.08, 0.2, second))
        nose = 0.8 if kind == "van" else 0.985
        body.prism((-half, half, side, 0.3), (-half * 0.99, half * nose, side * 0.94, height), paint, walls)
    if glow:
        _halos(canvas, body, half, side)


def _halos(canvas, body, half, side):
    towards = body.eye[0] > 0
    for across in (-0.75, 0.75):
        spot = body.positions([(half if towards else -half, across * side, 0.75)])[0]
        color = (210, 200, 160) if towards else (150, 24, 16)
        if spot[2] > 2:
            canvas.halo(spot, 0.9 if towards else 0.5, color)


def _wheels_across(body, half, side):
    """The tyres that show under the end turned to the camera."""
    along = 0.62 * half if body.eye[0] > 0 else -0.62 * half
    for inner, outer in ((-0.96, -0.72), (0.72, 0.96)):
        left, right = inner * side, outer * side
        box = [(along, left, 0), (along, right, 0), (along, right, 0.4), (along, left, 0.4)]
        if body.positions(box)[:, 2].min() > 1.0:
            body.flat(box, TYRE)


def _pane(left, right, low, high):
    return _box(left, low, right, high), GLASS, False


def _line(low, high, color, upright=False):
    return (_box(low, 0.0, high, 1.0) if upright else _box(0.0, low, 1.0, high)), color, False


def _wheels(length, height, positions, up=0.0):
    """Wheels on a flank of the given size, as dark discs with a hub."""
    discs = []
    for share in positions:
        for radius, color in ((0.36, TYRE), (0.2, (128, 130, 134))):
            outline = [(share + radius * x / length, up + (radius * y + 0.06) / height) for x, y in CIRCLE]
            discs.append((outline, color, False))
    return discs


def _rear(tail, low):
    """Bumper, plate and lamps on the lowest share `low` of a rear wall."""
    lamps = [(_box(x, 0.5 * low, x + 0.13, 0.82 * low), *tail) for x in (0.04, 0.83)]
    plate = _box(0.36, 0.34 * low, 0.64, 0.5 * low)
    return [_line(0.0, 0.2 * low, (58, 58, 60)), (plate, (222, 220, 206), False), *lamps]


def _front(paint, head, low):
    """Bumper, grille, plate and lamps on the lowest share `low` of a front wall."""
    lamps = [(_box(x, 0.5 * low, x + 0.17, 0.76 * low), *head) for x in (0.04, 0.79)]
    grille = _box(0.28, 0.42 * low, 0.72, 0.72 * low)
    plate = _box(0.36, 0.18 * low, 0.64, 0.34 * low)
    bumper = _line(0.0, 0.14 * low, scale(paint, 0.45))
    return [bumper, (grille, (34, 34, 36), False), (plate, (222, 220, 206), False), *lamps]


def _box(left, bottom, right, top):
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


def _stripe(rng):
    low = rng.uniform(0.3, 0.7)
    return [_line(low, low + rng.uniform(0.08, 0.3), vary(rng, rng.choice(PAINTS), 20))]
