"""The film of a training: the sample grids of a run one after the other, as a GIF."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from adavit.runs.directory import RunDirectory
from adavit.runtime.files import write_bytes
from adavit.runtime.pictures import film_frame, opaque, result_film
from adavit.runtime.thinning import evenly_spread

MOST_FRAMES = 48
"""Evenly spread over the grids, the first and the last among them: a film of some megabytes can be mailed."""

LARGEST_GRID = 100_000_000
"""Pixels of a grid that is read."""


def draw_film(directory: RunDirectory) -> None:
    """Draws the film of the sample grids there are; grids that cannot be read are left out, one alone is no film.

    Args:
        directory: Of the run; the film goes to its `film`.

    Raises:
        OSError: If it cannot be written.
    """
    grids = list(directory.sample_grids().items())
    shown = [grids[position] for position in evenly_spread(len(grids), MOST_FRAMES)]
    frames = list(_frames(shown))
    if len(frames) > 1:
        write_bytes(directory.film, result_film(frames))


def _frames(grids: Sequence[tuple[float, Path]]) -> Iterator[Image.Image]:
    """Frames of one size, that of the first."""
    size = None
    for kimg, path in grids:
        grid = _read(path)
        if grid is None or size not in (None, grid.size):
            continue
        size = grid.size
        yield film_frame(grid, f"{kimg:g} kimg")


def _read(path: Path) -> Image.Image | None:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > LARGEST_GRID:
                return None
            return opaque(image)
    except Exception:  # noqa: BLE001  decoders raise anything on hostile bytes
        return None
