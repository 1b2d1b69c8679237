"""`adavit memorisation`."""

from pathlib import Path
from typing import Any

import click

from adavit.diagnostics import memorisation, summarise_memorisation
from adavit.metrics.extractor_choice import EXTRACTORS
from cli.consoles import console_for


@click.command()
@click.argument("source")
@click.option("--data", help="Real images. [those the run was trained on]")
@click.option("--fakes", type=click.IntRange(min=1), help="Generated images. [as in training]")
@click.option(
    "--extractor",
    metavar="NAME",
    help=f"Feature network, of {', '.join(EXTRACTORS)}. FILE is a state dict. [the run's]",
)
@click.option(
    "--inception-weights", type=click.Path(path_type=Path), help="Inception's weights as a file."
)
@click.option("--which", type=click.Choice(["best", "last"]), help="Generator of a run. [best]")
@click.option("--seed", type=click.IntRange(min=0), help="Start of the random stream. [the run's]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [RUN/diagnostics]")
@click.option(
    "--data-root", type=click.Path(path_type=Path), help="Where downloaded sets are kept."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
)
def command(source: str, **options: Any) -> None:
    """Find the training images that generated ones come closest to.

    SOURCE is a run, a generator file, or a folder or zip of generated images. How near its images come
    to the training images, in feature space and in pixels, is held against how near other real images
    come. Also lists images that the data hold twice.

    Writes memorisation.json and closest_pairs.png.

    \b
    adavit memorisation runs/00000-small_set-resnet-bgc
    adavit memorisation my_fakes.zip --data my_photos.zip --out diagnosis
    """  # noqa: D301  click looks for the character itself
    with console_for(err=True) as console:
        record = memorisation(source, console=console, **options)
    click.echo(summarise_memorisation(record))
