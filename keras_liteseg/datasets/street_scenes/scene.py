"""Lays out one street scene and draws it from far to near."""

import math

import cv2
import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.street_scenes.buildings import draw_house, sample_style
from keras_liteseg.datasets.street_scenes.canvas import NEAREST, Canvas, View
from keras_liteseg.datasets.street_scenes.colors import vary
from keras_liteseg.datasets.street_scenes.conditions import sample_conditions
from keras_liteseg.datasets.street_scenes.furniture import (
    draw_bollard,
    draw_clutter,
    draw_gantry,
    draw_lamp,
    draw_sign_post,
    draw_traffic_light,
    draw_wooden_pole,
)
from keras_liteseg.datasets.street_scenes.ground import draw_ground, shade_ground
from keras_liteseg.datasets.street_scenes.lens import photograph
from keras_liteseg.datasets.street_scenes.people import draw_person
from keras_liteseg.datasets.street_scenes.plants import draw_bush, draw_hedge, draw_tree
from keras_liteseg.datasets.street_scenes.sky import draw_sky, draw_skyline
from keras_liteseg.datasets.street_scenes.street import sample_street
from keras_liteseg.datasets.street_scenes.vehicles import draw_vehicle, sample_vehicle

FARTHEST = 100.0
"""Metres ahead at which the rows of houses end."""


def render(rng, size):
    """Return (image, mask) of a scene drawn from `rng`, a `random.Random`: uint8 (h, w, 3) RGB and uint8 (h, w)."""
    conditions = sample_conditions(rng)
    street = sample_street(rng)
    canvas = Canvas(View(size, street.own, rng), conditions)
    layout = Layout(rng, street, conditions.shadow)
    for side in (street.left, street.right):
        layout.line_with_houses(side)
        layout.line_with_furniture(side)
        layout.park_cars(side)
    layout.fill_lanes()
    layout.add_people()

    draw_sky(canvas, rng)
    draw_ground(canvas, rng, street)
    shade_ground(canvas, rng, street, layout.shadows)
    draw_skyline(canvas, rng)
    for _, draw, arguments in sorted(layout.things, key=lambda thing: -thing[0]):
        draw(canvas, rng, *arguments)
    if rng.random() < 0.4:
        _draw_bonnet(canvas, rng)
    mask = cv2.extractChannel(canvas.raster, 3)
    return photograph(canvas, rng), mask


