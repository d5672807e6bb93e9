"""Road, pavements and verges, with their markings, slabs, patches, puddles, shadows and pools of light."""

import cv2
import numpy as np

from keras_liteseg.datasets.street_scenes import textures
from keras_liteseg.datasets.street_scenes.canvas import NEAREST
from keras_liteseg.datasets.street_scenes.colors import SNOW, mix, scale, vary
from keras_liteseg.datasets.street_scenes.labels import PAVEMENT, ROAD, VEGETATION

DISTANCES = np.geomspace(NEAREST, 320, 26)
ASIDE = 400.0
GRAINS_PER_METRE = 36.0


def draw_ground(canvas, rng, street):
    """Paint everything flat, in colours without haze or shadow; `shade_ground` adds both."""
    snow = canvas.conditions.snow
    wet = canvas.conditions.wet
    asphalt = rng.choice(((88, 88, 92), (104, 103, 102), (124, 122, 120), (104, 98, 92)))
    asphalt = scale(mix(vary(rng, asphalt, 12), SNOW, 0.45 * snow), 1 - 0.35 * wet)
    slabs = rng.choice(((156, 152, 146), (136, 136, 138), (172, 150, 130), (150, 118, 102), (112, 112, 112)))
    slabs = mix(scale(vary(rng, slabs, 14), 1 - 0.25 * wet), SNOW, 0.8 * snow)
    grass = mix(vary(rng, rng.choice(((86, 116, 54), (104, 122, 62), (122, 118, 70))), 14), SNOW, 0.85 * snow)

    for side in (street.left, street.right):
        _strip(canvas, side.kerb, side.sign * ASIDE, slabs, PAVEMENT)
        if side.verge or side.plot != "houses":
            _strip(canvas, side.at(side.pavement), side.sign * ASIDE, grass, VEGETATION)
        _joints(canvas, rng, side, slabs)
        _strip(canvas, side.kerb, side.at(0.28), mix(scale(slabs, 1.15), (190, 188, 184), 0.5), PAVEMENT)
    if street.crossing:
        near, far = street.crossing
        _strip(canvas, -ASIDE, ASIDE, scale(slabs, 1.1), PAVEMENT, (near - 0.4, far + 0.4))
        _strip(canvas, -ASIDE, ASIDE, asphalt, ROAD, (near, far))
    _strip(canvas, street.left.kerb, street.right.kerb, asphalt, ROAD)
    for side in (street.left, street.right):
        _strip(canvas, side.kerb, side.at(-0.35), scale(asphalt, 0.84), ROAD)
    _wear(canvas, rng, street, asphalt)
    if snow:
        for lateral, _ in street.lanes:
            for track in (-0.8, 0.8):
                _strip(canvas, lateral + track - 0.3, lateral + track + 0.3, scale(asphalt, 0.74), ROAD)
    _markings(canvas, rng, street)


def shade_ground(canvas, rng, street, shadows):
    """Multiply the ground by texture, shadows, lamp light and haze.

    Args:
        shadows: a list of (positions (N, 3) on the ground, darkness 0 to 1).
    """
    view, conditions = canvas.view, canvas.conditions
    lateral, ahead = view.ground_grid()
    column = _wrapped(lateral, GRAINS_PER_METRE, rng.random())
    row = np.repeat(_wrapped(ahead[:, :1], 0.6 * GRAINS_PER_METRE, 0.0), view.width, axis=1)
    grain = cv2.remap(textures.grit(), column, row, cv2.INTER_LINEAR)
    # Far away a pixel covers much ground, so the texture averages out.
    amount = rng.uniform(0.15, 0.4) / 128 * np.minimum(1, 9 / ahead[:, :1])
    factor = grain * amount + (1 - 128 * amount)
    factor *= _shadow_map(view, shadows, factor.shape)
    light = np.asarray(conditions.tint, np.float32).mean()
    if conditions.lamps_on:
        # The camera's own headlights.
        reach = ahead[:, :1]
        beam = np.exp(-(((lateral - street.own) / (1.2 + 0.12 * reach)) ** 2) - ((reach - 9) / 11) ** 2)
        factor *= 1 + rng.uniform(0.5, 1.2) * (1 - light) * beam
    keep = np.exp(-conditions.haze * ahead[:, :1])
    gains = [np.minimum(factor * (keep * (128 * tint)), 255).astype(np.uint8) for tint in conditions.tint]
    haze = np.zeros((len(keep), 1, 4), np.uint8)
    haze[:, 0, :3] = (1 - keep) * conditions.sky_low
    # Times 128 and divided by 128, plus nothing: the fourth channel keeps its labels.
    ground = canvas.raster[view.first_ground_row :]
    cv2.multiply(ground, cv2.merge([*gains, np.full_like(gains[0], 128)]), ground, scale=1 / 128)
    cv2.add(ground, cv2.resize(haze, gains[0].shape[::-1], interpolation=cv2.INTER_NEAREST), ground)


