"""A pinhole camera over a street, and a raster that takes colour and label in one stroke.

The raster has four channels: red, green, blue and label. OpenCV writes all four with the same call, without
anti-aliasing, so image and label map agree at every pixel by construction. The softness of a real lens is added to the
colours afterwards (`lens.py`).

Positions are (lateral, height, ahead) in metres. `lateral` counts from the middle of the road, to the right, and
follows the road's bend; `height` from the ground; `ahead` from the camera.
"""

import copy
import math

import cv2
import numpy as np

NEAREST = 1.2
"""Metres ahead below which nothing is projected."""

FRACTION_BITS = 4
SUBPIXEL = 1 << FRACTION_BITS


class View:
    """Where the camera stands and looks; drawn from `rng`, a `random.Random`.

    Args:
        size: (height, width) of the image in pixels.
        position: lateral position of the camera, metres.
    """

    def __init__(self, size, position, rng):
        self.height, self.width = size
        self.position = position
        self.focal = self.height * rng.uniform(1.1, 1.45)
        self.horizon = self.height * rng.uniform(0.40, 0.50)
        self.center = self.width * rng.uniform(0.42, 0.58)
        self.eye = rng.uniform(1.35, 2.0)
        self.bend = rng.choice((0, 0, rng.uniform(-0.004, 0.004)))

    def pixels(self, points):
        """Project (N, 3) positions to (N, 2) pixel coordinates (column, row)."""
        points = np.asarray(points, np.float64)
        ahead = np.maximum(points[:, 2], NEAREST)
        scale = self.focal / ahead
        pixels = np.empty((len(points), 2))
        pixels[:, 0] = self.center + scale * (points[:, 0] - self.position + 0.5 * self.bend * ahead * ahead)
        pixels[:, 1] = self.horizon + scale * (self.eye - points[:, 1])
        return pixels

    def foot(self, lateral, ahead):
        """Return the pixel (column, row) of a point on the ground, and the pixels per metre there."""
        scale = self.focal / ahead
        aside = lateral - self.position + 0.5 * self.bend * ahead * ahead
        return self.center + scale * aside, self.horizon + scale * self.eye, scale

    def ground_grid(self):
        """Return (lateral, ahead) of the ground at every pixel from the horizon down, float32 (rows, width)."""
        rows = np.arange(self.first_ground_row, self.height, dtype=np.float32)
        ahead = (self.focal * self.eye / (rows - self.horizon + 0.5))[:, None]
        columns = np.arange(self.width, dtype=np.float32)[None]
        lateral = (columns - self.center) * ahead / self.focal + self.position - 0.5 * self.bend * ahead * ahead
        return lateral, np.broadcast_to(ahead, lateral.shape)

    @property
    def first_ground_row(self):
        return math.ceil(self.horizon)


