"""The ten kinds of object in `small_set`, and the scenes that they stand in.

Object coordinates run from -1 to 1, u to the right and v down; shapes are painted from the back to
the front.
"""

from collections.abc import Callable

import numpy as np

from adavit.data.small_set.canvas import (
    Array,
    Canvas,
    RandomNumbers,
    box,
    circle,
    convex,
    ellipse,
    gradient,
    ground,
    segment,
)

Kind = Callable[[Canvas, RandomNumbers], None]
_PIXEL = 1.0 / 16.0


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue]).reshape(1, 3, 1, 1)


_WHITE, _DARK = _rgb(1, 1, 1), _rgb(0.1, 0.09, 0.13)


def day_sky(canvas: Canvas, draws: RandomNumbers) -> None:
    """From clear blue to a warm evening."""
    evening = draws.chance(0.25)[:, None]
    top = np.where(
        evening,
        draws.colour((0.62, 0.74), (0.35, 0.5), (0.55, 0.75)),
        draws.colour((0.54, 0.6), (0.5, 0.75), (0.8, 0.98)),
    )
    low = np.where(
        evening,
        draws.colour((0.03, 0.09), (0.4, 0.6), (0.95, 1.0)),
        draws.colour((0.5, 0.56), (0.1, 0.3), (0.95, 1.0)),
    )
    gradient(canvas, top, low)


def meadow(canvas: Canvas, draws: RandomNumbers, low: float = 0.3, high: float = 0.55) -> None:
    """A sky over grass; the horizon lies between `low` and `high` in frame coordinates."""
    day_sky(canvas, draws)
    grass = draws.colour((0.22, 0.36), (0.5, 0.75), (0.5, 0.75))
    ground(canvas, draws.uniform(low, high), grass, grass * 0.8 + 0.12)


def _place(canvas: Canvas, draws: RandomNumbers, turns: float, mirrored: bool = False) -> None:
    """A pose: shifted by up to 2 pixels, turned by up to `turns`, 66% to 88% of the frame."""
    x, y = draws.uniform(-2 * _PIXEL, 2 * _PIXEL), draws.uniform(-2 * _PIXEL, 2 * _PIXEL)
    mirror = draws.sign()
    canvas.place(
        x, y, draws.uniform(-turns, turns), draws.uniform(0.66, 0.88), mirror if mirrored else 1.0
    )


def ball(canvas: Canvas, draws: RandomNumbers) -> None:
    """A beach ball with six stripes on sand."""
    day_sky(canvas, draws)
    sand = draws.colour((0.1, 0.13), (0.3, 0.5), (0.85, 0.97))
    ground(canvas, draws.uniform(0.05, 0.4), sand, sand * 0.92)
    _place(canvas, draws, 0.04)
    u, v = canvas.u, canvas.v
    canvas.shadow(0.1, 0.92, 0.85, 0.22, 0.4)
    colour = draws.colour((0.0, 1.0), (0.75, 0.95), (0.85, 1.0))
    pole_x, pole_y = draws.uniform(-0.3, 0.3), draws.uniform(-0.45, -0.2)
    disc = circle(u, v, 0.0, 0.0, 0.95)
    canvas.solid(disc, _WHITE)
    # Three stripes: wedges around the pole, widened towards the rim like meridians.
    start = draws.uniform(0.0, 2.0)
    angle = np.arctan2(v - pole_y, u - pole_x) / np.pi + start
    radius = np.sqrt((u - pole_x) ** 2 + (v - pole_y) ** 2)
    phase = np.abs((angle * 1.5) % 1.0 - 0.5) - 0.25  # negative in half of each third of a turn
    wedge = phase * radius * (2.0 * np.pi / 3.0)
    canvas.paint(np.maximum(wedge, disc + 0.055), colour * canvas.shade)
    canvas.paint(circle(u, v, pole_x, pole_y, 0.16), colour * canvas.shade)
    canvas.glow(0.35, 0.5, 0.75, colour * 0.2, 0.35)
    canvas.glow(canvas.light_x * 0.45, canvas.light_y * 0.5, 0.3, _WHITE, 0.75)