def _wrapped(metres, scale, offset):
    """Position in a texture that repeats: metres times scale plus an offset in tiles, float32."""
    tiles = metres * np.float32(scale / textures.SIDE) + np.float32(offset)
    return (tiles - np.floor(tiles)) * np.float32(textures.SIDE - 1)


def _shadow_map(view, shadows, shape):
    """Brightness left by the shadows, float32: drawn small and enlarged, which softens their edges."""
    small = np.full((shape[0] // 2 + 1, shape[1] // 2 + 1), 255, np.uint8)
    for points, darkness in shadows:
        pixels = (view.pixels(points) - (0, view.first_ground_row)) / 2
        hull = cv2.convexHull(np.clip(pixels * 16, -(1 << 20), 1 << 20).astype(np.int32))
        cv2.fillConvexPoly(small, hull, round(255 * (1 - darkness)), cv2.LINE_8, 4)
    blur = max(3, view.height // 128 * 2 + 1)
    small = cv2.blur(small, (blur, blur))
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


def _strip(canvas, first, second, color, label, span=None):
    """A band between two lateral positions along the road, following its bend."""
    ahead = DISTANCES if span is None else np.clip(np.linspace(*span, 3), NEAREST, None)
    outline = np.zeros((2 * len(ahead), 3))
    outline[:, 0] = np.repeat((first, second), len(ahead))
    outline[:, 2] = np.concatenate([ahead, ahead[::-1]])
    canvas.fill(canvas.view.pixels(outline), color, label, convex=False)


def _quads(canvas, boxes, color, label):
    """Rectangles (left, right, near, far) on the ground, painted in one call."""
    if not len(boxes):
        return
    boxes = np.asarray(boxes, np.float64)
    corners = np.zeros((len(boxes), 4, 3))
    corners[..., 0] = boxes[:, (0, 1, 1, 0)]
    corners[..., 2] = boxes[:, (2, 2, 3, 3)]
    pixels = canvas.view.pixels(corners.reshape(-1, 3)).reshape(-1, 4, 2)
    fixed = np.clip(pixels * 16, -(1 << 24), 1 << 24).astype(np.int32)
    cv2.fillPoly(canvas.raster, list(fixed), (*color, label), cv2.LINE_8, 4)


def _joints(canvas, rng, side, slabs):
    """The gaps between paving slabs, as far as they can be told apart."""
    pitch = rng.uniform(0.6, 1.2)
    dark = scale(slabs, 0.8)
    gap = 0.035
    across = [(side.at(0.3), side.at(side.pavement), z, z + gap) for z in np.arange(2.0, 26.0, pitch)]
    edges = np.arange(0.3 + pitch, side.pavement, pitch)
    along = [
        (side.at(x), side.at(x + gap), near, far)
        for x in edges
        for near, far in ((2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 26.0))
    ]
    _quads(canvas, across + along, dark, PAVEMENT)


def _wear(canvas, rng, street, asphalt):
    """Repaired patches, trenches, manholes and puddles: road in another colour."""
    left, right = street.left.kerb, street.right.kerb
    for _ in range(rng.randint(1, 5)):
        x, z = rng.uniform(left, right - 1), rng.uniform(3, 30)
        box = (x, min(right, x + rng.uniform(0.6, 3)), z, z + rng.uniform(1, 9))
        _quads(canvas, [box], scale(asphalt, rng.choice((0.78, 0.86, 1.12, 1.2))), ROAD)
    for _ in range(rng.randint(0, 3)):
        _oval(canvas, (rng.uniform(left + 1, right - 1), rng.uniform(4, 20)), (0.35, 0.35), scale(asphalt, 0.6))
    sky = canvas.conditions.sky_top
    # Undo the light that `shade_ground` will multiply in: water shows the sky as it is.
    mirror = tuple(min(255.0, 0.8 * s / t) for s, t in zip(sky, canvas.conditions.tint))
    for _ in range(rng.randint(1, 5) if canvas.conditions.wet > 0.2 else 0):
        width = rng.uniform(0.4, 1.5)
        center = (rng.uniform(left + width, right - width), rng.uniform(3.5, 18))
        _oval(canvas, center, (width, rng.uniform(0.6, 2.2)), mix(asphalt, mirror, 0.6))


def _oval(canvas, center, radii, color):
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    points = np.zeros((16, 3))
    points[:, 0] = center[0] + radii[0] * np.cos(angle)
    points[:, 2] = center[1] + radii[1] * np.sin(angle)
    canvas.fill(canvas.view.pixels(points), color, ROAD)


def _markings(canvas, rng, street):
    worn = rng.uniform(0.15, 0.6) + 0.3 * canvas.conditions.snow
    under = (100, 100, 100)
    paint = mix(rng.choice(((236, 236, 230), (236, 236, 230), (232, 196, 84))), under, worn)
    white = mix((236, 236, 230), under, worn)
    stops = [street.zebra] if street.zebra else []
    stops += [street.crossing[0] - 1.0] if street.crossing else []
    clear = (min(stops), (street.crossing or (0, max(stops) + 4))[1] + 1) if stops else (0.0, 0.0)

    def broken(lateral, length, gap):
        starts = np.arange(rng.uniform(0, length + gap) - 2, 110, length + gap)
        dashes = [(lateral - 0.08, lateral + 0.08, z, z + length) for z in np.maximum(starts, NEAREST)]
        return [dash for dash in dashes if dash[3] < clear[0] or dash[2] > clear[1]]

    if rng.random() < 0.5:
        ends = [(NEAREST, clear[0]), (clear[1], 120.0)] if stops else [(NEAREST, 120.0)]
        for near, far in ends:
            for lateral in (-0.12, 0.12):
                _strip_line(canvas, lateral, near, far, paint)
    else:
        _quads(canvas, broken(0.0, 3.0, 3.0), paint, ROAD)
    for lateral in street.lane_lines:
        _quads(canvas, broken(lateral, 3.0, 6.0), white, ROAD)
    for side in (street.left, street.right):
        edge = side.at(-2.3 if side.parking else -0.3)
        if rng.random() < 0.6:
            _quads(canvas, broken(edge, 1.5, 1.0) if side.parking else broken(edge, 8.0, 0.2), white, ROAD)
    if street.zebra:
        laterals = np.arange(street.left.kerb + 0.3, street.right.kerb - 0.4, 1.0)
        _quads(canvas, [(x, x + 0.5, street.zebra, street.zebra + 3.2) for x in laterals], white, ROAD)
    if street.crossing:
        stop = min(stops) - 1.2
        _quads(canvas, [(0.2, street.right.at(-0.3), stop, stop + 0.4)], white, ROAD)


def _strip_line(canvas, lateral, near, far, color):
    steps = np.geomspace(max(near, NEAREST), far, 14)
    _quads(canvas, [(lateral - 0.06, lateral + 0.06, a, b) for a, b in zip(steps, steps[1:])], color, ROAD)
