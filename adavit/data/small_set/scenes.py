"""The scenes that the objects of `small_set` stand in; painted before the object is placed."""

import numpy as np

from adavit.data.small_set.canvas import Array, Canvas, Draws


def gradient(canvas: Canvas, top: Array, bottom: Array) -> None:
    """Fill the frame from one colour at its top to another at its bottom."""
    canvas.fill(top + (bottom - top) * (canvas.y[:, None] + 1.0) / 2.0)


def day_sky(canvas: Canvas, draws: Draws) -> None:
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


def ground(canvas: Canvas, height: Array, near: Array, far: Array) -> None:
    """Cover the frame from `height` (in frame coordinates, y down) to its bottom."""
    canvas.place(0.0, 0.0, 0.0, 1.0)
    depth = np.clip((canvas.y - height) / (1.0 - height), 0.0, 1.0)[:, None]
    canvas.paint(height - canvas.y + 0.0 * canvas.x, far + (near - far) * depth)


def meadow(canvas: Canvas, draws: Draws, low: float = 0.3, high: float = 0.55) -> None:
    """A sky over grass; the horizon lies between `low` and `high` in frame coordinates."""
    day_sky(canvas, draws)
    grass = draws.colour((0.22, 0.36), (0.5, 0.75), (0.5, 0.75))
    ground(canvas, draws.uniform(low, high), grass, grass * 0.8 + 0.12)