def boat(canvas: Canvas, draws: RandomNumbers) -> None:
    """A sailing boat at sea."""
    day_sky(canvas, draws)
    sea = draws.colour((0.5, 0.6), (0.65, 0.9), (0.5, 0.75))
    ground(canvas, draws.uniform(0.2, 0.4), sea * 0.8, sea)
    _place(canvas, draws, 0.02, mirrored=True)
    u, v = canvas.u, canvas.v
    canvas.shadow(0.0, 0.92, 0.85, 0.16, 0.45)
    canvas.solid(box(u, v, -0.05, -0.2, 0.045, 0.78), _rgb(0.5, 0.33, 0.18))
    sail = draws.colour((0.0, 1.0), (0.1, 0.85), (0.92, 1.0))
    canvas.solid(convex(u, v, [(0.06, -1.0), (0.85, 0.38), (0.06, 0.38)]), sail)
    canvas.solid(convex(u, v, [(-0.16, -0.75), (-0.16, 0.38), (-0.75, 0.38)]), sail * 0.35 + 0.65)
    hull = draws.colour((0.0, 1.0), (0.65, 0.9), (0.55, 0.9))
    canvas.solid(convex(u, v, [(-1.0, 0.46), (1.0, 0.46), (0.66, 0.95), (-0.72, 0.95)]), hull)
    canvas.paint(box(u, v, 0.0, 0.58, 0.84, 0.05), _WHITE, 0.85)


def car(canvas: Canvas, draws: RandomNumbers) -> None:
    """A car from the side, on a street."""
    day_sky(canvas, draws)
    grass = draws.colour((0.2, 0.36), (0.4, 0.65), (0.55, 0.8))
    ground(canvas, draws.uniform(0.0, 0.25), grass, grass)
    street = draws.colour((0.6, 0.7), (0.03, 0.12), (0.4, 0.58))
    ground(canvas, draws.uniform(0.42, 0.52), street, street * 1.1)
    _place(canvas, draws, 0.012, mirrored=True)
    u, v = canvas.u, canvas.v
    canvas.shadow(0.0, 0.72, 1.0, 0.15, 0.55)
    paint = draws.colour((0.0, 1.0), (0.7, 0.95), (0.75, 0.98))
    cabin = convex(u, v, [(-0.52, -0.62), (0.28, -0.62), (0.62, 0.05), (-0.78, 0.05)])
    canvas.solid(cabin, paint)
    glass = draws.colour((0.5, 0.57), (0.2, 0.4), (0.85, 1.0))
    windows = convex(u, v, [(-0.44, -0.47), (0.2, -0.47), (0.42, -0.02), (-0.6, -0.02)])
    canvas.paint(windows, glass)
    canvas.paint(box(u, v, -0.1, -0.25, 0.05, 0.25), paint * canvas.shade)
    canvas.solid(box(u, v, 0.0, 0.26, 0.99, 0.32, 0.2), paint)
    canvas.paint(box(u, v, 0.0, 0.08, 0.8, 0.035), _WHITE, 0.45)
    for x in (-0.52, 0.54):
        canvas.paint(circle(u, v, x, 0.55, 0.31), _DARK)
        canvas.paint(circle(u, v, x, 0.55, 0.14), _rgb(0.8, 0.8, 0.84))
    canvas.paint(ellipse(u, v, 0.9, 0.22, 0.09, 0.12), _rgb(1.0, 0.93, 0.55))


def cat(canvas: Canvas, draws: RandomNumbers) -> None:
    """The face of a cat."""
    background = draws.colour((0.0, 1.0), (0.2, 0.55), (0.7, 0.98))
    gradient(canvas, background, background * 0.72)
    _place(canvas, draws, 0.035)
    u, v = canvas.u, canvas.v
    ginger = draws.colour((0.05, 0.1), (0.5, 0.85), (0.75, 1.0))
    grey = draws.colour((0.55, 0.7), (0.03, 0.15), (0.4, 0.8))
    fur = np.where(draws.chance(0.6)[:, None], ginger, grey)
    side = np.abs(u)
    canvas.shadow(0.05, 0.45, 1.05, 0.75, 0.25)
    ear = convex(side, v, [(0.86, -0.98), (0.95, 0.1), (0.12, -0.45)])
    canvas.solid(ear, fur)
    canvas.paint(convex(side, v, [(0.76, -0.7), (0.8, -0.2), (0.38, -0.48)]), _rgb(0.97, 0.6, 0.62))
    canvas.solid(ellipse(u, v, 0.0, 0.18, 0.98, 0.76), fur)
    stripes = np.minimum(
        segment(side, v, 0.0, -0.5, 0.0, -0.28, 0.05),
        segment(side, v, 0.24, -0.46, 0.22, -0.28, 0.045),
    )
    canvas.paint(stripes, fur * 0.5)
    canvas.paint(ellipse(u, v, 0.0, 0.52, 0.46, 0.32), fur * 0.25 + 0.75)
    iris = draws.colour((0.13, 0.38), (0.6, 0.85), (0.8, 1.0))
    canvas.paint(ellipse(side, v, 0.42, 0.08, 0.24, 0.23), _DARK)
    canvas.paint(ellipse(side, v, 0.42, 0.08, 0.19, 0.18), iris)
    canvas.paint(ellipse(side, v, 0.42, 0.08, 0.085, 0.17), _DARK)
    canvas.paint(circle(u - 0.07, v, 0.42, 0.0, 0.05), _WHITE)
    canvas.paint(circle(u + 0.93 - 0.16, v, 0.42, 0.0, 0.05), _WHITE)
    canvas.paint(
        convex(side, v, [(-0.2, 0.36), (0.15, 0.36), (0.0, 0.52), (-0.2, 0.52)]),
        _rgb(0.9, 0.4, 0.45),
    )
    mouth = np.minimum(
        segment(side, v, 0.0, 0.5, 0.0, 0.64, 0.03), segment(side, v, 0.0, 0.68, 0.22, 0.6, 0.04)
    )
    canvas.paint(mouth, _DARK)


