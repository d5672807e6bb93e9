"""Small helpers on RGB tuples."""


def vary(rng, color, spread):
    """Return `color` made lighter or darker as a whole, and a little off in hue, by up to `spread`."""
    light = rng.uniform(-spread, spread)
    shifts = [light + rng.uniform(-0.3, 0.3) * spread for _ in range(3)]
    return tuple([min(255.0, max(0.0, c + shift)) for c, shift in zip(color, shifts)])


def mix(first, second, share):
    """Return `first` with `share` (0 to 1) of `second` in it."""
    return tuple([(1 - share) * a + share * b for a, b in zip(first, second)])


def scale(color, factor):
    """Return `color` times `factor`, at most 255."""
    return tuple([min(255.0, c * factor) for c in color])


SNOW = (236, 240, 246)
