"""`adavit inspect`."""

from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for, say_written


@click.command()
@click.argument("source", metavar="RUN|FILE", shell_complete=completion.runs)
@options.diagnostics_data
@click.option(
    "--images",
    type=click.IntRange(min=1),
    help="Largest number of images of each kind.  [default: 1000]",
)
@options.diagnostics_place
@amount
def command(source: str, **given: Any) -> None:
    """Show what a discriminator looks at.

    RUN is a run directory, FILE the checkpoint.pt of one. For a vision transformer it shows
    attention rollout, distance, entropy and largest logit, similarity of the tokens, position and patch
    embedding; for every discriminator the logits of training, held-out and generated images, and input
    saliency; of a critic on frozen features (--features of adavit train) what each head says, and of which
    places. It warns of collapse.

    Writes pictures and inspection.json.

    \b
    adavit inspect runs/00000-small_set-vit-bgc
    adavit inspect runs/00000-small_set-vit-bgc --data my_photos.zip --out looks
    """
    from adavit.diagnostics.discriminator.inspected_images import open_inspection
    from adavit.diagnostics.discriminator.inspection import INSPECTION, inspect
    from adavit.diagnostics.discriminator.summary import summarise_inspection

    with console_for(err=True) as console:
        inspection = open_inspection(source, console=console, **given)
        record = inspect(inspection)
    click.echo(summarise_inspection(record))
    say_written(inspection.folder, [INSPECTION, *record["pictures"]])
