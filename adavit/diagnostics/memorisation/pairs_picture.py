"""`closest_pairs.png`: generated images beside the training images they come nearest to."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from adavit.generation.sampling import image_from_tensor
from adavit.runtime.pictures import figure_png, opaque
from adavit.runtime.streams import for_terminal

TILE_INCHES = 1.1
TEXT_INCHES = 1.0
HEADING_CHARACTERS = 44  # of a line of a heading, which may take two
TITLE_CHARACTERS_PER_INCH, TITLE_LINE_INCHES = 11, 0.17
CLOSE_COLOR, FAR_COLOR = "#b3261e", "#444444"


@dataclass(frozen=True)
class Pair:
    """A generated image and a training image.

    Attributes:
        generated: uint8 [C, R, R].
        training: uint8 [C, R, R], flipped where `mirrored`.
        generated_index: Among the generated images.
        training_index: Among the training images compared.
        mirrored: Whether the training image is nearest when flipped.
        distance: In the unit of the space.
        is_close: Whether it is below the threshold.
    """

    generated: Tensor
    training: Tensor
    generated_index: int
    training_index: int
    mirrored: bool
    distance: float
    is_close: bool


def draw_pairs(spaces: Mapping[str, Sequence[Pair]], title: str) -> bytes:
    """Rows of pairs, the closest first, one block of columns per space.

    Args:
        spaces: Heading to pairs.
        title: Above all.

    Returns:
        The content of a PNG file, plain RGB.
    """
    rows = max(len(pairs) for pairs in spaces.values())
    block = 2 * TILE_INCHES + TEXT_INCHES + 0.3
    width = block * len(spaces) + 0.3
    title_lines = textwrap.wrap(title, int(TITLE_CHARACTERS_PER_INCH * width)) or [""]
    above = TITLE_LINE_INCHES * (len(title_lines) - 1)
    height = rows * (TILE_INCHES + 0.06) + 1.45 + above
    figure = Figure(figsize=(width, height), facecolor="white")
    top = height - 0.25
    # As text, not as mathematics: names of files may hold a dollar sign.
    figure.text(
        0.2 / width,
        top / height,
        for_terminal("\n".join(title_lines)),
        fontsize=9,
        va="top",
        parse_math=False,
    )
    top -= above
    for column, (heading, pairs) in enumerate(spaces.items()):
        left = 0.2 + column * block
        lines = textwrap.fill(heading, HEADING_CHARACTERS)
        figure.text(left / width, (top - 0.3) / height, lines, fontsize=8, weight="bold", va="top")
        for offset, text in enumerate(("generated", "nearest training", "distance")):
            position = left + offset * (TILE_INCHES + 0.06)
            figure.text(
                position / width, (top - 0.7) / height, text, fontsize=8, va="top", color="#666666"
            )
        for row, pair in enumerate(pairs):
            bottom = top - 0.95 - (row + 1) * (TILE_INCHES + 0.06)
            for offset, image in enumerate((pair.generated, pair.training)):
                position = left + offset * (TILE_INCHES + 0.06)
                tile = (
                    position / width,
                    bottom / height,
                    TILE_INCHES / width,
                    TILE_INCHES / height,
                )
                axis = figure.add_axes(tile)
                axis.imshow(_pixels(image), interpolation="nearest")
                axis.set_axis_off()
            position = left + 2 * (TILE_INCHES + 0.06)
            figure.text(
                position / width,
                (bottom + TILE_INCHES / 2) / height,
                _label(pair),
                fontsize=8,
                va="center",
                color=CLOSE_COLOR if pair.is_close else FAR_COLOR,
            )
    return figure_png(figure, dpi=100)


def _pixels(image: Tensor) -> np.ndarray:
    return np.asarray(opaque(image_from_tensor(image)))


def _label(pair: Pair) -> str:
    lines = [f"{pair.distance:.4g}", "close" if pair.is_close else "not close"]
    if pair.mirrored:
        lines.append("flipped")
    return "\n".join(lines)