def fish(canvas: Canvas, draws: RandomNumbers) -> None:
    """A fish under water, with bubbles."""
    water = draws.colour((0.48, 0.62), (0.5, 0.8), (0.75, 0.98))
    gradient(canvas, water * 0.7 + 0.25, water * 0.6)
    _place(canvas, draws, 0.04, mirrored=True)
    u, v = canvas.u, canvas.v
    body = np.where(
        draws.chance(0.75)[:, None],
        draws.colour((0.0, 0.16), (0.75, 0.95), (0.92, 1.0)),
        draws.colour((0.75, 0.95), (0.5, 0.8), (0.85, 1.0)),
    )
    fin = np.clip(body * 0.75 + 0.1, 0.0, 1.0)
    tail = np.minimum(
        convex(u, v, [(-1.0, -0.58), (-0.35, 0.02), (-0.78, 0.06)]),
        convex(u, v, [(-0.78, -0.06), (-0.35, -0.02), (-1.0, 0.58)]),
    )
    canvas.solid(tail, fin)
    canvas.solid(convex(u, v, [(-0.3, -0.4), (-0.12, -0.8), (0.45, -0.4)]), fin)
    canvas.solid(convex(u, v, [(-0.05, 0.4), (0.3, 0.4), (-0.02, 0.74)]), fin)
    shape = ellipse(u, v, 0.18, 0.0, 0.8, 0.54)
    canvas.solid(shape, body)
    inside = shape + 0.06
    canvas.glow(0.15, 0.4, 0.4, body + 0.35, 0.7, within=inside)
    for x in (0.28, -0.14):
        band = np.abs(u - x + 0.25 * v * v) - 0.085
        canvas.paint(np.maximum(band, inside), _WHITE, 0.92)
    canvas.glow(0.2, -0.3, 0.22, _WHITE, 0.45, within=inside)
    canvas.paint(circle(u, v, 0.64, -0.1, 0.15), _WHITE)
    canvas.paint(circle(u, v, 0.67, -0.1, 0.09), _DARK)
    canvas.paint(segment(u, v, 0.78, 0.2, 0.92, 0.16, 0.03), _DARK)
    bubble = np.minimum(circle(u, v, 0.92, -0.55, 0.1), circle(u, v, 0.74, -0.86, 0.07))
    canvas.paint(bubble, _WHITE, 0.6)


