"""`adavit generate`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import options
from adavit.errors import UserError
from adavit.generation.seeds import parse_seeds
from adavit.runtime.wording import counted


@click.command()
@click.argument("source")
@click.option("--seeds", required=True, help="Which images: 0-63, or 1,5,7-9.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--truncation", type=click.FloatRange(0, 2), default=1.0, show_default=True, help="1 is none."
)
@click.option("--class", "class_name", help="Class by name or number. [drawn by the seed]")
@click.option(
    "--labels",
    type=click.Choice(["shares", "even"]),
    default="shares",
    show_default=True,
    help="How classes are drawn: as often as in the training images, or all alike.",
)
@options.which
@click.option(
    "--grid",
    is_flag=False,
    flag_value="",
    metavar="[COLUMNSxROWS]",
    help="Also write all of them as grid.png, for example 8x4.",
)
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="Pixels that each one becomes in the grid. [fits 64 px]",
)
@click.option("--captions", is_flag=True, help="Write seed and class below the images of the grid.")
@options.device
def command(
    seeds: str, source: str, grid: str | None, scale: int | None, captions: bool, **given: Any
) -> None:
    """Draw images from SOURCE: a run or a generator file.

    \b
    adavit generate runs/00000-small_set-resnet-bgc --seeds 0-31 --out drawn
    adavit generate RUN --seeds 0-31 --out drawn --grid 8x4 --scale 4 --captions
    """  # noqa: D301  click looks for the character itself
    numbers = parse_seeds(seeds)
    if grid is None and (scale is not None or captions):
        raise UserError(
            "--scale and --captions are about the grid, but --grid is not given. Add --grid."
        )
    from adavit.generation.generate import generate
    from adavit.generation.grid import GridLayout

    layout = None if grid is None else GridLayout.parse(grid, scale=scale, captions=captions)
    written = generate(source, numbers, grid=layout, **given)
    click.echo(f"Wrote {counted(len(written), 'file', 'files')} to {given['out']}.")
