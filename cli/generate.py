"""`adavit generate`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.errors import UserError
from adavit.generation.grid_layout import GridLayout
from adavit.styles.numbers import MOST_CENTRES, parse_seeds


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--seeds",
    help="Seeds of the images: 0-63,100, below 2^64. A seed gives one image, but for rounding on another device.",
)
@options.styles
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@options.truncation
@click.option(
    "--truncation-centres",
    type=click.IntRange(1, MOST_CENTRES),
    metavar="K",
    help="Truncate towards the nearest of K centres of styles, which keeps kinds apart.  [default: one average]",
)
@options.direction_steps
@options.class_name
@options.labels
@options.noise_of_seeds
@options.which
@click.option(
    "--grid",
    is_flag=False,
    flag_value="",
    metavar="[COLUMNSxROWS]",
    help="Also write all images as one, grid.png; for example --grid 8x4.",
)
@options.scale("the grid", "what brings an image to 64 px")
@click.option(
    "--unstretch",
    is_flag=True,
    help="Resize to the shape that the images of the training had before --fit stretch.",
)
@click.option("--captions", is_flag=True, help="Write seed and class below the images of the grid.")
@options.device
@amount
def command(
    seeds: str | None,
    source: str,
    grid: str | None,
    scale: int | None,
    captions: bool,
    **given: Any,
) -> None:
    """Draw images from SOURCE: a run or a generator file.

    \b
    adavit generate runs/00000-small_set-resnet-bgc --seeds 0-31 --out drawn
    adavit generate runs/00000-small_set-resnet-bgc --seeds 0-31 --out drawn --grid 8x4 --scale 4 --captions
    adavit generate runs/00000-small_set-resnet-bgc --seeds 0-31 --out drawn --truncation 0.6 --truncation-centres 16
    adavit generate runs/00000-small_set-resnet-bgc --styles projected --out mine --direction f.safetensors:0=2
    adavit generate runs/00000-small_set-resnet-bgc --seeds 5 --out one --direction shapes/directions.safetensors:2=1.5
    """
    numbers = [] if seeds is None else parse_seeds(seeds)
    if grid is None and (scale is not None or captions):
        raise UserError(
            "--scale and --captions change the grid, but --grid is not given. Add --grid."
        )
    layout = None if grid is None else GridLayout.parse(grid, scale=scale, captions=captions)
    from adavit.generation.generate import generate

    given = {key: value for key, value in given.items() if value is not None}
    with console_for() as console:
        generate(source, numbers, grid=layout, console=console, **given)
