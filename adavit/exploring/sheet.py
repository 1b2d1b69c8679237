"""A table of images with the names of its rows and columns."""

from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from adavit.errors import UserError
from adavit.generation.grid import (
    CAPTION_HEIGHT,
    GRID_PADDING,
    enlargement,
    fitting,
    image_grid,
)
from adavit.runtime.choices import check_scale
from adavit.runtime.pictures import caption_font
from adavit.runtime.resolution import Resolution

GAP = 4
"""Pixels between a name and what it names."""

WIDEST = 160
"""Pixels of a row's name; longer ones are cut."""

LARGEST = 100_000_000
"""Pixels of a sheet: as a picture they take 0.3 to 0.4 GB of memory."""


def check_size(rows: int, columns: int, resolution: Resolution, scale: int | None) -> None:
    """Refuses a sheet that is too large, before it is drawn.

    Args:
        rows: Of images.
        columns: Likewise.
        resolution: Of an image.
        scale: As for `labelled_sheet`.

    Raises:
        UserError: If it has more than `LARGEST` pixels, or `scale` is below 1.
    """
    check_scale(scale)
    enlarged = scale or enlargement(resolution)
    height, width = (side * enlarged + GRID_PADDING for side in resolution)
    pixels = rows * columns * height * width
    if pixels > LARGEST:
        raise UserError(
            f"the sheet has {rows} x {columns} images, {pixels / 1e6:,.0f} megapixels, expected at most"
            f" {LARGEST / 1e6:g}. Name fewer seeds, or lower --scale."
        )


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
    font = caption_font(CAPTION_HEIGHT - 3)
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
