"""Pictures of runs made small: cut to fewer tiles, without enlargement, as WebP inside the page."""

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from adavit.generation.grid import GRID_COLUMNS, grid_rows, grid_tile
from adavit.runs.reading import read_bytes
from adavit.runtime.pictures import opaque
from adavit.runtime.resolution import Resolution

MAXIMUM_PIXELS = 100_000_000
"""A larger picture is not decoded."""

MAXIMUM_FILE_BYTES = 4 * MAXIMUM_PIXELS
"""No PNG of so many pixels is larger."""

PIXELATED_SIDE = 64
"""Images up to this resolution are shown with their pixels as squares."""


@dataclass(frozen=True)
class EmbeddedPicture:
    """An image as it stands in the page.

    Attributes:
        uri: `data:image/webp;base64,...`.
        width: In pixels.
        height: In pixels.
        pixelated: Whether its pixels are those of small images, to be shown as squares.
    """

    uri: str
    width: int
    height: int
    pixelated: bool


def digest_of(path: Path) -> str | None:
    """A short name of a file's content, or None if it cannot be read."""
    content = read_bytes(path, MAXIMUM_FILE_BYTES)
    return None if content is None else hashlib.sha256(content).hexdigest()[:16]


def read_picture(path: Path) -> Image.Image | None:
    """A PNG as RGB, or None if it is none, damaged, or too large."""
    content = read_bytes(path, MAXIMUM_FILE_BYTES)
    if content is None:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width * image.height > MAXIMUM_PIXELS:
                return None
            return opaque(image)  # with its `info`: where the rows of a grid are
    except Exception:  # noqa: BLE001  decoders raise anything on hostile bytes
        return None


def encoded_sheet(
    path: Path, *, resolution: Resolution | None, side: int
) -> EmbeddedPicture | None:
    """A grid of samples, as many tiles of it as can be seen at `side` pixels.

    Args:
        path: A file of a run's `samples`.
        resolution: Of one image, or None if it is not known.
        side: Pixels of the result, at most.

    Returns:
        The picture, or None if the file is no usable image.
    """
    image = read_picture(path)
    if image is None:
        return None
    sheet, native = _cut(image, resolution, side)
    small = _fitted(sheet, side)
    return _encoded(
        small,
        pixelated=native
        and small.size == sheet.size
        and resolution is not None
        and max(resolution) <= PIXELATED_SIDE,
    )


def encoded_picture(path: Path, *, side: int) -> EmbeddedPicture | None:
    """Any picture of a run, at most `side` pixels in both directions; None if it is no usable image."""
    image = read_picture(path)
    return None if image is None else _encoded(_fitted(image, side), pixelated=False)


def _cut(image: Image.Image, resolution: Resolution | None, side: int) -> tuple[Image.Image, bool]:
    """The upper left tiles at their own size; as it is where it is no grid of such tiles."""
    if resolution is None:
        return image, False
    rows = grid_rows(image, resolution=resolution)
    if not rows:
        return image, False
    height, width = resolution
    shown = max(3, min(GRID_COLUMNS, side // max(resolution)))
    across, down = shown, min(shown, rows)
    sheet = Image.new("RGB", (across * width, down * height))
    for row in range(down):
        for column in range(across):
            tile = grid_tile(image, row, column, resolution=resolution)
            sheet.paste(tile, (column * width, row * height))
    return sheet, True


def _fitted(image: Image.Image, side: int) -> Image.Image:
    if max(image.size) <= side:
        return image
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, *, pixelated: bool) -> EmbeddedPicture:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=84, method=4)
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return EmbeddedPicture(
        f"data:image/webp;base64,{content}", image.width, image.height, pixelated
    )
