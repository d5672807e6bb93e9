"""What stands along a street: lamps, signs, traffic lights, bollards, and clutter that has no class."""

import math

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.street_scenes.canvas import Billboard
from keras_liteseg.datasets.street_scenes.colors import scale, vary
from keras_liteseg.datasets.street_scenes.labels import POLE, SIGN

METALS = ((112, 116, 118), (146, 148, 150), (78, 82, 84), (62, 78, 68), (92, 86, 80))
RED, BLUE, GREEN, YELLOW = (198, 28, 34), (26, 84, 170), (20, 112, 72), (240, 190, 30)
WHITE, BLACK = (238, 238, 234), (24, 24, 26)


def draw_lamp(canvas, rng, lateral, ahead, towards):
    """A street lamp; `towards` is +1 or -1, the side on which the road lies."""
    figure = Billboard(canvas, lateral, ahead, POLE)
    color = vary(rng, rng.choice(METALS), 12)
    height, width, arm = rng.uniform(5.5, 8.0), rng.uniform(0.13, 0.17), towards * rng.uniform(1.0, 2.2)
    _mast(figure, color, height, width)
    lantern = rng.random() < 0.3
    if lantern:
        head = [(-0.2, height), (0.2, height), (0.32, height + 0.6), (-0.32, height + 0.6)]
        arm, lamp_height = 0.0, height + 0.3
        figure.polygon([(-0.36, height + 0.6), (0.36, height + 0.6), (0.0, height + 0.85)], scale(color, 0.7))
    else:
        figure.stroke([(0, height - 0.4), (0.4 * arm, height + 0.15), (arm, height + 0.2)], 0.13, color)
        reach = arm + math.copysign(0.75, arm)
        head = [(arm, height + 0.08), (reach, height + 0.12), (reach, height + 0.3), (arm, height + 0.34)]
        lamp_height = height + 0.15
    on = canvas.conditions.lamps_on
    figure.polygon(head, (255, 226, 160) if on else (208, 210, 204), glow=on)
    if on:
        canvas.halo((lateral + arm, lamp_height, ahead), rng.uniform(1.6, 2.4), (235, 190, 120))


def draw_bollard(canvas, rng, lateral, ahead, color):
    figure = Billboard(canvas, lateral, ahead, POLE)
    figure.rectangle(-0.1, 0, 0.1, 1.0, color)
    figure.rectangle(0.03, 0, 0.1, 1.0, color, shade=0.7)
    figure.rectangle(-0.1, 0.74, 0.1, 0.86, WHITE)


def draw_wooden_pole(canvas, rng, lateral, ahead):
    """A telegraph pole with cross-arms."""
    figure = Billboard(canvas, lateral, ahead, POLE)
    color, height = vary(rng, (104, 82, 62), 14), rng.uniform(7, 9)
    _mast(figure, color, height, 0.16)
    for down in (0.4, 1.1):
        figure.rectangle(-1.0, height - down - 0.09, 1.0, height - down + 0.09, color, 0.8)


def draw_sign_post(canvas, rng, lateral, ahead):
    """One to three signs on a post, some of them seen from behind."""
    post = Billboard(canvas, lateral, ahead, POLE)
    color = vary(rng, (142, 146, 148), 18)
    count = rng.choices((1, 2, 3), (0.5, 0.38, 0.12))[0]
    size = rng.uniform(0.74, 1.0)
    base = rng.uniform(2.0, 2.4)
    _mast(post, color, base + count * size * 1.05, 0.075)
    signs = Billboard(canvas, lateral, ahead, SIGN)
    for i in range(count):
        sign = signs.inset((0.0, base + (i + 0.5) * size * 1.08), size)
        if rng.random() < 0.16:
            sign.ellipse((0, 0), (0.5, 0.5), (128, 132, 134))
            sign.rectangle(-0.06, -0.5, 0.06, 0.5, (98, 100, 102))
        else:
            rng.choice(FACES)(sign, rng)


