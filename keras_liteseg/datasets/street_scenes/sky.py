"""Sky with clouds and sun, and the skyline that closes the street."""

import cv2
import numpy as np

from keras_liteseg.datasets.street_scenes import textures
from keras_liteseg.datasets.street_scenes.buildings import FLOOR, WALLS
from keras_liteseg.datasets.street_scenes.canvas import Billboard
from keras_liteseg.datasets.street_scenes.colors import mix, vary
from keras_liteseg.datasets.street_scenes.labels import BUILDING, SKY, VEGETATION

FAR = 170.0


def draw_sky(canvas, rng):
    """Fill the image above the horizon."""
    view, conditions = canvas.view, canvas.conditions
    # All of it is smooth, so it is computed coarsely and enlarged.
    rows, columns = view.first_ground_row // 3 + 1, view.width // 3 + 1
    height = np.linspace(1, 0, rows, dtype=np.float32)[:, None, None] ** 0.8
    low, top = (np.asarray(color, np.float32) for color in (conditions.sky_low, conditions.sky_top))
    picture = np.repeat(low + (top - low) * height, columns, axis=1)
    picture += _sun(conditions, rng, (rows, columns))
    cover = _clouds(rng, conditions, (rows, columns))
    bright = 1.15 if conditions.weather == "clear" else 1.06
    cloud = np.asarray(mix(conditions.sky_low, (255, 255, 255), 0.0 if conditions.lamps_on else 0.35), np.float32)
    picture += cover[..., None] * (bright * cloud - picture)
    labelled = np.full((rows, columns, 4), SKY, np.uint8)
    labelled[..., :3] = np.clip(picture, 0, 255)
    size = (view.width, view.first_ground_row)
    canvas.raster[: view.first_ground_row] = cv2.resize(labelled, size, interpolation=cv2.INTER_LINEAR)


def draw_skyline(canvas, rng):
    """Distant houses, hills and trees on both sides of the vanishing point and across it."""
    _hill(canvas, rng)
    if rng.random() < 0.75:
        left = -150.0
        while left < 150:
            width = rng.uniform(12, 34)
            floors = rng.randint(2, 9)
            if rng.random() < 0.55:
                _distant_house(canvas, rng, left, left + width, floors)
            left += width + rng.uniform(-2, 12)
    for _ in range(rng.randint(4, 22)):
        bush = Billboard(canvas, rng.uniform(-110, 110), rng.uniform(125, 160), VEGETATION)
        radius = rng.uniform(2, 6)
        bush.ellipse((0, radius), (radius * rng.uniform(0.8, 1.8), radius), (70, 96, 52), shade=rng.uniform(0.6, 1.0))


def _distant_house(canvas, rng, left, right, floors):
    house = Billboard(canvas, (left + right) / 2, FAR, BUILDING)
    half, wall = (right - left) / 2, vary(rng, rng.choice(WALLS), 16)
    house.rectangle(-half, 0, half, FLOOR * floors, wall, 0.9)
    lit = canvas.conditions.lamps_on and rng.random() < 0.7
    for floor in range(floors):
        color = (230, 190, 120) if lit and rng.random() < 0.5 else mix(wall, (60, 70, 84), 0.5)
        up = FLOOR * floor + 1.0
        house.rectangle(-0.9 * half, up, rng.uniform(0.2, 0.9) * half, up + 1.2, color, glow=lit)


def _hill(canvas, rng):
    view = canvas.view
    count = 24
    phases = [rng.uniform(0, 6.3) for _ in range(3)]
    x = np.linspace(0, 1, count)
    rise = sum(np.sin(x * frequency + phase) / frequency for frequency, phase in zip((3, 7, 15), phases))
    peaks = view.horizon - view.height * np.clip(rng.uniform(0.01, 0.05) + 0.1 * rise, 0.006, None)
    outline = np.stack([x * view.width, peaks], axis=1)
    foot = [(view.width, view.horizon + 2), (0, view.horizon + 2)]
    canvas.fill(np.concatenate([outline, foot]), canvas.tone((84, 108, 84), 260), VEGETATION, convex=False)


def _sun(conditions, rng, shape):
    rows, columns = shape
    x, y, size = rng.uniform(0, columns), rng.uniform(0.1, 0.8) * rows, rng.uniform(2, 4) * rows
    strength = {"day": 110, "low sun": 230, "dusk": 60, "night": 0}[conditions.hour]
    if conditions.weather != "clear" or not strength:
        return 0
    grid_x = (np.arange(columns, dtype=np.float32)[None] - x) / size
    grid_y = (np.arange(rows, dtype=np.float32)[:, None] - y) / size
    squared = grid_x**2 + grid_y**2
    disc = strength * 0.006 / (squared + 0.006) + 200 * (squared < 0.0012)
    return disc[..., None] * np.array((1.0, 0.88, 0.62), np.float32)


def _clouds(rng, conditions, shape):
    noise = textures.fractal()
    top, left = rng.randrange(textures.SIDE // 2), rng.randrange(textures.SIDE // 2)
    depth = rng.randrange(60, 200)
    crop = noise[top : top + depth, left : left + textures.SIDE // 2]
    # Clouds are compressed towards the horizon, as a ceiling seen from below.
    field = cv2.resize(crop, shape[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)
    threshold = {"clear": rng.uniform(120, 210), "overcast": 90, "rain": 80}.get(conditions.weather, 110)
    softness, most = rng.uniform(40, 80), 0.9 if conditions.weather == "clear" else 0.6
    return np.clip((field - threshold) / softness, 0, most)
