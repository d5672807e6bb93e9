"""What lies between the scene and the file: reflections, glare, rain and snow, blur, exposure, noise, compression."""

import math

import cv2
import numpy as np

from keras_liteseg.datasets.street_scenes import textures
from keras_liteseg.datasets.street_scenes.labels import ROAD


def photograph(canvas, rng):
    """Return the picture that a camera takes of `canvas`: uint8 RGB (height, width, 3). Labels are left alone."""
    image = cv2.cvtColor(canvas.raster, cv2.COLOR_RGBA2RGB)
    if canvas.conditions.wet > 0.15:
        _reflect(image, canvas)
    for halo in canvas.shining():
        _add_halo(image, *halo)
    if canvas.conditions.weather == "rain":
        image = _rain(image, rng)
    elif canvas.conditions.weather == "snow":
        _snowfall(image, rng)
    image = _blur(image, rng)
    image = cv2.LUT(image, _response(rng))
    image = _vignette(image, rng.uniform(0.0, 0.35))
    image = _noise(image, rng, canvas.conditions.hour)
    if rng.random() < 0.5:
        image = _compress(image, rng.randint(35, 85))
    return image


def _reflect(image, canvas):
    """A wet road mirrors, blurred, what stands above it."""
    first = canvas.view.first_ground_row
    below = image[first:]
    blur = max(3, canvas.view.height // 24)
    mirrored = cv2.resize(cv2.flip(image[:first], 0), below.shape[1::-1])
    mirrored = cv2.blur(mirrored, (max(1, blur // 4), blur))
    share = 0.38 * canvas.conditions.wet
    mixed = cv2.addWeighted(below, 1 - share, mirrored, share, 0)
    on_road = (canvas.raster[first:, :, 3] == ROAD).astype(np.uint8)
    cv2.copyTo(mixed, on_road, below)


def _add_halo(image, column, row, radius, color):
    radius = min(radius, image.shape[0] // 2)
    if radius < 2:
        return
    left, top = column - radius, row - radius
    rows = slice(max(0, top), min(image.shape[0], top + 2 * radius))
    columns = slice(max(0, left), min(image.shape[1], left + 2 * radius))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    glow = cv2.resize(textures.glow(), (2 * radius, 2 * radius))
    glow = glow[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left, None]
    light = (glow * np.asarray(color, np.float32)).astype(np.uint8)
    image[rows, columns] = cv2.add(image[rows, columns], light)


def _rain(image, rng):
    height, width = image.shape[:2]
    unit = height / 256
    streaks = np.zeros((height, width), np.uint8)
    slant = rng.uniform(-0.25, 0.25)
    lines = []
    for _ in range(rng.randint(60, 260)):
        x, y, length = rng.uniform(0, width), rng.uniform(-0.1, 1) * height, rng.uniform(6, 22) * unit
        lines.append(((x, y), (x + slant * length, y + length)))
    thickness = max(1, round(0.7 * unit))
    cv2.polylines(streaks, list(np.array(lines, np.int32)), False, rng.randint(30, 70), thickness)
    return cv2.add(image, cv2.merge([cv2.blur(streaks, (1, 3))] * 3))


def _snowfall(image, rng):
    height, width = image.shape[:2]
    unit = height / 256
    for _ in range(rng.randint(60, 300)):
        center = (rng.randrange(width), rng.randrange(height))
        radius = max(1, round(unit * rng.choice((0.4, 0.6, 0.6, 1.2))))
        tone = rng.randint(200, 250)
        if radius == 1:
            image[center[1], center[0]] = tone
        else:
            cv2.circle(image, center, radius, (tone, tone, tone), -1)


def _blur(image, rng):
    """The lens is never quite sharp, which hides the drawing's hard edges; sometimes it is out of focus or shaken."""
    unit = image.shape[0] / 256
    sigma = math.sqrt(unit) * rng.choice((0.45, 0.5, 0.55, 0.6, rng.uniform(0.6, 1.1)))
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    if rng.random() < 0.15:
        length = 2 * round(unit * rng.uniform(0.6, 1.6)) + 1
        image = cv2.blur(image, (length, 1) if rng.random() < 0.7 else (1, length))
    return image


def _response(rng):
    """Exposure, contrast and colour cast as a table, uint8 (256, 1, 3)."""
    exposure, gamma = math.exp(rng.gauss(0, 0.14)), math.exp(rng.gauss(0, 0.13))
    contrast = rng.uniform(0.82, 1.15)
    lift = rng.uniform(0, 12)
    cast = np.array([math.exp(rng.gauss(0, 0.05)) for _ in range(3)])
    level = (np.arange(256)[:, None] / 255) ** gamma * exposure * cast
    return np.clip(255 * ((level - 0.5) * contrast + 0.5) + lift, 0, 255).astype(np.uint8)[:, None]


def _vignette(image, strength):
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    factor = (255 - 127 * strength * x - 127 * strength * y).astype(np.uint8)
    return cv2.multiply(image, cv2.merge([factor] * 3), scale=1 / 255)


def _noise(image, rng, hour):
    height, width = image.shape[:2]
    field = textures.sensor_noise(height, width)
    top, left = rng.randrange(64), rng.randrange(64)
    field = field[top : top + height, left : left + width]
    amount = rng.uniform(0.04, 0.2) * (1.5 if hour == "night" else 1.0)
    return cv2.addWeighted(image, 1.0, field, amount, -128 * amount)


def _compress(image, quality):
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