def draw_traffic_light(canvas, rng, lateral, ahead, towards):
    """Traffic lights on a mast, and often a second set on an arm over the road."""
    mast, lights = Billboard(canvas, lateral, ahead, POLE), Billboard(canvas, lateral, ahead, SIGN)
    color = vary(rng, rng.choice(METALS), 10)
    state = rng.choice(("red", "amber", "green", "green"))
    if rng.random() < 0.5:
        reach = towards * rng.uniform(2.0, 3.4)
        _mast(mast, color, 5.6, 0.11)
        mast.stroke([(0, 5.2), (reach, 5.5)], 0.14, color)
        _light_box(lights, (reach, 5.2), state)
    else:
        _mast(mast, color, 3.6, 0.1)
    _light_box(lights, (0.0, 2.9), state)


def draw_gantry(canvas, rng, lateral, ahead, towards):
    """A large direction sign on two posts beside the road, or hung out over it."""
    posts, board = Billboard(canvas, lateral, ahead, POLE), Billboard(canvas, lateral, ahead, SIGN)
    color = vary(rng, (140, 144, 146), 14)
    width, height = rng.uniform(2.0, 3.0), rng.uniform(1.1, 1.7)
    if rng.random() < 0.5:
        center = (towards * (width / 2 + 0.8), 6.0)
        _mast(posts, color, 6.6, 0.16)
        posts.stroke([(0, 6.3), (center[0] + 0.4 * towards * width, 6.3)], 0.18, color)
    else:
        center = (-towards * width * 0.3, 3.1)
        for side in (-0.35, 0.35):
            x = center[0] + side * width
            posts.rectangle(x - 0.1, 0, x + 0.1, center[1] + height / 2, color)
    _panel(board.inset(center, height / 0.9), rng, width / height)


def draw_clutter(canvas, rng, lateral, ahead):
    """Bins, boards, cones, boxes and barriers: things that no class covers."""
    figure = Billboard(canvas, lateral, ahead, IGNORE_LABEL)
    color = vary(rng, rng.choice(((58, 92, 62), (70, 74, 78), (40, 74, 132), (214, 172, 44), (122, 92, 64))), 16)
    kind = rng.choice(("bin", "board", "cone", "boxes", "barrier"))
    if kind == "bin":
        figure.polygon([(-0.26, 0), (0.26, 0), (0.33, 0.95), (-0.33, 0.95)], color)
        figure.polygon([(0.05, 0), (0.26, 0), (0.33, 0.95), (0.07, 0.95)], color, 0.75)
        figure.rectangle(-0.37, 0.95, 0.37, 1.08, color, 0.6)
    elif kind == "board":
        figure.polygon([(-0.4, 0), (0.4, 0), (0.32, 1.15), (-0.32, 1.15)], scale(color, 0.6))
        figure.polygon([(-0.31, 0.18), (0.31, 0.18), (0.27, 1.05), (-0.27, 1.05)], WHITE)
        for up in (0.85, 0.65, 0.45):
            figure.rectangle(-0.2, up, rng.uniform(0.05, 0.2), up + 0.08, color)
    elif kind == "cone":
        figure.polygon([(-0.3, 0), (0.3, 0), (0.06, 0.8), (-0.06, 0.8)], (226, 92, 32))
        figure.polygon([(-0.19, 0.32), (0.19, 0.32), (0.13, 0.54), (-0.13, 0.54)], WHITE)
    elif kind == "boxes":
        for x, y in ((-0.35, 0.0), (0.2, 0.0), (-0.1, 0.5)):
            tone = vary(rng, (166, 128, 86), 22)
            figure.rectangle(x - 0.26, y, x + 0.26, y + 0.5, tone)
            figure.rectangle(x - 0.03, y, x + 0.03, y + 0.5, tone, 0.8)
    else:
        for x in (-0.75, 0.75):
            figure.rectangle(x - 0.05, 0, x + 0.05, 1.0, (90, 90, 92))
        for i in range(6):
            figure.rectangle(-0.9 + 0.3 * i, 0.65, -0.6 + 0.3 * i, 0.95, RED if i % 2 else WHITE)


def _mast(figure, color, height, width):
    """A tapering post of full width `width` times two, lit from the left."""
    figure.polygon([(-width, 0), (width, 0), (0.7 * width, height), (-0.7 * width, height)], color)
    figure.polygon([(0.2 * width, 0), (width, 0), (0.7 * width, height), (0.15 * width, height)], color, 0.68)


