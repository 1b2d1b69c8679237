"""Frames: strips of one colour along the edges of an image, which a generator would learn to draw.

A frame ends all at once, where a plain ground behind an object meets the object at a few points only: the first lines
inside the strip must differ from its colour nearly everywhere. All at once is within a few lines, as an image that was
resized, or saved as a JPEG, has some of mixed colour there, and others nearby that are a little off. Text cannot be
told from other texture so cheaply, and is not looked for.
"""

from dataclasses import dataclass

import numpy as np

OTHER_LEVELS, SHARE_INSIDE = 24, 0.7
"""The first line inside differs from the colour by more in this share of its pixels, in one channel at least..."""

SHARE_OF_OTHERS = 0.4
"""...or in this one, where an image has four strips and it is so of two of them..."""

SAME_LEVELS, SAME_SHARE = 12, 0.12
"""...and the lines of the strip by no more than so many levels, or this share of what the line inside differs by..."""

STRAY_SHARE = 0.03
"""...but in this share of their pixels..."""

SOFT_LINES, SOFT_SHARE = 1, 1 / 64
"""...and between the two lie so many lines at most, or this share of the side where that is more."""

DEEPEST, DEEPEST_OF_TWO = 0.25, 0.4
"""Of a side, where all four have a strip, and where two have: what reaches further is ground, not a strip."""


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
        image: uint8 [C, H, W]. A strip whose alpha (C = 4) is 0, or nearly, is ground and no frame.

    Returns:
        The frame; None for images without, and for those of one colour.
    """
    # A frame may have its sides above and below only, or left and right only.
    for line in (image[:, 0], image[:, :, 0]):
        frame = _frame_of(image, _middle(line))
        if frame is not None:
            return frame
    return None


def may_be_framed(
    images: np.ndarray, indices: np.ndarray, *, every: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """Which images may have a frame: a quick look that rules out nearly all others.

    No image with a frame is ruled out but where between the rows, or columns, that are looked at lies all of the
    picture that differs from it nearly everywhere.

    Args:
        images: uint8 [N, C, H, W]; may be memory-mapped.
        indices: Of those that are looked at, int [B].
        every: Of how many rows and columns one is looked at, each as a whole.

    Returns:
        bool [B].
    """
    down, across = every
    return _may_begin_with_a_strip(images, indices, down) | _may_begin_with_a_strip(
        images.swapaxes(2, 3), indices, across
    )


def _may_begin_with_a_strip(images: np.ndarray, indices: np.ndarray, every: int) -> np.ndarray:
    """Whether those of [N, C, H, W] may have a strip of one colour above."""
    found = np.zeros(len(indices), dtype=bool)
    lines = np.stack([images[index][:, :1] for index in indices])
    colours = _middle(lines[:, :, 0])
    first = _distance(lines, colours)[:, 0]
    maybe = np.flatnonzero((first > OTHER_LEVELS).mean(axis=1) <= STRAY_SHARE)
    if len(maybe):  # few, so few are looked at any further
        height = images.shape[2]
        # A strip of some rows ends after as many of every so many, or one more; the line inside may be that after it.
        rows = -(-int(DEEPEST_OF_TWO * height) // every) + 1
        sampled = np.stack([images[indices[at]][:, ::every][:, : rows + 1] for at in maybe])
        is_other = _distance(sampled, colours[maybe]) > OTHER_LEVELS
        shares = is_other.mean(axis=2)
        # What the strips at the other two sides cover is not known yet.
        inside = (shares >= SHARE_INSIDE * (1 - 2 * DEEPEST)).argmax(axis=1)
        strips = (shares > STRAY_SHARE).argmax(axis=1)
        found[maybe] = (strips > 0) & (inside >= strips) & (inside <= np.minimum(strips + 1, rows))
    return found


def _frame_of(image: np.ndarray, colour: np.ndarray) -> Frame | None:
    if len(colour) == 4 and colour[3] <= SAME_LEVELS:
        return None
    distance = _distance(image[None], colour[None])[0]
    height, width = distance.shape
    above, below = _strips(distance)
    left, right = _strips(distance.T)
    # Of two sides the strips may be deeper, as a film's are on a telephone: a ground has all four.
    if max(above, below) > (DEEPEST if left or right else DEEPEST_OF_TWO) * height:
        return None
    if max(left, right) > (DEEPEST if above or below else DEEPEST_OF_TWO) * width:
        return None
    inner = distance[:, _between(left, right, width)], distance[_between(above, below, height)].T
    if not (inner[0].size and inner[1].size):  # a few pixels altogether
        return None
    (top, bottom), (first, last) = _edges(inner[0], SHARE_INSIDE), _edges(inner[1], SHARE_INSIDE)
    if above and below and left and right and bool(top) != bool(first):
        # A ground has strips at all sides too, and may meet an object that has two straight edges.
        if top:
            first, last = _edges(inner[1], SHARE_OF_OTHERS)
        else:
            top, bottom = _edges(inner[0], SHARE_OF_OTHERS)
        if not (top and first):
            return None
    if not (top or first):
        return None
    box = (first, top, width - last, height - bottom)
    return Frame(box, tuple(int(value) for value in colour))


def _middle(lines: np.ndarray) -> np.ndarray:
    """The colour of most of each of the lines [..., L]: their median."""
    length = lines.shape[-1]
    return np.asarray(np.partition(lines, length // 2, axis=-1)[..., length // 2])


def _distance(images: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Of each pixel of [B, C, H, W] from a colour of [B, C], in the channel that differs most: uint8 [B, H, W]."""
    given = colours[:, :, None, None]
    return np.asarray((np.maximum(images, given) - np.minimum(images, given)).max(axis=1))


def _strips(distance: np.ndarray) -> tuple[int, int]:
    """Rows of [H, W] above and below that are of the colour, whatever follows; 0 where all are."""
    other = np.count_nonzero(distance > SAME_LEVELS, axis=1) > STRAY_SHARE * distance.shape[1]
    return int(other.argmax()), int(other[::-1].argmax())


def _edges(distance: np.ndarray, least: float) -> tuple[int, int]:
    """Rows of [H, W] above and below that end at once, as in `_ends`; 0 and 0 unless both do."""
    above, below = (_ends(rows, least) for rows in (distance, distance[::-1]))
    return (above, below) if above and below else (0, 0)


def _ends(distance: np.ndarray, least: float) -> int:
    """Rows of [H, W] above that end at once in one of which at least so much is of another colour; 0 without."""
    height, width = distance.shape
    soft, deepest = _soft(height), int(DEEPEST_OF_TWO * height)
    distance = distance[: deepest + soft + 1]
    inside = int((np.count_nonzero(distance > OTHER_LEVELS, axis=1) >= least * width).argmax())
    beyond = distance[min(inside + soft, len(distance) - 1)]
    # What is mixed, or a little off, is so by a share of what the picture differs from the strip by.
    same = np.clip(SAME_SHARE * _middle(beyond), SAME_LEVELS, OTHER_LEVELS)
    strip = int((np.count_nonzero(distance > same, axis=1) > STRAY_SHARE * width).argmax())
    return inside if 0 < strip <= inside <= min(strip + soft, deepest) else 0


def _between(first: int, last: int, side: int) -> slice:
    """What lies between two strips, and beyond the lines where they end."""
    soft = _soft(side)
    return slice(first + soft if first else 0, side - last - soft if last else side)


def _soft(side: int) -> int:
    return max(SOFT_LINES, round(SOFT_SHARE * side))
