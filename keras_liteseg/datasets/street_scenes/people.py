"""People, standing and walking, built from limbs so that no two look alike."""

import math

from keras_liteseg.datasets.street_scenes.canvas import Billboard
from keras_liteseg.datasets.street_scenes.colors import scale, vary
from keras_liteseg.datasets.street_scenes.labels import PERSON

SKIN = ((232, 190, 160), (214, 164, 130), (176, 124, 92), (128, 86, 62), (92, 62, 46))
HAIR = ((40, 32, 28), (72, 50, 36), (128, 92, 56), (190, 160, 104), (150, 148, 146), (96, 42, 26))
CLOTHES = (
    (42, 44, 52),
    (70, 72, 76),
    (112, 112, 112),
    (38, 54, 92),
    (76, 98, 132),
    (150, 42, 44),
    (184, 76, 52),
    (216, 190, 76),
    (62, 96, 66),
    (120, 132, 84),
    (222, 220, 214),
    (168, 146, 118),
    (110, 70, 112),
    (196, 122, 148),
    (98, 74, 58),
)
TROUSERS = ((38, 42, 58), (56, 66, 92), (44, 44, 46), (104, 96, 84), (88, 82, 78), (150, 138, 116), (70, 76, 62))


def draw_person(canvas, rng, lateral, ahead, height):
    """A person of `height` metres; all measures below are shares of the height."""
    figure = Billboard(canvas, lateral, ahead, PERSON).inset((0, 0), height)
    facing = rng.choice((-1, 1))
    profile = rng.random() < 0.5
    stride = rng.choice((0.0, rng.uniform(0.05, 0.16), rng.uniform(0.05, 0.16))) * (1.0 if profile else 0.4)
    skin, hair = vary(rng, rng.choice(SKIN), 8), vary(rng, rng.choice(HAIR), 8)
    top, bottom = vary(rng, rng.choice(CLOTHES), 20), vary(rng, rng.choice(TROUSERS), 16)
    shoe = vary(rng, rng.choice(((36, 32, 32), (206, 204, 200), (96, 66, 44))), 10)
    girth = rng.uniform(0.9, 1.25)
    shoulder = (0.105 if profile else 0.135) * girth
    outfit = rng.choices(("jacket", "coat", "skirt"), (0.62, 0.2, 0.18))[0]
    away = not profile and rng.random() < 0.5

    def leg(side, shade):
        swing = side * stride
        foot = swing * facing
        knee = foot * 0.5 + 0.02 * facing * (1 if profile else 0)
        hip = 0.0 if profile else math.copysign(0.045, side)
        lift = 0.02 if swing < 0 else 0.0
        legs = skin if outfit == "skirt" and bare else bottom
        figure.stroke([(hip, 0.5), (hip + knee, 0.27), (hip + foot, 0.04 + lift)], 0.078 * girth, legs, shade)
        toe = 0.035 * facing if profile else 0.0
        figure.ellipse((hip + foot + toe, 0.022 + lift), (0.052, 0.024), shoe, shade)

    def arm(swing, shade):
        x = 0.0 if profile else math.copysign(shoulder, swing)
        elbow = (x + 0.5 * swing * facing, 0.64) if profile else (x * 1.25, 0.64)
        hand = (x + (swing + 0.05) * facing, 0.5 + abs(swing) * 0.2) if profile else (x * 1.2, 0.49)
        figure.stroke([(x, 0.79), elbow, hand], 0.056 * girth, top, shade)
        figure.ellipse(hand, (0.028, 0.028), skin, shade)

    bare = rng.random() < 0.6
    swing = 0.7 * stride + 0.02
    arm(-swing, 0.72)
    leg(-1, 0.75)
    leg(1, 1.0)
    if outfit == "jacket":
        hem, flare = 0.47, shoulder * 0.86
    else:
        hem, flare = (0.30, shoulder * 1.1) if outfit == "coat" else (0.36, shoulder * 1.2)
        garment = top if outfit == "coat" else vary(rng, rng.choice(CLOTHES), 16)
        figure.polygon([(-flare, hem), (flare, hem), (0.75 * shoulder, 0.6), (-0.75 * shoulder, 0.6)], garment, 0.92)
    torso = [
        (-0.84 * shoulder, 0.47), (0.84 * shoulder, 0.47), (0.78 * shoulder, 0.6), (shoulder, 0.78),
        (0.6 * shoulder, 0.825), (-0.6 * shoulder, 0.825), (-shoulder, 0.78), (-0.78 * shoulder, 0.6),
    ]  # fmt: skip
    figure.polygon(torso, top)
    figure.polygon([torso[1], torso[2], torso[3], torso[4], (0.2 * torso[4][0], torso[4][1])], top, 0.8)
    if not profile and not away and rng.random() < 0.4:
        figure.polygon([(-0.03, 0.825), (0.03, 0.825), (0.012, 0.55), (-0.012, 0.55)], vary(rng, (214, 210, 204), 30))
    if rng.random() < 0.35:
        _bag(figure, rng, facing, profile, away)
    arm(swing, 0.92)
    figure.polygon([(-0.03, 0.81), (0.03, 0.81), (0.03, 0.87), (-0.03, 0.87)], skin, 0.85)
    turn = 0.012 * facing if profile else 0.0
    figure.ellipse((turn, 0.925), (0.055, 0.072), hair if away else skin)
    if not away:
        figure.ellipse((turn - 0.022 * facing * profile, 0.953), (0.056, 0.05), hair)
    if outfit == "skirt" and rng.random() < 0.7:
        figure.ellipse((turn - 0.035 * facing * profile, 0.88), (0.042, 0.075), hair, 0.9)
    if canvas.conditions.weather == "rain" and rng.random() < 0.45:
        _umbrella(figure, rng, facing)


def _bag(figure, rng, facing, profile, away):
    color = vary(rng, rng.choice(CLOTHES), 20)
    if away:
        figure.ellipse((0, 0.68), (0.1, 0.13), color)
    elif profile:
        figure.ellipse((-0.11 * facing, 0.69), (0.07, 0.12), color)
    else:
        x = 0.17 * facing
        figure.rectangle(x - 0.07, 0.33, x + 0.07, 0.46, color)


def _umbrella(figure, rng, facing):
    color = vary(rng, rng.choice(CLOTHES), 25)
    x = 0.06 * facing
    figure.stroke([(x, 0.55), (x, 1.15)], 0.02, (50, 50, 52))
    arc = [(x + 0.32 * math.cos(a), 1.02 + 0.2 * math.sin(a)) for a in (0.0, 0.5, 1.0, 1.57, 2.14, 2.64, 3.14)]
    figure.polygon(arc, color)
    figure.polygon([arc[0], arc[1], arc[2], arc[3], (x, 1.02)], scale(color, 0.78))
