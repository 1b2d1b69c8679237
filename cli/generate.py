"""`adavit generate`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.errors import UserError
from adavit.generation.grid_layout import GridLayout
from adavit.styles.numbers import parse_seeds


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--seeds",
    required=True,
    help="Seeds of the images: 0-63, or 1,5,7-9. A seed gives one image, but for rounding on another device.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@options.truncation
@click.option(
    "--class",
    "class_name",
    help="Class by name or number, for all images.  [default: drawn by the seed]",
)
@click.option(
    "--labels",
    type=click.Choice(["shares", "even"]),
    help="How classes are drawn: as often as in the training images, or all with equal chance.  [default: shares]",
)
@click.option(
    "--noise",
    type=click.Choice(["seed", "fixed", "none"]),
    default="seed",
    show_default=True,
    help="Noise at each pixel, where the generator has any: by the seed, the same for all, or none.",
)
@options.which
@click.option(
    "--grid",
    is_flag=False,
    flag_value="",
    metavar="[COLUMNSxROWS]",
    help="Also write all images as one, grid.png; for example --grid 8x4.",
)
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="Side of a square that each pixel becomes in the grid.  [default: what brings an image to 64 px]",
)
@click.option("--captions", is_flag=True, help="Write seed and class below the images of the grid.")
@options.device
@amount
def command(
    seeds: str, source: str, grid: str | None, scale: int | None, captions: bool, **given: Any
) -> None:
    """Draw images from SOURCE: a run or a generator file.

    \b
    adavit generate runs/00000-small_set-resnet-bgc --seeds 0-31 --out drawn
    adavit generate runs/00000-small_set-resnet-bgc --seeds 0-31 --out drawn --grid 8x4 --scale 4 --captions
    """
    numbers = parse_seeds(seeds)
    if grid is None and (scale is not None or captions):
        raise UserError(
            "--scale and --captions change the grid, but --grid is not given. Add --grid."
        )
    layout = None if grid is None else GridLayout.parse(grid, scale=scale, captions=captions)
    from adavit.generation.generate import generate

    given = {key: value for key, value in given.items() if value is not None}
    with console_for() as console:
        generate(source, numbers, grid=layout, console=console, **given)
