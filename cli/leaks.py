"""`adavit leaks`."""

from pathlib import Path
from typing import Any

import click

from adavit.diagnostics import leaks, summarise_leaks
from cli.consoles import console_for


@click.command()
@click.argument("source")
@click.option("--data", help="Real images. [those the run was trained on]")
@click.option("--operations", help="What to look for: rotate,brightness. [what the run used]")
@click.option("--augment", help="What to look for, as a preset: blit, geom, color, bgc, ...")
@click.option("--fakes", type=click.IntRange(min=1), help="Generated images. [as in training]")
@click.option("--which", type=click.Choice(["best", "last"]), help="Generator of a run. [best]")
@click.option("--seed", type=click.IntRange(min=0), help="Start of the random stream. [the run's]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder. [RUN/diagnostics]")
@click.option(
    "--data-root", type=click.Path(path_type=Path), help="Where downloaded sets are kept."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
)
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
