"""`adavit import`."""

from pathlib import Path
from typing import Literal

import click

from adavit.cli import completion
from adavit.cli.consoles import amount, console_for


@click.command()
@click.argument("file", type=click.Path(path_type=Path), shell_complete=completion.files)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="New folder to write to."
)
@click.option(
    "--only",
    type=click.Choice(["generator", "discriminator"]),
    help="The one network that is taken.  [default: all that there are]",
)
@amount
def command(file: Path, out: Path, only: Literal["generator", "discriminator"] | None) -> None:
    """Bring in FILE: a network pickle of StyleGAN2 or StyleGAN2-ADA, without running what is in it.

    PyTorch's form and TensorFlow's are read. A new folder gets the generator, the discriminator and a
    README with where they are from; generate, evaluate and train --transfer take it. NVIDIA's own weights
    are for non-commercial use.

    \b
    adavit import ffhq.pkl --out ffhq
    adavit generate ffhq --seeds 0-31 --truncation 0.7 --out drawn --grid
    adavit train --data my_photos.zip --transfer ffhq
    """
    from adavit.importing.import_networks import import_networks

    with console_for() as console:
        import_networks(file, out, only=only, console=console)
