"""`adavit leaks`."""

from typing import Any

import click

from adavit.cli import options
from adavit.cli.consoles import console_for
from adavit.diagnostics.leaks.diagnosis import leaks, summarise_leaks


@click.command()
@click.argument("source")
@options.diagnostics_data
@click.option(
    "--operations",
    callback=options.words,
    help="What to look for: rotate,brightness. [what the run used]",
)
@click.option("--augment", help="What to look for, as a preset: blit, geom, color, bgc, ...")
@options.diagnostics_fakes
@options.which
@options.diagnostics_place
def command(source: str, **given: Any) -> None:
    """Estimate how many generated images show an augmentation.

    SOURCE is a run, a generator file, or a folder or zip of generated images. For each operation a small
    network learns from real images to see it; its alarms on generated images are corrected by its
    errors on other real images. Takes about half a minute per operation on a CPU.

    Writes leaks.json and leaks.png.

    \b
    adavit leaks runs/00000-small_set-resnet-bgc
    adavit leaks my_fakes.zip --data my_photos.zip --augment bgc --out diagnosis
    """  # noqa: D301  click looks for the character itself
    with console_for(err=True) as console:
        record = leaks(source, console=console, **given)
    click.echo(summarise_leaks(record))
