"""Noise, leaves and glow, computed once per process from fixed seeds and shared by all scenes."""

import functools

import cv2
import numpy as np

SIDE = 512


@functools.cache
def fractal():
    """Cloud-like noise around 128 that tiles seamlessly, uint8 (SIDE, SIDE)."""
    return _normalised(_octaves((4, 8, 16, 32, 64), persistence=0.55))


@functools.cache
def grit():
    """Fine noise around 128 with some larger stains, tiling seamlessly: asphalt, plaster, stone. uint8 (SIDE, SIDE)."""
    return _normalised(_octaves((8, 64, 128, 256), persistence=1.5))


@functools.cache
def sensor_noise(height, width):
    """Camera noise around 128 with a spread of 32, larger than (height, width) so that crops differ; uint8, RGB."""
    rng = np.random.default_rng(17)
    shape = (height + 64, width + 64)
    luminance = rng.standard_normal((*shape, 1), np.float32)
    colour = rng.standard_normal((*shape, 3), np.float32)
    return np.clip(128 + 27 * luminance + 17 * colour, 0, 255).astype(np.uint8)


@functools.cache
def glow():
    """Brightness of a lamp's halo, falling from 1 to 0 at the rim; float32 (64, 64)."""
    axis = np.linspace(-1, 1, 64, dtype=np.float32)
    radius = np.hypot(axis[:, None], axis[None, :])
    return np.clip(1 - radius, 0, 1) ** 2


CROWNS = 9


@functools.cache
def crown(kind, side):
    """Brightness and coverage of a tree's crown, uint8 (side, side, 2); of the CROWNS kinds the last is a conifer."""
    if side < 192:
        return cv2.resize(crown(kind, 192), (side, side), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(100 + kind)
    picture = np.zeros((192, 192, 2), np.uint8)
    if kind == CROWNS - 1:
        blobs = _conifer(rng)
    else:
        blobs = _broadleaf(rng)
    # Deep leaves are dark and painted first, so that lit leaves lie on top.
    for x, y, radius, brightness in sorted(blobs, key=lambda blob: blob[3]):
        cv2.circle(picture, (int(x), int(y)), int(radius), (int(brightness), 255), -1)
    speckle = rng.normal(0, 22, (192, 192))
    picture[..., 0] = np.clip(picture[..., 0] + speckle, 0, 255)
    return picture


@functools.cache
def leaves():
    """Brightness of dense foliage, for hedges; uint8 (96, 384)."""
    rng = np.random.default_rng(7)
    picture = np.full((96, 384), 60, np.uint8)
    for _ in range(1500):
        brightness = int(np.clip(rng.normal(125, 45), 30, 250))
        center = (int(rng.integers(384)), int(rng.integers(96)))
        cv2.ellipse(picture, center, (5, 3), float(rng.uniform(0, 180)), 0, 360, brightness, -1)
    return picture


def _broadleaf(rng):
    lobes = [(96 + rng.normal(0, 26), 100 + rng.normal(0, 24), rng.uniform(36, 54)) for _ in range(7)]
    for _ in range(520):
        x, y, radius = lobes[rng.integers(len(lobes))]
        angle, distance = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.uniform())
        x, y = x + distance * np.cos(angle), y + distance * np.sin(angle)
        x, y = np.clip(x, 8, 184), np.clip(y, 8, 184)
        yield x, y, rng.uniform(3, 9), np.clip(170 - (y - 60) * 0.8 - (x - 96) * 0.25 + rng.normal(0, 34), 20, 250)


def _conifer(rng):
    for _ in range(620):
        y = 190 - 186 * (1 - np.sqrt(rng.uniform()))
        half = 8 + (y / 192) * 62 * (0.72 + 0.28 * ((y % 32) / 32))
        x = 96 + half * rng.uniform(-1, 1)
        brightness = np.clip(130 - 60 * abs(x - 96) / half + rng.normal(0, 32), 20, 240)
        yield x, np.clip(y, 5, 186), rng.uniform(2, 6), brightness


def _octaves(cells, persistence):
    rng = np.random.default_rng(5)
    total = np.zeros((SIDE, SIDE), np.float32)
    for octave, count in enumerate(cells):
        scale = SIDE // count
        # Two wrapped cells on every side keep the cubic interpolation seamless across the tile's border.
        grid = np.pad(rng.random((count, count), np.float32) - 0.5, 2, mode="wrap")
        large = cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += persistence**octave * large[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    return total


def _normalised(noise):
    return np.clip(128 + 42 * noise / noise.std(), 0, 255).astype(np.uint8)
