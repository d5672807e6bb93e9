"""The plan of a street: which strips run along it, and where another street crosses."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of the road, from the kerb outwards; widths in metres.

    Attributes:
        sign: -1 on the left, 1 on the right.
        kerb: lateral position of the road's edge.
        pavement: width of the pavement.
        verge: width of the green between pavement and buildings, 0 for none.
        parking: whether cars park along the kerb.
        plot: 'houses', 'mixed' or 'park'.
    """

    sign: int
    kerb: float
    pavement: float
    verge: float
    parking: bool
    plot: str

    def at(self, metres):
        """Lateral position `metres` beyond the kerb."""
        return self.kerb + self.sign * metres

    @property
    def frontage(self):
        """Lateral position of the buildings."""
        return self.at(self.pavement + self.verge)


@dataclasses.dataclass(frozen=True)
class Street:
    """The whole plan. Oncoming traffic drives on the left.

    Attributes:
        left, right: the two `Side`s.
        lanes: lateral positions of the lanes' middles, with +1 (ahead) or -1 (oncoming).
        lane_lines: lateral positions of the broken lines between lanes of one direction.
        own: lateral position of the camera.
        crossing: (near, far) edge of the street that crosses, metres ahead, or None.
        zebra: metres ahead of the near edge of a zebra crossing, or None.
    """

    left: Side
    right: Side
    lanes: tuple
    lane_lines: tuple
    own: float
    crossing: tuple | None
    zebra: float | None


def sample_street(rng):
    """Draw a `Street` from `rng`, a `random.Random`."""
    lane = rng.uniform(3.0, 3.6)
    counts = rng.choice(((1, 1), (1, 1), (1, 2), (2, 2)))
    lanes, lane_lines, sides = [], [], []
    for sign, count in zip((-1, 1), counts):
        lanes += [(sign * lane * (i + 0.5), sign) for i in range(count)]
        lane_lines += [sign * lane * i for i in range(1, count)]
        parking = rng.random() < 0.6
        sides.append(
            Side(
                sign=sign,
                kerb=sign * (lane * count + (2.3 if parking else 0.3)),
                pavement=rng.uniform(2.6, 5.0),
                verge=rng.choice((0.0, 0.0, rng.uniform(1.5, 4.0))),
                parking=parking,
                plot=rng.choices(("houses", "mixed", "park"), (0.55, 0.32, 0.13))[0],
            )
        )
    if sides[0].plot == sides[1].plot == "park":
        sides[0] = dataclasses.replace(sides[0], plot="mixed")
    own = rng.choice([position for position, direction in lanes if direction > 0]) + rng.uniform(-0.5, 0.5)
    crossing = zebra = None
    if rng.random() < 0.4:
        near = rng.uniform(17, 38)
        crossing = (near, near + rng.uniform(7, 11))
    if rng.random() < 0.5:
        zebra = crossing[0] - 5 if crossing else rng.uniform(8, 20)
    return Street(*sides, tuple(lanes), tuple(lane_lines), own, crossing, zebra)
