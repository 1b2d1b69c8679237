"""`adavit card`."""

from pathlib import Path

import click

from adavit.cli import completion, options
from adavit.cli.consoles import say_written


@click.command()
@click.argument("source", shell_complete=completion.runs)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to.  [default: card, beside the generator file]",
    shell_complete=completion.files,
)
@options.which
@click.option(
    "--license",
    help="Licence of the generator as hubs call it, such as cc-by-4.0.  [default: that of the card there, or none]",
)
def command(source: str, out: Path | None, which: str | None, license: str | None) -> None:
    """Write the page of a generator for a hub of models.

    SOURCE is a run or a generator file. README.md has samples, the figures of these very weights with
    their protocol, fingerprint and counts of the images (no names of files), settings, source weights
    and licences, the copy check if adavit memorisation was run, and how to load the generator with
    torch and safetensors alone.

    Writes README.md, samples.png and adavit.json.

    \b
    adavit card runs/00000-small_set-resnet-bgc
    adavit card generator-best.safetensors --license cc-by-4.0 --out my_card
    """
    from adavit.publishing.card import card

    written = card(source, out, which=which, license=license)
    say_written(written[0].parent, [path.name for path in written])
