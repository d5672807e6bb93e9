"""Trees, bushes and hedges."""

import cv2
import numpy as np

from keras_liteseg.datasets.street_scenes import textures
from keras_liteseg.datasets.street_scenes.canvas import Billboard
from keras_liteseg.datasets.street_scenes.colors import SNOW, mix, scale, vary
from keras_liteseg.datasets.street_scenes.labels import VEGETATION

GREENS = (
    ((24, 44, 20), (118, 160, 66)),
    ((26, 50, 30), (92, 142, 84)),
    ((42, 52, 18), (164, 172, 76)),
    ((20, 34, 24), (80, 112, 70)),
    ((70, 40, 16), (216, 150, 58)),
    ((64, 22, 22), (176, 84, 64)),
)
BRIGHTNESS = np.linspace(0, 1, 256)[:, None, None]


def draw_tree(canvas, rng, lateral, ahead, height):
    """A street tree of `height` metres."""
    conifer = rng.random() < 0.12
    kind = textures.CROWNS - 1 if conifer else rng.randrange(textures.CROWNS - 1)
    bark = vary(rng, rng.choice(((82, 66, 54), (104, 96, 88), (66, 56, 50))), 10)
    figure = Billboard(canvas, lateral, ahead, VEGETATION)
    trunk, lean = height * rng.uniform(0.018, 0.03), rng.uniform(-0.04, 0.04) * height
    fork = 0.62 * height
    figure.polygon([(-1.4 * trunk, 0), (1.4 * trunk, 0), (lean + 0.7 * trunk, fork), (lean - 0.7 * trunk, fork)], bark)
    figure.polygon([(0.3 * trunk, 0), (1.4 * trunk, 0), (lean + 0.7 * trunk, fork), (lean, fork)], bark, shade=0.7)
    if conifer:
        width, middle, tall = height * 0.5, 0.55 * height, 0.9 * height
    else:
        width, middle, tall = height * rng.uniform(0.62, 0.95), 0.64 * height, 0.76 * height
        for spread in (-0.2, 0.0, 0.22):
            figure.stroke([(lean * 0.6, 0.4 * height), (lean + spread * width, 0.75 * height)], 0.9 * trunk, bark, 0.8)
    _paste_crown(figure, rng, kind, (lean, middle), (width, tall), flip=rng.random() < 0.5)


def draw_bush(canvas, rng, lateral, ahead, height):
    """A shrub of `height` metres, standing on the ground."""
    figure = Billboard(canvas, lateral, ahead, VEGETATION)
    width = height * rng.uniform(1.1, 1.9)
    figure.ellipse((0, 0.3 * height), (0.36 * width, 0.34 * height), (34, 46, 28))
    kind = rng.randrange(textures.CROWNS - 1)
    _paste_crown(figure, rng, kind, (0, 0.45 * height), (1.3 * width, 1.25 * height), flip=False)


def draw_hedge(canvas, rng, lateral, near, far, height):
    """A clipped hedge along the street."""
    table = _leaf_colors(canvas, rng, (near + far) / 2, haze=False)
    crop = textures.leaves()[:, : max(64, min(384, round(24 * (far - near))))]
    width = 0.9 if lateral > 0 else -0.9
    texture = cv2.LUT(cv2.merge([crop] * 3), table)
    corners = [(lateral, height, near), (lateral, height, far), (lateral, 0, far), (lateral, 0, near)]
    end = [(lateral, height, near), (lateral + width, height, near), (lateral + width, 0, near), (lateral, 0, near)]
    canvas.textured(end, cv2.convertScaleAbs(texture[:, :80], alpha=0.75), VEGETATION)
    canvas.textured(corners, texture, VEGETATION)


def _paste_crown(figure, rng, kind, center, size, flip):
    # Starting from the next larger picture keeps distant leaves from turning into noise.
    side = next((side for side in (24, 48, 96) if side >= size[0] * figure.scale), 192)
    picture = textures.crown(kind, side)
    picture = cv2.flip(picture, 1) if flip else picture
    figure.paste(picture, _leaf_colors(figure.canvas, rng, figure.ahead), center, size)


def _leaf_colors(canvas, rng, ahead, haze=True):
    """Table from a leaf's brightness to its lit colour, uint8 (256, 1, 3)."""
    dark, light = rng.choices(GREENS, (0.3, 0.25, 0.18, 0.15, 0.07, 0.05))[0]
    snow = canvas.conditions.snow
    light = mix(vary(rng, light, 18), SNOW, 0.75 * snow)
    distance = ahead if haze else 0.0
    low, high = (np.array(canvas.tone(color, distance)) for color in (scale(dark, 1 + snow), light))
    return (low + (high - low) * BRIGHTNESS ** (1 - 0.3 * snow)).astype(np.uint8)
