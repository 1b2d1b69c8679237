"""`adavit mix`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.styles.numbers import parse_layers, parse_seeds


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option("--rows", required=True, help="Seeds of the rows: 1-6, or 1,5,7-9.")
@click.option("--columns", required=True, help="Seeds of the columns.")
@click.option(
    "--layers",
    required=True,
    help="Layers whose styles come from the column: 0-3 shape the whole, the last ones details and colours.",
)
@click.option(
    "--out",
    default="mix.png",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The sheet, a PNG file.",
)
@options.truncation
@options.class_name
@options.labels
@options.noise_of_seeds
@options.scale("the sheet", "what brings an image to 64 px")
@options.which
@options.device
@amount
def command(source: str, rows: str, columns: str, layers: str, **given: Any) -> None:
    """Draw images with some layers' styles from other seeds, for SOURCE: a run or a generator file.

    The first row and the first column of the sheet show the seeds themselves. Every other image takes the
    styles of the layers from its column, all else from its row.

    \b
    adavit mix runs/00000-small_set-resnet-bgc --rows 1-6 --columns 10-15 --layers 0-3
    """
    seeds_of_rows = parse_seeds(rows, flag="--rows")
    seeds_of_columns = parse_seeds(columns, flag="--columns")
    numbers = parse_layers(layers)
    from adavit.exploring.mix import mix

    given = {key: value for key, value in given.items() if value is not None}
    with console_for() as console:
        mix(source, seeds_of_rows, seeds_of_columns, numbers, console=console, **given)
