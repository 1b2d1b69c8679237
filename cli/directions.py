"""`adavit directions`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.cli.finite_range import FiniteRange
from adavit.styles.numbers import parse_layers, parse_seeds


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--method",
    type=click.Choice(["sefa", "pca"]),
    default="sefa",
    show_default=True,
    help="What the weights respond to most, or what styles vary in most.",
)
@click.option(
    "--layers",
    help="Layers that move: 0-3 shape the whole, the last ones details and colours.  [default: all]",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="How many directions, the strongest first.",
)
@click.option(
    "--seeds", default="0", show_default=True, help="Whose images are moved: 0, or 3,5-7."
)
@click.option(
    "--reach",
    type=FiniteRange(0, 100, min_open=True),
    default=3.0,
    show_default=True,
    help="How far the strips go to either side, in standard deviations.",
)
@click.option(
    "--images",
    type=click.IntRange(2, 101),
    default=7,
    show_default=True,
    help="Images in a strip.",
)
@click.option(
    "--out",
    default="directions",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for directions.safetensors and strips.png.",
)
@options.truncation
@options.class_name
@options.labels
@options.scale("the strips", "what brings an image to 64 px")
@options.which
@options.device
@amount
def command(source: str, layers: str | None, seeds: str, **given: Any) -> None:
    """Find directions that change the images of SOURCE, a run or a generator file, and show them.

    generate and interpolate take them as --direction directions/directions.safetensors:2=1.5: number 2, by
    1.5 standard deviations of what the generator draws by itself.

    \b
    adavit directions runs/00000-small_set-resnet-bgc
    adavit directions runs/00000-small_set-resnet-bgc --method pca --layers 0-3 --count 8 --out shapes
    """
    numbers = parse_seeds(seeds)
    given["layers"] = None if layers is None else parse_layers(layers)
    from adavit.exploring.directions import directions

    given = {key: value for key, value in given.items() if value is not None}
    with console_for() as console:
        directions(source, seeds=numbers, console=console, **given)