def _light_box(figure, center, state):
    x, y = center
    figure.rectangle(x - 0.27, y - 0.62, x + 0.27, y + 0.62, (34, 36, 36))
    lamps = {"red": (0.38, (255, 50, 40)), "amber": (0.0, (255, 184, 40)), "green": (-0.38, (60, 240, 130))}
    for name, (up, color) in lamps.items():
        lit = name == state
        figure.ellipse((x, y + up), (0.17, 0.17), color if lit else scale(color, 0.25), glow=lit)
    if figure.canvas.conditions.lamps_on:
        up, color = lamps[state]
        figure.canvas.halo((figure.lateral + x, y + up, figure.ahead), 0.8, scale(color, 0.7))


def _limit(sign, rng):
    sign.ellipse((0, 0), (0.5, 0.5), RED)
    sign.ellipse((0, 0), (0.37, 0.37), WHITE)
    if rng.random() < 0.6:
        for x in (-0.14, 0.11):
            sign.stroke([(x + a, b) for a, b in rng.choice(DIGITS)], 0.07, BLACK)


def _order(sign, rng):
    sign.ellipse((0, 0), (0.5, 0.5), BLUE)
    _arrow(sign, rng.choice((0.0, 0.8, 1.57, 2.36, 3.14)), 0.3, WHITE)


def _warning(sign, rng):
    down = rng.random() < 0.3
    inner = YELLOW if rng.random() < 0.3 else WHITE
    for share, color in ((0.62, RED), (0.4, inner)):
        corners = [(0, 1.0), (-1.0, -0.62), (1.0, -0.62)]
        sign.polygon([(share * x, share * (-y if down else y)) for x, y in corners], color)
    if not down:
        sign.rectangle(-0.05, -0.15, 0.05, 0.2, BLACK)


def _stop(sign, rng):
    corners = [(math.cos(a), math.sin(a)) for a in (math.pi * (i + 0.5) / 4 for i in range(8))]
    for share, color in ((0.54, WHITE), (0.48, RED)):
        sign.polygon([(share * x, share * y) for x, y in corners], color)
    sign.rectangle(-0.3, -0.1, 0.3, 0.1, WHITE)


def _priority(sign, rng):
    for share, color in ((0.62, WHITE), (0.48, YELLOW)):
        sign.polygon([(0, share), (share, 0), (0, -share), (-share, 0)], color)


def _plate(sign, rng):
    _panel(sign, rng, rng.choice((1.0, 1.0, 1.44)))


def _panel(sign, rng, aspect):
    """A rectangular board, 0.9 high, with a rim and either lines of writing or an arrow."""
    right, top = 0.45 * aspect, 0.45
    face = rng.choice((BLUE, BLUE, GREEN, WHITE, YELLOW))
    ink = WHITE if face in (BLUE, GREEN) else BLACK
    sign.rectangle(-right, -top, right, top, ink)
    sign.rectangle(-right + 0.04, -top + 0.04, right - 0.04, top - 0.04, face)
    if rng.random() < 0.3:
        _arrow(sign, math.pi / 2, 0.28, ink)
        return
    for up in (0.18, -0.05, -0.29):
        sign.rectangle(-0.8 * right, up, rng.uniform(-0.2, 0.8) * right, up + 0.12, ink)


def _arrow(sign, angle, length, color):
    cosine, sine = math.cos(angle), math.sin(angle)

    def turned(along, across):
        return along * cosine - across * sine, along * sine + across * cosine

    sign.stroke([turned(-length, 0), turned(length, 0)], 0.11, color)
    sign.stroke([turned(0.4 * length, 0.2), turned(length, 0), turned(0.4 * length, -0.2)], 0.1, color)


FACES = (_limit, _limit, _order, _warning, _warning, _stop, _priority, _plate, _plate)
DIGITS = (
    ((0.1, 0.18), (-0.08, 0.18), (-0.08, 0.03), (0.1, 0.0), (0.1, -0.18), (-0.08, -0.18)),
    ((-0.08, 0.18), (0.1, 0.18), (0.1, -0.18), (-0.08, -0.18), (-0.08, 0.18)),
    ((-0.08, 0.18), (0.1, 0.18), (0.0, 0.0), (0.1, -0.05), (0.08, -0.18), (-0.08, -0.18)),
)
