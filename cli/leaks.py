"""`adavit leaks`."""

from typing import Any

import click

from adavit.cli import source_options
from adavit.cli.consoles import console_for
from adavit.diagnostics.leaks.diagnosis import leaks
from adavit.diagnostics.leaks.summary import summarise_leaks


@click.command()
@click.argument("source")
@source_options.diagnostics_data
@click.option("--operations", help="What to look for: rotate,brightness. [what the run used]")
@click.option("--augment", help="What to look for, as a preset: blit, geom, color, bgc, ...")
@source_options.diagnostics_fakes
@source_options.which
@source_options.seed
@source_options.diagnostics_out
@source_options.data_root
@source_options.device
def command(source: str, operations: str | None, **options: Any) -> None:
    """Estimate how many generated images show an augmentation.

    SOURCE is a run, a generator file, or a folder or zip of generated images. For each operation a small
    network learns from real images to see it; its alarms on generated images are corrected by its
    errors on other real images. Takes about half a minute per operation on a CPU.

    Writes leaks.json and leaks.png.

    \b
    adavit leaks runs/00000-small_set-resnet-bgc
    adavit leaks my_fakes.zip --data my_photos.zip --augment bgc --out diagnosis
    """  # noqa: D301  click looks for the character itself
    names = None
    if operations is not None:
        names = [part.strip() for part in operations.split(",") if part.strip()]
    with console_for(err=True) as console:
        record = leaks(source, operations=names, console=console, **options)
    click.echo(summarise_leaks(record))
