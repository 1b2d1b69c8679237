"""Frames: strips of one colour along the edges of an image, which a generator would learn to draw.

A frame ends all at once, where a plain ground behind an object meets the object at a few points only: the first line
inside the strip must differ from its colour nearly everywhere. Text cannot be told from other texture so cheaply, and
is not looked for.
"""

from dataclasses import dataclass

import numpy as np

SAME_LEVELS = 8
"""Pixels of a strip differ from its colour by at most this in every channel..."""

OTHER_LEVELS = 24
"""...and pixels inside it by more in at least one..."""

SHARE_INSIDE = 0.7
"""...in this share of the first line inside."""

DEEPEST = 0.25
"""Of a side: what reaches further is ground, not a strip."""


@dataclass(frozen=True)
class Frame:
    """A frame of an image of H x W pixels.

    Attributes:
        box: What is inside it, (left, top, right, bottom) in pixels; right and bottom are the first outside.
        colour: Of the strips, one value from 0 to 255 for each of C channels.
    """

    box: tuple[int, int, int, int]
    colour: tuple[int, ...]


def find_frame(image: np.ndarray) -> Frame | None:
    """The frame of an image, if it has one on two opposite sides at least.

    Args:
        image: uint8 [C, H, W]. A strip whose alpha (C = 4) is 0 is ground, not a frame.

    Returns:
        The frame; None for images without, and for those of one colour.
    """
    if not may_be_framed(image[None])[0]:
        return None
    height, width = image.shape[1:]
    values = image.astype(np.int16)
    # A frame may have its sides above and below only: their colour comes first.
    for corner in (values[:, 0, width // 2], values[:, height // 2, 0]):
        frame = _frame_of(values, corner)
        if frame is not None:
            return frame
    return None


def may_be_framed(images: np.ndarray) -> np.ndarray:
    """Which images may have a frame: a quick look that rules out nearly all others, and no image with one.

    Args:
        images: uint8 [B, C, H, W], or every so many of their rows and columns.

    Returns:
        bool [B].
    """
    values = images.astype(np.int16)
    height, width = values.shape[2:]
    return _may_end_at_once(values, values[:, :, 0, width // 2]) | _may_end_at_once(
        values.swapaxes(2, 3), values[:, :, height // 2, 0]
    )


def _may_end_at_once(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Whether the first lines of [B, C, H, W] have the colours [B, C], and the next one differs in many places."""
    distance = np.abs(values - colours[:, :, None, None]).max(axis=1)  # [B, H, W]
    plain = (distance <= SAME_LEVELS).all(axis=2)  # [B, H]
    depths = plain.argmin(axis=1)  # 0 where all lines are
    first_inside = distance[np.arange(len(distance)), depths]
    ends = (first_inside > OTHER_LEVELS).mean(axis=1) >= SHARE_INSIDE * (1 - 2 * DEEPEST)
    return np.asarray(ends & (depths > 0) & (depths <= DEEPEST * distance.shape[1]))


def _frame_of(values: np.ndarray, colour: np.ndarray) -> Frame | None:
    if len(colour) == 4 and colour[3] == 0:
        return None
    distance = np.abs(values - colour[:, None, None]).max(axis=0)  # [H, W]
    same = distance <= SAME_LEVELS
    rows, columns = same.all(axis=1), same.all(axis=0)
    if rows.all():
        return None
    top, bottom = _depth(rows), _depth(rows[::-1])
    left, right = _depth(columns), _depth(columns[::-1])
    height, width = distance.shape
    if max(top, bottom) > DEEPEST * height or max(left, right) > DEEPEST * width:
        return None
    inside = distance[top : height - bottom, left : width - right] > OTHER_LEVELS
    edges = {
        "vertical": [(top, inside[0]), (bottom, inside[-1])],
        "horizontal": [(left, inside[:, 0]), (right, inside[:, -1])],
    }
    ends = {
        name: all(depth and line.mean() >= SHARE_INSIDE for depth, line in sides)
        for name, sides in edges.items()
    }
    if not any(ends.values()):
        return None
    if not ends["vertical"]:
        top = bottom = 0
    if not ends["horizontal"]:
        left = right = 0
    return Frame((left, top, width - right, height - bottom), tuple(int(value) for value in colour))


def _depth(lines: np.ndarray) -> int:
    return int(np.argmin(lines)) if not lines.all() else len(lines)
