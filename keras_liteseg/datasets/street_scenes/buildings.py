"""Houses: facades of windows, doors and shops, laid out flat and mapped into the street in perspective."""

import dataclasses

import cv2
import numpy as np

from keras_liteseg.datasets.street_scenes import textures
from keras_liteseg.datasets.street_scenes.colors import SNOW, mix, scale, vary
from keras_liteseg.datasets.street_scenes.labels import BUILDING

FLOOR = 3.1
"""Height of a floor in metres."""

DEPTH = 11.0
"""Depth of a house behind its frontage in metres."""

WALLS = (
    (126, 126, 128),
    (150, 148, 144),
    (98, 100, 104),
    (176, 172, 164),
    (146, 78, 62),
    (164, 98, 74),
    (122, 66, 58),
    (206, 186, 150),
    (222, 208, 176),
    (214, 196, 120),
    (196, 140, 108),
    (120, 134, 96),
    (138, 152, 128),
    (142, 168, 190),
    (108, 130, 158),
    (208, 162, 156),
    (228, 226, 220),
    (92, 78, 70),
)
VIVID = ((196, 44, 40), (30, 84, 160), (34, 122, 70), (226, 176, 32), (230, 230, 226), (48, 44, 52), (206, 92, 30))
ROOFS = ((126, 62, 48), (82, 74, 72), (70, 72, 80), (104, 84, 70))


@dataclasses.dataclass(frozen=True)
class Style:
    """How a house looks; colours RGB, window size as a share of its cell."""

    wall: tuple
    trim: tuple
    window: tuple
    kind: str
    bricks: bool
    shops: bool
    roof: str
    roof_color: tuple


def sample_style(rng):
    kind = rng.choices(("sash", "shutters", "balcony", "ribbon"), (0.45, 0.2, 0.15, 0.2))[0]
    window = (1.0, rng.uniform(0.45, 0.7)) if kind == "ribbon" else (rng.uniform(0.34, 0.56), rng.uniform(0.46, 0.66))
    return Style(
        wall=vary(rng, rng.choice(WALLS), 16),
        trim=vary(rng, rng.choice(((226, 222, 212), (84, 80, 78), (160, 150, 136))), 12),
        window=window,
        kind=kind,
        bricks=rng.random() < 0.35,
        shops=rng.random() < 0.5,
        roof="flat" if kind == "ribbon" else rng.choice(("flat", "mansard", "mansard", "gable")),
        roof_color=vary(rng, rng.choice(ROOFS), 12),
    )


def draw_house(canvas, rng, side, near, far, floors, style, exposed):
    """Draw the street front between two distances, and the flank that faces the camera, with windows if `exposed`."""
    top = FLOOR * floors + 0.6
    front, back = side.frontage, side.frontage + side.sign * DEPTH
    shadow = canvas.conditions.shadow
    street_light = 0.9 if shadow is None else (1.08 if shadow[0] * side.sign > 0 else 0.66)
    flank_light = 0.8 if shadow is None else (1.0 if shadow[1] > 0 else 0.6)
    _roof(canvas, rng, style, (front, back, side.sign), (near, far), top)
    corners = [(front, top, near), (back, top, near), (back, 0, near), (front, 0, near)]
    if exposed:
        _wall(canvas, rng, corners, style, floors, 4, flank_light)
    else:
        canvas.polygon(corners, scale(style.wall, flank_light), BUILDING)
    corners = [(front, top, near), (front, top, far), (front, 0, far), (front, 0, near)]
    _wall(canvas, rng, corners, style, floors, max(2, round((far - near) / 2.8)), street_light)


def _wall(canvas, rng, corners, style, floors, bays, light):
    visible = max(corners[0][2], 7.0)
    pixels = min(0.2 * canvas.view.height, max(4.0, FLOOR * canvas.view.focal / visible))
    if canvas.sees(corners):
        canvas.textured(corners, facade_texture(rng, canvas, style, floors, bays, pixels, light), BUILDING)