class Layout:
    """Collects what stands in the street.

    Attributes:
        things: a list of (metres ahead, draw function, its arguments after canvas and rng), to be drawn from far to
            near. Houses and hedges count from their far end, since whatever stands beside them is nearer the road.
        shadows: a list of (positions (N, 3) on the ground, darkness).
    """

    def __init__(self, rng, street, shadow):
        self.rng = rng
        self.street = street
        self.shadow = shadow
        self.things = []
        self.shadows = []
        self.taken = [street.crossing] if street.crossing else []
        if street.zebra:
            self.taken.append((street.zebra, street.zebra + 3.2))

    def line_with_houses(self, side):
        rng = self.rng
        gap_share = {"houses": 0.1, "mixed": 0.45, "park": 0.9}[side.plot]
        typical = rng.randint(2, 5)
        ahead, after_gap = rng.uniform(-8, 0), False
        while ahead < FARTHEST:
            end = ahead + rng.uniform(9, 18) * (1 + max(0, ahead) / 30)
            if self.street.crossing:
                near, far = self.street.crossing
                if ahead < far and end > near - 1:
                    end = near - 1
                    if end - ahead < 5:
                        ahead, after_gap = far + 1.5, True
                        continue
            near = max(NEAREST, ahead)
            if end > near + 2:
                if rng.random() < gap_share:
                    self._green(side, near, end)
                    after_gap = True
                else:
                    floors = max(1, typical + rng.randint(-1, 2))
                    style = sample_style(rng)
                    self._add(end, draw_house, side, near, end, floors, style, after_gap)
                    self._house_shadow(side, near, end, 3.1 * floors)
                    after_gap = False
            ahead = end

    def line_with_furniture(self, side):
        rng, inward = self.rng, -side.sign
        kerbside = side.at(0.7)
        draw_mast = draw_wooden_pole if rng.random() < 0.15 else draw_lamp
        spacing = rng.uniform(13, 24)
        for ahead in np.arange(rng.uniform(6, 6 + spacing), 75, spacing):
            arguments = (inward,) if draw_mast is draw_lamp else ()
            self._stand(kerbside, ahead, 0.3, 7, draw_mast, *arguments)
        if rng.random() < (0.75 if side.verge else 0.5):
            spacing, height = rng.uniform(8, 17), rng.uniform(4.5, 8.5)
            lateral = side.at(side.pavement + 1.0) if side.verge else side.at(1.2)
            for ahead in np.arange(rng.uniform(7, 7 + spacing), 75, spacing):
                size = height * rng.uniform(0.8, 1.2)
                self._tree(lateral + rng.uniform(-0.3, 0.3), ahead, size)
        if side.verge and rng.random() < 0.45:
            lateral = side.at(side.pavement + 0.3)
            for near in np.arange(2, 50, 12):
                if self._free(near, near + 11):
                    self._add(near + 11, draw_hedge, lateral, near, near + 11, rng.uniform(0.8, 1.5))
        for ahead in np.arange(rng.uniform(6, 13), 60, rng.uniform(7, 12)):
            self._stand(side.at(rng.uniform(0.4, 1.0)), ahead + rng.uniform(-2, 2), 0.4, 3, draw_sign_post)
        stop = self.street.zebra or (self.street.crossing or (None,))[0]
        if stop and rng.random() < 0.7:
            self._add(stop - 0.8, draw_traffic_light, side.at(0.5), stop - 0.8, inward)
        if rng.random() < 0.3:
            self._stand(side.at(1.0), rng.uniform(13, 34), 0.5, 5, draw_gantry, inward)
        if rng.random() < 0.3:
            color = vary(rng, rng.choice(((60, 62, 64), (150, 150, 148), (130, 60, 40))), 10)
            start = rng.uniform(4, 15)
            for ahead in np.arange(start, start + rng.uniform(8, 22), 1.8):
                self._stand(side.at(0.45), ahead, 0.2, 1, draw_bollard, color)
        for _ in range(rng.randint(0, 2)):
            self._stand(side.at(rng.uniform(0.6, side.pavement)), rng.uniform(6, 25), 0.6, 1, draw_clutter)

    def park_cars(self, side):
        if not side.parking:
            return
        rng = self.rng
        ahead, heading = rng.uniform(1, 9), 0.0 if side.sign > 0 else math.pi
        while ahead < 38:
            vehicle = sample_vehicle(rng)
            if vehicle[0] == "bus":
                vehicle = ("van", 5.2, 2.0, 2.3)
            length = vehicle[1]
            if rng.random() < 0.72 and self._free(ahead - 1, ahead + length + 1) and ahead > 3:
                self._vehicle(side.at(-1.15), ahead + length / 2, heading + rng.uniform(-0.04, 0.04), vehicle, False)
            ahead += length + rng.uniform(0.8, 2.2)

    def fill_lanes(self):
        rng = self.rng
        for lateral, direction in self.street.lanes:
            own = abs(lateral - self.street.own) < 1.2
            ahead = rng.uniform(8, 24) if own else rng.uniform(5, 22)
            while ahead < 52:
                vehicle = sample_vehicle(rng)
                length = vehicle[1]
                if self._free(ahead, ahead + length):
                    heading = (0.0 if direction > 0 else math.pi) + rng.uniform(-0.03, 0.03)
                    self._vehicle(lateral + rng.uniform(-0.3, 0.3), ahead + length / 2, heading, vehicle, True)
                ahead += length + rng.choice((rng.uniform(3, 10), rng.uniform(8, 40)))
        if self.street.crossing:
            near, far = self.street.crossing
            for ahead, heading in ((0.7 * near + 0.3 * far, math.pi / 2), (0.3 * near + 0.7 * far, -math.pi / 2)):
                if rng.random() < 0.6:
                    self._vehicle(rng.uniform(-16, 16), ahead, heading, sample_vehicle(rng), True)

    def add_people(self):
        rng, street = self.rng, self.street
        for _ in range(rng.randint(6, 9)):
            side = rng.choice((street.left, street.right))
            lateral = side.at(rng.uniform(0.5, side.pavement))
            ahead = rng.triangular(5.5, 25, 7)
            for _ in range(rng.choices((1, 2, 3, 4), (0.4, 0.35, 0.15, 0.1))[0]):
                self._person(lateral, ahead)
                lateral, ahead = lateral + rng.choice((-1, 1)) * rng.uniform(0.5, 0.9), ahead + rng.uniform(-0.8, 1.5)
        if street.zebra:
            for _ in range(rng.randint(1, 4)):
                lateral = rng.uniform(street.left.kerb, street.right.kerb)
                self._person(lateral, street.zebra + rng.uniform(0.2, 3))
        if rng.random() < 0.3:
            self._person(rng.uniform(street.left.kerb, street.right.kerb), rng.uniform(14, 30))

    def _add(self, depth, draw, *arguments):
        self.things.append((depth, draw, arguments))

    def _stand(self, lateral, ahead, width, height, draw, *arguments):
        """Add something that stands at a point, unless a crossing street is there."""
        if ahead > 3 and self._free(ahead - 1, ahead + 1):
            self._add(ahead, draw, lateral, ahead, *arguments)
            self._cast(lateral, ahead, width, height, 0.4)

    def _person(self, lateral, ahead):
        height = self.rng.gauss(1.74, 0.09) if self.rng.random() < 0.88 else self.rng.uniform(1.05, 1.45)
        self._add(ahead, draw_person, lateral, ahead, height)
        self._cast(lateral, ahead, 0.5, height, 0.42)
        self.shadows.append((_ring(lateral, ahead, 0.35, 0.3), 0.45))

    def _vehicle(self, lateral, ahead, heading, vehicle, driving):
        _, length, width, height = vehicle
        sine, cosine = abs(math.sin(heading)), abs(math.cos(heading))
        aside, along = (sine * length + cosine * width) / 2, (cosine * length + sine * width) / 2
        near = ahead - along
        if near < 2.5:
            return
        self._add(near, draw_vehicle, lateral, ahead, heading, vehicle, driving)
        base = np.array([(lateral + x * aside, 0, ahead + z * along) for x, z in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        if self.shadow:
            self.shadows.append((np.concatenate([base, base + self._offset(height)]), 0.42))
        self.shadows.append((base, 0.62))

    def _tree(self, lateral, ahead, height):
        if not self._free(ahead - 1, ahead + 1):
            return
        self._add(ahead, draw_tree, lateral, ahead, height)
        if self.shadow:
            self._cast(lateral, ahead, 0.3, 0.7 * height, 0.4)
            right, _, forward = self._offset(0.68 * height)
            self.shadows.append((_ring(lateral + right, ahead + forward, 0.38 * height, 0.4 * height), 0.4))
        else:
            self.shadows.append((_ring(lateral, ahead, 0.3 * height, 0.3 * height), 0.16))

    def _green(self, side, near, end):
        rng = self.rng
        if rng.random() < 0.5:
            self._add(end, draw_hedge, side.frontage, near, end, rng.uniform(0.9, 2.2))
        for _ in range(rng.randint(1, 3)):
            lateral = side.frontage + side.sign * rng.uniform(1, 9)
            self._tree(lateral, rng.uniform(max(near, 5), max(end, 6)), rng.uniform(5, 11))
        for _ in range(rng.randint(0, 2)):
            ahead = rng.uniform(max(near, 5), max(end, 6))
            self._add(ahead, draw_bush, side.frontage + side.sign * rng.uniform(0.8, 4), ahead, rng.uniform(0.8, 2.0))

    def _house_shadow(self, side, near, far, height):
        if self.shadow and self.shadow[0] * side.sign < 0:
            base = np.array([(side.frontage, 0, near), (side.frontage, 0, far)], np.float64)
            self.shadows.append((np.concatenate([base, base + self._offset(height)]), 0.4))

    def _cast(self, lateral, ahead, width, height, darkness):
        if self.shadow:
            half = np.array([(-width / 2, 0, 0), (width / 2, 0, 0)])
            base = half + (lateral, 0, ahead)
            self.shadows.append((np.concatenate([base, base + self._offset(height)]), darkness))

    def _offset(self, height):
        return np.array((self.shadow[0] * height, 0.0, self.shadow[1] * height))

    def _free(self, near, far):
        return all(far < start or near > stop for start, stop in self.taken)


def _ring(lateral, ahead, right, forward):
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    return np.stack([lateral + right * np.cos(angle), 0 * angle, ahead + forward * np.sin(angle)], axis=1)


def _draw_bonnet(canvas, rng):
    """The front of the camera's own car, which has no class."""
    view = canvas.view
    center, width = view.center + rng.uniform(-0.05, 0.05) * view.width, rng.uniform(0.7, 1.3) * view.width
    height = rng.uniform(0.06, 0.14) * view.height
    paint = vary(rng, rng.choice(((30, 32, 36), (90, 92, 96), (190, 192, 194), (120, 30, 30), (40, 60, 100))), 12)
    for share, shade in ((1.0, 0.7), (0.86, 1.0), (0.6, 1.18), (0.35, 1.3)):
        value = (*canvas.tone(paint, 0, shade), IGNORE_LABEL)
        axes = (round(width / 2 * (0.6 + 0.4 * share)), round(height * share))
        cv2.ellipse(canvas.raster, (round(center), view.height), axes, 0, 180, 360, value, -1)