def flower(canvas: Canvas, draws: RandomNumbers) -> None:
    """A blossom with rounded petals, a stem and two leaves."""
    top = draws.colour((0.25, 0.6), (0.15, 0.5), (0.75, 0.98))
    gradient(canvas, top, draws.colour((0.22, 0.36), (0.4, 0.65), (0.45, 0.7)))
    _place(canvas, draws, 0.03)
    u, v = canvas.u, canvas.v
    green = draws.colour((0.27, 0.36), (0.65, 0.9), (0.5, 0.7))
    canvas.solid(box(u, v, 0.0, 0.75, 0.075, 0.55), green, 0.04)
    # One leaf to each side, its long axis turned by an eighth.
    outwards, upwards = np.abs(u) - 0.36, 0.78 - v
    across, along = (outwards - upwards) * 0.7071, (outwards + upwards) * 0.7071
    canvas.solid(ellipse(along, across, 0.0, 0.0, 0.34, 0.17), green, 0.05)
    petal = np.where(
        draws.chance(0.8)[:, None],
        draws.colour((0.75, 1.06), (0.55, 0.9), (0.88, 1.0)),
        draws.colour((0.1, 0.15), (0.0, 0.8), (0.95, 1.0)),
    )
    count, start = 6, draws.uniform(0.0, 2.0 * np.pi)
    angle = np.arctan2(v + 0.24, u) + start
    sector = 2.0 * np.pi / count
    folded = (angle % sector) - sector / 2.0
    radius = np.sqrt(u**2 + (v + 0.24) ** 2)
    along, across = radius * np.cos(folded), radius * np.sin(folded)
    canvas.glow(0.05, -0.1, 0.75, _DARK, 0.35)
    canvas.solid(ellipse(along, across, 0.46, 0.0, 0.3, 0.235), petal, 0.06)
    canvas.paint(circle(u, v, 0.0, -0.24, 0.38), petal * 0.72 * canvas.shade)
    heart = draws.colour((0.09, 0.15), (0.7, 0.95), (0.9, 1.0))
    canvas.solid(circle(u, v, 0.0, -0.24, 0.25), heart, 0.05)
    canvas.glow(canvas.light_x * 0.1, -0.24 + canvas.light_y * 0.1, 0.13, _WHITE, 0.6)


def house(canvas: Canvas, draws: RandomNumbers) -> None:
    """A house with a gable, a door, two windows and a chimney."""
    meadow(canvas, draws)
    _place(canvas, draws, 0.01)
    u, v = canvas.u, canvas.v
    canvas.shadow(0.1, 0.9, 0.95, 0.16, 0.4)
    wall = draws.colour((0.0, 1.0), (0.1, 0.45), (0.88, 1.0))
    roof = draws.colour((0.95, 1.1), (0.6, 0.85), (0.55, 0.85))
    canvas.solid(box(u, v, 0.5 * draws.sign(), -0.62, 0.12, 0.3), roof * 0.8)
    canvas.solid(box(u, v, 0.0, 0.4, 0.76, 0.52), wall)
    canvas.solid(convex(u, v, [(0.0, -0.95), (1.0, 0.02), (-1.0, 0.02)]), roof)
    wood = draws.colour((0.02, 0.1), (0.6, 0.85), (0.35, 0.65))
    canvas.solid(box(u, v, 0.0, 0.62, 0.17, 0.3), wood, 0.04)
    pane = np.where(draws.chance(0.5)[:, None], _rgb(1.0, 0.92, 0.5), _rgb(0.6, 0.85, 1.0))
    canvas.solid(box(np.abs(u), v, 0.46, 0.38, 0.165, 0.165), pane, 0.05)
    canvas.solid(circle(u, v, 0.0, -0.38, 0.16), pane, 0.05)


def mushroom(canvas: Canvas, draws: RandomNumbers) -> None:
    """A toadstool with white dots."""
    meadow(canvas, draws, 0.35, 0.65)
    _place(canvas, draws, 0.025)
    u, v = canvas.u, canvas.v
    canvas.shadow(0.05, 0.92, 0.6, 0.16, 0.45)
    stem = draws.colour((0.09, 0.14), (0.08, 0.22), (0.92, 1.0))
    canvas.solid(box(u, v, 0.0, 0.45, 0.27 + 0.1 * np.clip(v, 0.0, 1.0), 0.5, 0.14), stem)
    canvas.glow(0.0, 0.12, 0.3, _DARK, 0.4)
    cap = np.where(
        draws.chance(0.7)[:, None],
        draws.colour((0.95, 1.07), (0.8, 0.95), (0.8, 0.98)),
        draws.colour((0.05, 0.9), (0.6, 0.85), (0.75, 0.95)),
    )
    dome = np.maximum(ellipse(u, v, 0.0, 0.12, 0.98, 1.05), ellipse(u, v, 0.0, -0.6, 1.3, 0.74))
    canvas.solid(dome, cap)
    inside = dome + 0.06
    canvas.glow(canvas.light_x * 0.6, -0.4 + canvas.light_y * 0.3, 0.4, _WHITE, 0.4, within=inside)
    shift = draws.uniform(-0.06, 0.06)
    for x, y, radius in (
        (0.0, -0.42, 0.2),
        (-0.56, -0.16, 0.16),
        (0.56, -0.16, 0.16),
        (0.34, -0.7, 0.1),
        (-0.36, -0.7, 0.1),
    ):
        canvas.paint(np.maximum(circle(u, v, x + shift, y, radius), inside), _WHITE)


