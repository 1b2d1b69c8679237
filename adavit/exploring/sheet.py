"""A table of images with the names of its rows and columns."""

from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from adavit.generation.grid import (
    CAPTION_HEIGHT,
    GRID_PADDING,
    fitting,
    image_grid,
)
from adavit.runtime.fonts import caption_font

GAP = 4
"""Pixels between a name and what it names."""

WIDEST = 160
"""Pixels of a row's name; longer ones are cut."""


def labelled_sheet(
    images: Tensor, *, rows: Sequence[str], columns: Sequence[str], scale: int | None = None
) -> Image.Image:
    """Images in rows and columns, the names of the rows at the left and those of the columns above.

    Args:
        images: uint8 [R * C, ch, H, W], row by row, at least two.
        rows: R names.
        columns: C names; cut where they are wider than an image.
        scale: How many pixels each becomes in both directions; None enlarges small images.
    """
    grid = image_grid(images, columns=len(columns), scale=scale)
    font = caption_font(CAPTION_HEIGHT - 3, [*rows, *columns])
    widest = max(font.getlength(fitting(name, font, WIDEST)) for name in rows)
    left, top = round(widest) + 2 * GAP, CAPTION_HEIGHT + GAP
    across = (grid.width - GRID_PADDING) // len(columns)
    down = (grid.height - GRID_PADDING) // len(rows)
    black = (0, 0, 0, 255)[: len(grid.getbands())]
    white = (255,) * len(grid.getbands())
    sheet = Image.new(grid.mode, (left + grid.width, top + grid.height), black)
    sheet.paste(grid, (left, top))
    pen = ImageDraw.Draw(sheet)
    for number, name in enumerate(columns):
        middle = left + GRID_PADDING + number * across + (across - GRID_PADDING) / 2
        text = fitting(name, font, across - GRID_PADDING)
        pen.text((middle, top - GAP / 2), text, white, font, anchor="mb")
    for number, name in enumerate(rows):
        middle = top + GRID_PADDING + number * down + (down - GRID_PADDING) / 2
        pen.text((left - GAP, middle), fitting(name, font, WIDEST), white, font, anchor="rm")
    return sheet