def facade_texture(rng, canvas, style, floors, bays, floor_pixels, light):
    """Return a facade seen straight on, in lit colours without haze: uint8 (h, w, 3).

    Args:
        floors, bays: rows and columns of windows.
        floor_pixels: height of one floor.
        light: brightness of the wall, 1 for full light.
    """
    conditions = canvas.conditions
    tint = np.array(conditions.tint) * light
    cell = (max(4, round(floor_pixels)), max(4, round(floor_pixels * 0.9)))
    share = conditions.lit_windows
    weights = (0.55 * (1 - share), 0.25 * (1 - share), 0.2 * (1 - share), 0.6 * share, 0.4 * share)
    kinds = [_window(cell, style, tint, glass) for glass in _glasses(rng, conditions)[: 5 if share else 3]]
    choice = np.reshape(rng.choices(range(len(kinds)), weights[: len(kinds)], k=max(1, floors - 1) * bays), (-1, bays))
    upper = np.stack(kinds)[choice].transpose(0, 2, 1, 3, 4).reshape(-1, bays * cell[1], 3)
    texture = np.concatenate([upper, _ground_floor(rng, cell, style, bays, tint, conditions)])
    if style.bricks:
        rows = np.arange(0, texture.shape[0], max(2, cell[0] // 12))
        texture[rows] = texture[rows] * 0.88
    _cornice(texture, cell, style, tint)
    if floors >= 3 and rng.random() < 0.3:
        _advert(texture, rng, cell, tint)
    return _weathered(texture, rng)


def _glasses(rng, conditions):
    """Colours of the panes: dark room, sky's reflection, curtain, two lamps."""
    reflection = mix(conditions.sky_top, conditions.sky_low, 0.4)
    dark = scale(vary(rng, (46, 54, 64), 12), 0.4 + 0.6 * sum(conditions.tint) / 3)
    curtain = tuple(c * t for c, t in zip(vary(rng, (170, 164, 152), 20), conditions.tint))
    return dark, mix(dark, reflection, 0.65), mix(dark, curtain, 0.6), (255, 206, 128), (244, 226, 178)


def _window(cell, style, tint, glass):
    height, width = cell
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = np.clip(np.array(style.wall) * tint, 0, 255)
    trim = tuple(np.minimum(np.array(style.trim) * tint, 255))
    share_x, share_y = style.window
    left, right = round(width * (0.5 - share_x / 2)), round(width * (0.5 + share_x / 2))
    top, bottom = round(height * 0.2), round(height * (0.2 + share_y))
    line = max(1, round(height / 26))
    cv2.rectangle(picture, (left - line, top - line), (right + line - 1, bottom + line - 1), trim, -1)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), glass, -1)
    cv2.rectangle(picture, (left, (top + bottom) // 2), (right - 1, bottom - 1), scale(glass, 0.82), -1)
    if style.kind != "ribbon":
        bar = top + (bottom - top) // 3
        cv2.rectangle(picture, (left, bar), (right - 1, bar + line - 1), trim, -1)
    middle = (left + right) // 2
    cv2.rectangle(picture, (middle, top), (middle + line - 1, bottom - 1), trim, -1)
    if style.kind == "shutters":
        leaf = max(1, (right - left) // 3)
        for x in (left - leaf - line, right + line):
            cv2.rectangle(picture, (x, top), (x + leaf - 1, bottom - 1), scale(trim, 0.6), -1)
    elif style.kind == "balcony":
        rail = bottom - (bottom - top) // 3
        cv2.rectangle(picture, (0, bottom), (width, bottom + 2 * line), scale(trim, 0.75), -1)
        for x in range(0, width, max(2, 3 * line)):
            cv2.rectangle(picture, (x, rail), (x + line - 1, bottom), scale(trim, 0.5), -1)
    else:
        cv2.rectangle(picture, (left - 2 * line, bottom), (right + 2 * line, bottom + line), scale(trim, 0.85), -1)
    return picture


def _ground_floor(rng, cell, style, bays, tint, conditions):
    height, width = cell
    base = scale(style.wall, 0.82)
    picture = np.empty((height, width * bays, 3), np.uint8)
    picture[:] = np.clip(np.array(base) * tint, 0, 255)
    lit = conditions.lamps_on and rng.random() < 0.7
    x = 0
    while x < bays:
        span = min(bays - x, rng.randint(1, 3))
        left, right = x * width, (x + span) * width
        if style.shops and rng.random() < 0.75:
            _shop(picture, rng, (left, right), cell, tint, lit)
        else:
            pad = width // 4
            color = vary(rng, rng.choice(((84, 56, 40), (52, 62, 74), (46, 84, 62), (150, 44, 36))), 12)
            door = tuple(np.array(color) * tint)
            cv2.rectangle(picture, (left + pad, height // 4), (left + width - pad, height), door, -1)
            cv2.rectangle(picture, (left + pad, height // 4), (left + width - pad, height // 3), scale(door, 1.7), -1)
            for i in range(1, span):
                window = (left + i * width + pad, height // 3), (left + (i + 1) * width - pad, height * 3 // 4)
                cv2.rectangle(picture, *window, _glasses(rng, conditions)[rng.randrange(3)], -1)
        x += span
    return picture


def _shop(picture, rng, span, cell, tint, lit):
    """A shop front: display window, goods, fascia with a name, and sometimes an awning."""
    (left, right), (height, _) = span, cell
    glass = (250, 224, 168) if lit else tuple(np.array((78, 88, 96)) * tint)
    cv2.rectangle(picture, (left + 1, height // 4), (right - 2, height - height // 9), glass, -1)
    for _ in range(rng.randint(2, 6) if height >= 10 else 0):
        x, w = rng.uniform(left, right - 3), rng.uniform(0.05, 0.2) * (right - left)
        goods = tuple(np.array(rng.choice(VIVID)) * (tint if not lit else 0.9))
        top, bottom = int(height * rng.uniform(0.45, 0.7)), height - height // 8
        cv2.rectangle(picture, (int(x), top), (int(x + w), bottom), goods, -1)
    color = rng.choice(VIVID)
    fascia = tuple(np.clip(np.array(color) * tint, 0, 255))
    cv2.rectangle(picture, (left, 0), (right - 1, height // 5), fascia, -1)
    _lettering(picture, rng, (left, 1, right, height // 5), (250, 246, 236) if sum(color) < 450 else (30, 30, 34), tint)
    if rng.random() < 0.4:
        stripes = max(3, (right - left) // max(3, height // 5))
        edges = np.linspace(left, right, 2 * stripes + 1).astype(int)
        for i in range(2 * stripes):
            stripe = fascia if i % 2 else tuple(np.clip(np.array((236, 232, 224)) * tint, 0, 255))
            cv2.rectangle(picture, (int(edges[i]), height // 5), (int(edges[i + 1]) - 1, height * 2 // 5), stripe, -1)


def _lettering(picture, rng, box, color, tint):
    left, top, right, bottom = box
    if bottom - top < 4:
        return
    size = max(1, (bottom - top) // 2)
    x = left + (right - left) * rng.uniform(0.1, 0.3)
    ink = tuple(np.clip(np.array(color) * np.maximum(tint, 0.5), 0, 255))
    while x < right - (right - left) * 0.15:
        width = size * rng.uniform(0.3, 0.9)
        y = top + size // 2
        cv2.rectangle(picture, (int(x), y), (int(x + width), y + size - rng.choice((0, 0, size // 3))), ink, -1)
        x += width + max(1.0, size * rng.choice((0.25, 0.25, 0.8)))


def _advert(texture, rng, cell, tint):
    """A poster or painted wall above the shops: bright shapes that look like signs, people or plants."""
    height, width = texture.shape[:2]
    w, h = min(width, round(cell[1] * rng.uniform(1.2, 2.6))), round(cell[0] * rng.uniform(0.9, 1.7))
    left, top = round(rng.uniform(0, width - w)), round(rng.uniform(0.3, 1.0) * max(0, height - h - cell[0]))
    poster = np.empty((h, w, 3), np.uint8)
    poster[:] = vary(rng, rng.choice(VIVID), 30)
    for _ in range(rng.randint(2, 5)):
        center = (round(rng.uniform(0, w)), round(rng.uniform(0.2, 1) * h))
        axes = (round(rng.uniform(0.08, 0.35) * w) + 1, round(rng.uniform(0.1, 0.45) * h) + 1)
        color = vary(rng, rng.choice(VIVID + ((214, 168, 140), (92, 140, 70), (120, 170, 220))), 20)
        cv2.ellipse(poster, center, axes, rng.uniform(0, 180), 0, 360, color, -1)
    _lettering(poster, rng, (0, 0, w, h // 3 + 2), rng.choice(((255, 255, 255), (20, 20, 20))), np.ones(3))
    texture[top : top + h, left : left + w] = np.clip(poster[: height - top] * np.maximum(tint, 0.5), 0, 255)


def _cornice(texture, cell, style, tint):
    band = max(1, cell[0] // 8)
    trim = np.clip(np.array(style.trim) * tint, 0, 255)
    texture[:band] = trim
    texture[band : band + max(1, band // 3)] = trim * 0.5


def _weathered(texture, rng):
    """Stains, and darker towards the street."""
    height, width = texture.shape[:2]
    top, left = rng.randrange(textures.SIDE // 2), rng.randrange(textures.SIDE // 2)
    crop = textures.fractal()[top : top + textures.SIDE // 2, left : left + textures.SIDE // 2]
    factor = cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR) // 4 + 96
    return cv2.multiply(texture, cv2.merge([factor] * 3), scale=1 / 128)


def _roof(canvas, rng, style, lateral, ahead, top):
    front, back, sign = lateral
    near, far = ahead
    color = mix(style.roof_color, SNOW, 0.9 * canvas.conditions.snow)
    chimneys = [(rng.uniform(0.1, 0.8), rng.uniform(0.6, 1.4)) for _ in range(rng.randint(0, 3))]
    rise = {"flat": 0.0, "mansard": 2.6, "gable": 4.2}[style.roof]
    for share, width in chimneys:
        z = near + share * (far - near)
        x = front + sign * 2.5
        height = top + rise + 1.1
        box = [(x, top - 1, z), (x + sign * width, top - 1, z), (x + sign * width, height, z), (x, height, z)]
        canvas.polygon(box, scale(style.wall, 0.75), BUILDING)
    if not rise:
        return
    setback = 1.3 if style.roof == "mansard" else 2.2
    ridge_front, ridge_back = front + sign * setback, back - sign * setback
    flank = [(front, top, near), (back, top, near), (ridge_back, top + rise, near), (ridge_front, top + rise, near)]
    canvas.polygon(flank, scale(color, 0.75), BUILDING)
    slope = [(front, top, near), (front, top, far), (ridge_front, top + rise, far), (ridge_front, top + rise, near)]
    canvas.polygon(slope, color, BUILDING)
    for share, width in chimneys:
        z = near + share * (far - near)
        dormer = [(front + sign * 0.4, top + 0.3, z), (front + sign * 0.4, top + 0.3, z + 1 + width)]
        dormer += [(front + sign * 0.5, top + 1.8, z + 1 + width), (front + sign * 0.5, top + 1.8, z)]
        canvas.polygon(dormer, mix(style.trim, (60, 70, 84), 0.5), BUILDING)
