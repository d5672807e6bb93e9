"""Hour and weather: what light falls on the street and how far one sees."""

import dataclasses
import math

HOURS = {  # share of scenes, tint of the light, sky overhead, sky at the horizon, share of lit windows
    "day": (0.50, (1.0, 1.0, 0.98), (88, 148, 222), (194, 216, 236), 0.0),
    "low sun": (0.20, (1.08, 0.92, 0.74), (98, 134, 186), (250, 208, 158), 0.1),
    "dusk": (0.15, (0.60, 0.53, 0.62), (48, 54, 104), (226, 138, 102), 0.35),
    "night": (0.15, (0.44, 0.45, 0.54), (12, 14, 32), (48, 46, 66), 0.45),
}
WEATHERS = {  # share of scenes, haze per metre
    "clear": (0.40, (0.0005, 0.003)),
    "overcast": (0.20, (0.002, 0.005)),
    "fog": (0.12, (0.014, 0.028)),
    "rain": (0.15, (0.004, 0.010)),
    "snow": (0.13, (0.004, 0.010)),
}


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Light and weather of one scene.

    Attributes:
        hour: a key of `HOURS`.
        weather: a key of `WEATHERS`.
        tint: factors on the red, green and blue of every surface.
        sky_top, sky_low: RGB of the sky overhead and at the horizon; the latter is also the colour of the haze.
        haze: extinction per metre.
        shadow: ground displacement (right, ahead) in metres of the shadow of a point one metre up; None without sun.
        lit_windows: share of windows with light behind them.
        wet, snow: 0 (none) to 1.
    """

    hour: str
    weather: str
    tint: tuple
    sky_top: tuple
    sky_low: tuple
    haze: float
    shadow: tuple | None
    lit_windows: float
    wet: float
    snow: float

    @property
    def lamps_on(self):
        return self.hour in ("dusk", "night")


def sample_conditions(rng):
    """Draw `Conditions` from `rng`, a `random.Random`."""
    hour = rng.choices(list(HOURS), [row[0] for row in HOURS.values()])[0]
    weather = rng.choices(list(WEATHERS), [row[0] for row in WEATHERS.values()])[0]
    _, tint, sky_top, sky_low, lit_windows = HOURS[hour]
    strength = rng.uniform(0.85, 1.1)
    shadow = _shadow(rng, hour)
    if weather != "clear":
        # Clouds take the colour out of the sky, the warmth out of the light and the shadows off the ground.
        grey = 0.22 * sum(sky_low) + rng.uniform(-12, 20) * tint[0]
        sky_top = _mix(sky_top, (0.86 * grey, 0.9 * grey, 0.96 * grey), 0.85)
        sky_low = _mix(sky_low, (grey, grey, 1.02 * grey), 0.8)
        mean = sum(tint) / 3
        tint = _mix(tint, (0.9 * mean, 0.92 * mean, 0.95 * mean), 0.8)
        shadow = None
    wet = {"rain": rng.uniform(0.4, 1.0), "overcast": max(0.0, rng.uniform(-0.8, 0.6))}.get(weather, 0.0)
    return Conditions(
        hour=hour,
        weather=weather,
        tint=tuple(strength * value for value in tint),
        sky_top=sky_top,
        sky_low=sky_low,
        haze=rng.uniform(*WEATHERS[weather][1]),
        shadow=shadow,
        lit_windows=min(0.7, lit_windows * rng.uniform(0.5, 1.5)),
        wet=wet,
        snow=rng.uniform(0.35, 1.0) if weather == "snow" else 0.0,
    )


def _shadow(rng, hour):
    if hour not in ("day", "low sun"):
        return None
    length = rng.uniform(0.4, 1.1) if hour == "day" else rng.uniform(1.6, 3.0)
    angle = rng.uniform(0, 2 * math.pi)
    return length * math.cos(angle), 0.6 * length * math.sin(angle)


def _mix(first, second, share):
    return tuple((1 - share) * a + share * b for a, b in zip(first, second))