class Canvas:
    """The raster, with shapes placed by a `View` and coloured by `Conditions`."""

    def __init__(self, view, conditions):
        self.view = view
        self.conditions = conditions
        self.raster = np.zeros((view.height, view.width, 4), np.uint8)
        self.halos = []

    def tone(self, color, ahead, shade=1.0, glow=False):
        """Return the RGB that surface `color` shows at distance `ahead`: lit by the sky unless it glows, then hazed."""
        conditions = self.conditions
        keep = math.exp(-conditions.haze * ahead)
        tint = (1.0, 1.0, 1.0) if glow else conditions.tint
        (r, g, b), (rt, gt, bt), (rh, gh, bh), lost = color, tint, conditions.sky_low, 1 - keep
        return (
            min(255.0, r * shade * rt) * keep + rh * lost,
            min(255.0, g * shade * gt) * keep + gh * lost,
            min(255.0, b * shade * bt) * keep + bh * lost,
        )

    def fill(self, pixels, color, label, convex=True):
        """Fill the polygon with corners `pixels` (N, 2) in an RGB that `tone` gave."""
        corners = _fixed_point(pixels)
        value = (*color, label)
        if convex:
            cv2.fillConvexPoly(self.raster, corners, value, cv2.LINE_8, FRACTION_BITS)
        else:
            cv2.fillPoly(self.raster, [corners], value, cv2.LINE_8, FRACTION_BITS)

    def polygon(self, points, color, label, shade=1.0, glow=False):
        """Fill a convex polygon of positions (N, 3)."""
        points = np.asarray(points, np.float64)
        ahead = max(NEAREST, float(points[:, 2].mean()))
        self.fill(self.view.pixels(points), self.tone(color, ahead, shade, glow), label)

    def sees(self, points):
        """Whether the bounding box of the positions reaches into the image."""
        pixels = self.view.pixels(points)
        left, top = pixels.min(axis=0)
        right, bottom = pixels.max(axis=0)
        return right > 0 and bottom > 0 and left < self.view.width and top < self.view.height

    def textured(self, points, texture, label):
        """Map `texture`, uint8 (h, w, 3) in lit colours, onto a quadrilateral.

        Args:
            points: positions of the texture's corners: top left, top right, bottom right, bottom left.
        """
        points = np.asarray(points, np.float64)
        pixels = self.view.pixels(points)
        left, top = np.maximum(np.floor(pixels.min(axis=0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(pixels.max(axis=0)) + 1, (self.view.width, self.view.height)).astype(int)
        if right <= left or bottom <= top:
            return
        height, width = texture.shape[:2]
        distance = np.linspace(max(points[0, 2], NEAREST), max(points[1, 2], NEAREST), width)[:, None]
        keep = np.exp(-self.conditions.haze * distance)
        # The label rides along as a fourth channel, zero times anything plus the label, which interpolation keeps.
        labelled = cv2.cvtColor(texture, cv2.COLOR_RGB2RGBA)
        gain = np.hstack([keep, keep, keep, 0 * keep]) * 255
        haze = np.hstack([(1 - keep) * self.conditions.sky_low, np.full_like(keep, label)])
        cv2.multiply(labelled, _repeat(gain, height), labelled, scale=1 / 255)
        cv2.add(labelled, _repeat(haze, height), labelled)
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        warp = cv2.getPerspectiveTransform(corners, (pixels - (left, top)).astype(np.float32))
        size = (int(right - left), int(bottom - top))
        warped = cv2.warpPerspective(labelled, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(inside, _fixed_point(pixels - (left, top)), 255, cv2.LINE_8, FRACTION_BITS)
        cv2.copyTo(warped, inside, self.raster[top:bottom, left:right])

    def halo(self, point, radius, color):
        """Remember the lamp just drawn at a position, which spreads light over `radius` metres; `lens.py` paints it."""
        column, row = (int(value) for value in self.view.pixels([point])[0])
        if 0 <= column < self.view.width and 0 <= row < self.view.height:
            radius = round(radius * self.view.focal / max(point[2], NEAREST))
            self.halos.append((column, row, radius, color, self.raster[row, column].copy()))

    def shining(self):
        """The halos (column, row, radius, RGB) of the lamps that nothing was drawn over."""
        return [
            (column, row, radius, color)
            for column, row, radius, color, lamp in self.halos
            if np.array_equal(self.raster[row, column], lamp)
        ]


class Billboard:
    """A flat figure that faces the camera; its points are (right, up) in metres from its foot on the ground."""

    def __init__(self, canvas, lateral, ahead, label):
        self.canvas = canvas
        self.label = label
        self.ahead = max(ahead, NEAREST)
        self.lateral = lateral
        self.column, self.row, self.scale = canvas.view.foot(lateral, self.ahead)

    def inset(self, center, unit):
        """Return a figure in the same plane whose points count from `center` in multiples of `unit` metres."""
        figure = copy.copy(self)
        figure.column, figure.row = self.column + self.scale * center[0], self.row - self.scale * center[1]
        figure.scale = self.scale * unit
        return figure

    def polygon(self, points, color, shade=1.0, glow=False):
        """Fill a convex polygon."""
        value = (*self.canvas.tone(color, self.ahead, shade, glow), self.label)
        cv2.fillConvexPoly(self.canvas.raster, self._fixed_point(points), value, cv2.LINE_8, FRACTION_BITS)

    def ellipse(self, center, radii, color, shade=1.0, glow=False, angle=0.0):
        value = (*self.canvas.tone(color, self.ahead, shade, glow), self.label)
        center = self._fixed_point([center])[0].tolist()
        axes = [max(SUBPIXEL // 2, round(radius * self.scale * SUBPIXEL)) for radius in radii]
        cv2.ellipse(self.canvas.raster, center, axes, angle, 0, 360, value, -1, cv2.LINE_8, FRACTION_BITS)

    def stroke(self, points, width, color, shade=1.0):
        """Draw a line of `width` metres, at least one pixel, through the points."""
        value = (*self.canvas.tone(color, self.ahead, shade), self.label)
        line, thickness = self._fixed_point(points), max(1, round(width * self.scale))
        cv2.polylines(self.canvas.raster, [line], False, value, thickness, cv2.LINE_8, FRACTION_BITS)

    def rectangle(self, left, bottom, right, top, color, shade=1.0, glow=False):
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], color, shade, glow)

    def paste(self, picture, table, center, size):
        """Paste a picture where its coverage is above one half.

        Args:
            picture: uint8 (h, w, 2) of brightness and coverage.
            table: RGB, lit and hazed, of every brightness; uint8 (256, 1, 3).
            center: (right, up) of the picture's centre, metres.
            size: (width, height), metres.
        """
        width, height = (max(2, round(side * self.scale)) for side in size)
        left = round(self.column + self.scale * center[0] - width / 2)
        top = round(self.row - self.scale * center[1] - height / 2)
        raster = self.canvas.raster
        rows = slice(max(0, -top), min(height, raster.shape[0] - top))
        columns = slice(max(0, -left), min(width, raster.shape[1] - left))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        brightness, coverage = cv2.split(cv2.resize(picture, (width, height))[rows, columns])
        _, inside = cv2.threshold(coverage, 127, 255, cv2.THRESH_BINARY)
        red, green, blue = cv2.split(cv2.LUT(cv2.merge([brightness] * 3), table))
        labelled = cv2.merge([red, green, blue, np.full_like(brightness, self.label)])
        target = raster[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop]
        cv2.copyTo(labelled, inside, target)

    def _fixed_point(self, points):
        column, row, scale = SUBPIXEL * self.column, SUBPIXEL * self.row, SUBPIXEL * self.scale
        return np.array([(int(column + scale * right), int(row - scale * up)) for right, up in points], np.int32)


def _fixed_point(pixels):
    return (np.asarray(pixels) * SUBPIXEL).astype(np.int32)


def _repeat(row, height):
    """Stack a row (width, 4) of values from 0 to 255 into a picture."""
    return np.repeat(row.astype(np.uint8)[None], height, axis=0)
