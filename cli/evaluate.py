"""`adavit evaluate`."""

import json
from pathlib import Path
from typing import Any

import click

from adavit.evaluate import evaluate
from cli.consoles import console_for


@click.command()
@click.argument("source")
@click.option("--data", help="Real images to compare with. [the run's]")
@click.option("--metrics", default="fid,kid", show_default=True, help="Of fid,kid.")
@click.option(
    "--extractor",
    type=click.Choice(["auto", "inception", "random"]),
    default="auto",
    show_default=True,
)
@click.option(
    "--inception-weights", type=click.Path(path_type=Path), help="Inception's weights as a file."
)
@click.option("--fakes", type=click.IntRange(min=2), help="Generated images. [as in training]")
@click.option("--which", type=click.Choice(["best", "last"]), help="Generator of a run. [best]")
@click.option("--truncation", type=click.FloatRange(0, 2), help="1 is none. [1]")
@click.option("--seed", type=click.IntRange(min=0), help="Start of the random stream. [the run's]")
@click.option(
    "--data-root", type=click.Path(path_type=Path), help="Where downloaded sets are kept."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
)
def command(metrics: str, source: str, **options: Any) -> None:
    """Score SOURCE: a run, a generator file, or a folder or zip of images.

    Prints one JSON record: the figures, and the protocol they were measured under.
    """
    names = [part.strip() for part in metrics.split(",") if part.strip()]
    with console_for(err=True) as console:
        record = evaluate(source, metrics=names, console=console, **options)
    click.echo(json.dumps(record, indent=2))
