"""`interpolate`: a film that leads through the images of seeds, or of styles, and ends where it began."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from PIL import Image

from adavit.errors import UserError
from adavit.exploring.explorer import Explorer
from adavit.exploring.loops import Loop, closed_spline, great_circles
from adavit.generation.grid import image_grid
from adavit.generation.provenance import before_training, described, refuse_inside_data
from adavit.generation.sampling import part_size
from adavit.runtime.choices import check_choice, check_scale
from adavit.runtime.console import Console, console_or_here
from adavit.runtime.films import film_at
from adavit.runtime.paths import each_path, takes_paths
from adavit.runtime.wording import size
from adavit.styles.change import StyleChange
from adavit.styles.classes import LabelsOfSeeds
from adavit.styles.numbers import DirectionStep, integers
from adavit.styles.requested_change import requested_change
from adavit.styles.styles_file import read_styles

Space = Literal["w", "z"]

SECONDS_PER_SEED = 2.0
SEEN_SIDE = 256
"""Pixels up to which the images of a film are enlarged."""


@takes_paths("source", "out", "styles")
def interpolate(
    source: Path | str,
    seeds: Sequence[int],
    out: Path | str,
    *,
    styles: Path | str | Sequence[Path | str] = (),
    seconds: float | None = None,
    fps: int = 30,
    space: Space = "w",
    truncation: float = 1.0,
    steps: Sequence[DirectionStep | str] = (),
    class_name: str | int | None = None,
    labels: LabelsOfSeeds | None = None,
    grid: tuple[int, int] = (1, 1),
    scale: int | None = None,
    which: str | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> Path:
    """Writes a closed loop through the images of seeds, with the fixed noise of the generator.

    Examples:
        >>> adavit.interpolate("runs/00000-small_set-resnet-bgc", [3, 14, 15], "loop.mp4")
        PosixPath('loop.mp4')

    Args:
        source: A run directory or a generator file.
        seeds: The knots of the loop, of several loops those of the first one first; with those of `styles`, which
            come after them, at least two for each loop.
        out: A name in .mp4 (needs the extra `video`), .gif or .webp, or a folder for PNG files. What is
            transparent stays so in WebP and PNG, is so or not in GIF, and lies on a chequered ground in MP4.
        styles: A file of styles, a folder of them, as `adavit project` writes them, or several of these.
        seconds: Length of the film; None is `SECONDS_PER_SEED` for each knot of a loop.
        fps: Frames per second.
        space: "w" leads through styles along a closed cubic spline, "z" through latents along great circles.
        truncation: 1 is none; smaller is nearer to the average.
        steps: Along directions that `adavit directions` has found, added throughout, as "FILE:NUMBER=AMOUNT".
        class_name: Class by name or number, for a conditional generator; None draws it by the seed, and w
            leads from class to class.
        labels: How it is drawn then; see `adavit.styles.classes.choose_class`.
        grid: Columns and rows of several loops at once.
        scale: How many pixels each becomes in both directions; None enlarges up to `SEEN_SIDE`.
        which: "best" or "last" generator of a run; None is the best.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told of the progress; None shows a bar at a terminal or in a notebook.

    Returns:
        What was written.

    Raises:
        UserError: If there is no such generator, class, direction or file of styles, seeds and styles do not share
            out among the loops, or the film cannot be written as `out` asks for.
    """
    check_choice("--space", space, get_args(Space))
    if fps < 1 or not 0 < (1 if seconds is None else seconds) < math.inf:
        raise UserError(
            f"--fps is {fps} and --seconds {seconds}, expected at least 1 frame a second for some seconds. Correct"
            " them."
        )
    check_scale(scale)
    film = film_at(Path(out), fps)
    seeds = integers(seeds)
    columns, rows = grid
    if not styles:
        _knots_of_each(len(seeds), columns, rows)  # before a generator is read
    elif space == "z":
        raise UserError(
            "--space z leads through latents, but --styles names styles, which have none. Leave one of them out."
        )
    with console_or_here(console) as console:
        explorer = Explorer.open(
            source, which=which, class_name=class_name, labels=labels, device=device
        )
        stored = explorer.stored
        named = read_styles(each_path(styles), stored, console)
        knots = _knots_of_each(len(seeds) + len(named), columns, rows)
        frames = max(2, round((SECONDS_PER_SEED * knots if seconds is None else seconds) * fps))
        refuse_inside_data(film.path, stored)
        change = requested_change(
            stored, explorer.choice, truncation=truncation, steps=steps, console=console
        )
        if space == "w":
            w = [explorer.styles(seeds, change)] if seeds else []
            if named:
                w.append(explorer.changed(torch.stack([each.w for each in named]), change))
            cells = columns * rows
            loop = closed_spline(torch.cat(w).unflatten(0, (cells, knots)).transpose(0, 1))
        else:
            loop = _circles(explorer, seeds, knots, change)
        resolution = explorer.generator.resolution
        enlarged = scale or max(1, SEEN_SIDE // max(resolution))
        blank = torch.zeros(columns * rows, 3, *resolution, dtype=torch.uint8)
        width, height = image_grid(blank, columns=columns, scale=enlarged).size
        film.check(frames, width, height)
        film.write(_frames(explorer, loop, knots, frames, console, columns=columns, scale=enlarged))
        warning = before_training(stored)
        if warning:
            console.note(warning)
        written = size(film.path.stat().st_size) if film.path.is_file() else "PNG files"
        console.result(
            f"Wrote {film.path}, {frames} frames of {width}x{height} px in {frames / fps:g} s"
            f" ({written}): {described(stored)}."
        )
    return film.path


def _knots_of_each(count: int, columns: int, rows: int) -> int:
    """Seeds of each loop.

    Raises:
        UserError: If they do not share out, or are fewer than two.
    """
    loops = columns * rows
    if count % loops or count < 2 * loops:
        need = f"a multiple of {loops} for --grid {columns}x{rows}, at least {2 * loops}"
        raise UserError(
            f"--seeds and --styles name {count}, expected {need if loops > 1 else 'at least 2'}. Name for example"
            f" --seeds 0-{3 * loops - 1}."
        )
    return count // loops


def _circles(explorer: Explorer, seeds: list[int], knots: int, change: StyleChange) -> Loop:
    """Styles [F, cells, L, W] of all loops at times [F], by way of latents."""
    cells = len(seeds) // knots
    classes = set(explorer.classes(seeds))
    if len(classes) > 1:
        raise UserError(
            f"--space z keeps the class, but --seeds draws {len(classes)} classes. Name one with --class, or leave"
            " --space z out."
        )
    (index,) = classes
    latents = explorer.latents(seeds).unflatten(0, (cells, knots)).transpose(0, 1)
    circles = great_circles(latents)
    return lambda times: explorer.mapped(circles(times).flatten(0, 1), index, change).unflatten(
        0, (len(times), cells)
    )


def _frames(
    explorer: Explorer,
    loop: Loop,
    knots: int,
    frames: int,
    console: Console,
    *,
    columns: int,
    scale: int,
) -> Iterator[Image.Image]:
    times = torch.arange(frames, dtype=torch.float64) * (knots / frames)
    cells = loop(times[:1]).shape[1]
    done = 0
    for part in times.split(max(1, part_size(explorer.generator) // cells)):
        images = explorer.images(loop(part).flatten(0, 1))
        for frame in images.split(cells):
            yield image_grid(frame, columns=columns, scale=scale)
            done += 1
            console.activity("frame", done, frames)