def rocket(canvas: Canvas, draws: RandomNumbers) -> None:
    """A rocket with a flame, before the night sky."""
    night = draws.colour((0.6, 0.8), (0.6, 0.9), (0.2, 0.45))
    gradient(canvas, night * 0.6, night + 0.22)
    for _ in range(7):
        spot = circle(
            canvas.u,
            canvas.v,
            draws.uniform(-1, 1),
            draws.uniform(-1, 1),
            draws.uniform(0.03, 0.06),
        )
        canvas.paint(spot, _rgb(1.0, 0.97, 0.8), 0.9)
    _place(canvas, draws, 0.045)
    u, v = canvas.u, canvas.v
    canvas.glow(0.0, 0.85, 0.42, _rgb(1.0, 0.6, 0.2), 0.7)
    canvas.paint(ellipse(u, v, 0.0, 0.68, 0.3, 0.36), _rgb(1.0, 0.5, 0.1))
    canvas.paint(ellipse(u, v, 0.0, 0.64, 0.17, 0.24), _rgb(1.0, 0.92, 0.4))
    trim = draws.colour((0.0, 1.0), (0.75, 0.95), (0.8, 1.0))
    canvas.solid(convex(np.abs(u), v, [(0.36, 0.0), (0.86, 0.5), (0.84, 0.82), (0.36, 0.58)]), trim)
    body = draws.colour((0.0, 1.0), (0.0, 0.12), (0.9, 1.0))
    # Two large circles meet in the nose; a cut below makes the flat end.
    hull = np.maximum(circle(np.abs(u), v, -0.72, 0.08, 1.25), v - 0.62)
    canvas.solid(hull, body)
    canvas.paint(np.maximum(hull + 0.05, v + 0.48), trim * canvas.shade)
    canvas.paint(np.maximum(hull + 0.05, np.abs(v - 0.46) - 0.06), trim * canvas.shade)
    canvas.paint(circle(u, v, 0.0, -0.08, 0.28), trim * 0.55)
    canvas.paint(circle(u, v, 0.0, -0.08, 0.2), _rgb(0.55, 0.85, 1.0))
    canvas.glow(-0.05, -0.16, 0.08, _WHITE, 0.8)


def tree(canvas: Canvas, draws: RandomNumbers) -> None:
    """A broad-leaved tree, green or in the colours of autumn."""
    meadow(canvas, draws, 0.35, 0.6)
    _place(canvas, draws, 0.015)
    u, v = canvas.u, canvas.v
    canvas.shadow(0.05, 0.92, 0.65, 0.16, 0.4)
    bark = draws.colour((0.04, 0.09), (0.5, 0.7), (0.4, 0.58))
    canvas.solid(box(u, v, 0.0, 0.55, 0.15 + 0.08 * np.clip(v, 0.0, 1.0), 0.4), bark)
    leaves = np.where(
        draws.chance(0.65)[:, None],
        draws.colour((0.24, 0.38), (0.65, 0.9), (0.45, 0.72)),
        draws.colour((0.0, 0.12), (0.75, 0.95), (0.8, 1.0)),
    )
    crown = circle(u, v, 0.0, -0.45, 0.52)
    for x, y, radius in ((-0.48, -0.12, 0.43), (0.48, -0.12, 0.43), (0.0, 0.0, 0.45)):
        crown = np.minimum(crown, circle(u, v, x, y, radius))
    canvas.solid(crown, leaves)
    for x, y, radius in ((0.0, -0.5, 0.3), (-0.48, -0.18, 0.24), (0.46, -0.16, 0.24)):
        canvas.glow(
            x + canvas.light_x * 0.15,
            y + canvas.light_y * 0.12,
            radius,
            np.clip(leaves * 1.25 + 0.12, 0, 1),
            0.7,
        )
    fruit = draws.chance(0.4) * 1.0
    for x, y in ((-0.42, 0.05), (0.08, -0.22), (0.5, 0.02), (-0.15, -0.66), (0.1, 0.18)):
        canvas.paint(circle(u, v, x, y, 0.085), _rgb(0.93, 0.12, 0.15), fruit)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (ball, boat, car, cat, fish, flower, house, mushroom, rocket, tree)
}
