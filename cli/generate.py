"""`adavit generate`."""

from pathlib import Path
from typing import Any

import click

from adavit.cli import options
from adavit.generation.generate import generate, parse_seeds


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
@click.option("--grid", is_flag=True, help="Also write grid.png.")
@options.device
def command(seeds: str, source: str, **given: Any) -> None:
    """Draw images from SOURCE: a run or a generator file."""
    written = generate(source, parse_seeds(seeds), **given)
    click.echo(f"Wrote {len(written)} files to {given['out']}.")
