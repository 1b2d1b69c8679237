"""`adavit interpolate`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.cli.finite_range import FiniteRange
from adavit.generation.grid_layout import GridLayout
from adavit.runtime.films import film_at
from adavit.styles.numbers import parse_seeds


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--seeds",
    help="Seeds that the film leads through in their order, with --styles at least two: 3,14,15 or 0-7.",
)
@options.styles
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help='The film, in .mp4 (needs pip install "adavit[video]"), .gif or .webp; or a folder for PNG files.',
)
@click.option(
    "--seconds",
    type=FiniteRange(0.1, 3600),
    help="Length of the film.  [default: 2 for each seed or style of a loop]",
)
@click.option(
    "--fps",
    type=click.IntRange(1, 120),
    default=30,
    show_default=True,
    help="Frames per second; at most 50 for a GIF.",
)
@click.option(
    "--space",
    type=click.Choice(["w", "z"]),
    default="w",
    show_default=True,
    help="A smooth curve through styles w, or great circles through latents z.",
)
@options.truncation
@options.direction_steps
@options.class_name
@options.labels
@click.option(
    "--grid",
    metavar="COLUMNSxROWS",
    help="Several loops at once, which share the seeds evenly; for example --grid 3x2 --seeds 0-17.",
)
@options.scale("the film", "what brings an image to 256 px")
@options.which
@options.device
@amount
def command(
    source: str, seeds: str | None, out: Path, fps: int, grid: str | None, **given: Any
) -> None:
    """Film a closed loop through the images of seeds of SOURCE: a run or a generator file.

    The noise at each pixel stays the same. What is transparent stays so in WebP and PNG, is so or not
    in GIF, and lies on a chequered ground in MP4.

    \b
    adavit interpolate runs/00000-small_set-resnet-bgc --seeds 3,14,15 --out loop.mp4
    adavit interpolate runs/00000-small_set-resnet-bgc --seeds 0-17 --grid 3x2 --seconds 4 --out loops.webp
    adavit interpolate runs/00000-small_set-resnet-bgc --seeds 3 --styles projected/photo --out to-my-photo.gif
    """
    numbers = [] if seeds is None else parse_seeds(seeds)
    film_at(out, fps)  # mistakes first: torch takes seconds
    if grid is not None:
        layout = GridLayout.parse(grid, scale=None, captions=False)
        given["grid"] = (layout.columns or 1, layout.rows or 1)
    from adavit.exploring.interpolate import interpolate

    given = {key: value for key, value in given.items() if value is not None}
    with console_for() as console:
        interpolate(source, numbers, out, fps=fps, console=console, **given)
