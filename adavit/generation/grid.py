"""Images side by side, to look at; and taken apart again, for the report."""

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from adavit.data.files.members import printable
from adavit.errors import UserError
from adavit.generation.sampling import image_from_tensor
from adavit.runtime.choices import check_scale
from adavit.runtime.fonts import caption_font
from adavit.runtime.resolution import Resolution
from adavit.runtime.sides import Sides

GRID_COLUMNS = 8
"""Images in a row of a grid, unless something else is asked for."""

GRID_PADDING = 2
"""Black pixels around each image of a grid."""

CAPTION_HEIGHT = 13
"""Pixels below each image where it has a caption."""

_CAPTIONED = "caption_height"

SEEN_SIDE = 64
"""Pixels up to which the images of a grid are enlarged."""


LARGEST = 100_000_000
"""Pixels of images side by side: as a picture they take 0.3 to 0.4 GB of memory."""


def check_size(
    rows: int, columns: int, sides: Sides, scale: int | None, *, fewer: str = "Name fewer seeds"
) -> None:
    """Refuses a picture of images that is too large, before they are drawn.

    Args:
        rows: Of images.
        columns: Likewise.
        sides: Of an image.
        scale: As for `image_grid`.
        fewer: How fewer images are had, to begin a sentence.

    Raises:
        UserError: If it has more than `LARGEST` pixels, or `scale` is below 1.
    """
    check_scale(scale)
    enlarged = scale or enlargement(sides)
    height, width = (side * enlarged + GRID_PADDING for side in sides)
    pixels = rows * columns * height * width
    if pixels > LARGEST:
        raise UserError(
            f"the picture has {rows} x {columns} images, {pixels / 1e6:,.0f} megapixels, expected at most"
            f" {LARGEST / 1e6:g}. {fewer}{', or lower --scale' * (enlarged > 1)}."
        )


def image_grid(
    images: Tensor,
    *,
    columns: int = GRID_COLUMNS,
    captions: Sequence[str] | None = None,
    scale: int | None = None,
) -> Image.Image:
    """Images side by side, enlarged by whole pixels so that a person sees something.

    Args:
        images: uint8 [N, C, H, W].
        columns: Images in a row.
        captions: A few letters below each image, cut where they are wider than it; None has none.
        scale: How many pixels each becomes in both directions; None enlarges up to `SEEN_SIDE`.
    """
    enlarge = scale or enlargement(Resolution(*images.shape[-2:]))
    large = images.cpu().repeat_interleave(enlarge, -1).repeat_interleave(enlarge, -2)
    if captions is not None:
        large = torch.nn.functional.pad(large, (0, 0, 0, CAPTION_HEIGHT))
        if large.shape[1] == 4:
            large[:, 3, -CAPTION_HEIGHT:] = 255
    grid = image_from_tensor(_tiled(large, columns))
    if captions is not None:
        _write(grid, captions, columns, width=large.shape[-1], height=large.shape[-2])
        # The picture's file says so too; without it the rows could not be told from higher images.
        grid.info[_CAPTIONED] = str(CAPTION_HEIGHT)
    return grid


def _tiled(images: Tensor, columns: int) -> Tensor:
    """Images [N, C, H, W] on black [C', H', W'], row by row; grey ones become RGB. One alone has no frame."""
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    if len(images) == 1:
        return images[0]
    down, across = (side + GRID_PADDING for side in images.shape[-2:])
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tiled = images.new_zeros(
        images.shape[1], rows * down + GRID_PADDING, columns * across + GRID_PADDING
    )
    for index, image in enumerate(images):
        top = GRID_PADDING + index // columns * down
        left = GRID_PADDING + index % columns * across
        tiled[:, top : top + image.shape[-2], left : left + image.shape[-1]] = image
    return tiled


def grid_rows(grid: Image.Image, *, resolution: Resolution, columns: int = GRID_COLUMNS) -> int:
    """Rows of a picture that `image_grid` has laid out; 0 for any other picture.

    Args:
        grid: The picture.
        resolution: Of one image, before it was enlarged.
        columns: Images in a row.
    """
    height, width = _enlarged(resolution)
    across, down = width + GRID_PADDING, height + GRID_PADDING + _caption_height(grid)
    if grid.width != columns * across + GRID_PADDING or (grid.height - GRID_PADDING) % down:
        return 0
    return (grid.height - GRID_PADDING) // down


def grid_tile(grid: Image.Image, row: int, column: int, *, resolution: Resolution) -> Image.Image:
    """One image out of a grid, at its own size and without its caption.

    Args:
        grid: As `image_grid` has laid it out.
        row: From the top, from 0.
        column: From the left, from 0.
        resolution: Of one image, before it was enlarged.
    """
    height, width = _enlarged(resolution)
    left = GRID_PADDING + column * (width + GRID_PADDING)
    top = GRID_PADDING + row * (height + GRID_PADDING + _caption_height(grid))
    tile = grid.crop((left, top, left + width, top + height))
    return tile.resize((resolution.width, resolution.height), Image.Resampling.NEAREST)


def _write(
    grid: Image.Image, captions: Sequence[str], columns: int, *, width: int, height: int
) -> None:
    pen = ImageDraw.Draw(grid)
    font = caption_font(CAPTION_HEIGHT - 3, captions)
    white = (255,) * len(grid.getbands())
    padding = GRID_PADDING if len(captions) > 1 else 0  # as `_tiled` has it
    for index, caption in enumerate(captions):
        row, column = divmod(index, columns)
        left = padding + column * (width + padding)
        bottom = (row + 1) * (height + padding)
        pen.text((left, bottom - CAPTION_HEIGHT), fitting(caption, font, width), white, font)


def fitting(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """A text that is cut to be no wider than so many pixels."""
    text = printable(text[:200])
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def _caption_height(grid: Image.Image) -> int:
    return CAPTION_HEIGHT if grid.info.get(_CAPTIONED) == str(CAPTION_HEIGHT) else 0


def enlargement(sides: Sides) -> int:
    """How many pixels each becomes in both directions, unless something else is asked for."""
    return max(1, SEEN_SIDE // max(sides))


def _enlarged(resolution: Resolution) -> tuple[int, int]:
    """Height and width of an image in a grid."""
    times = enlargement(resolution)
    return resolution.height * times, resolution.width * times
