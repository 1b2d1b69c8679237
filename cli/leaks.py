"""`adavit leaks`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from adavit.augment.presets import DIFFAUG, PRESETS
from adavit.augment.settings import OPERATIONS
from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for, say_written
from adavit.diagnostics.leaks.operation_names import check_operations, check_preset
from adavit.errors import UserError


@click.command()
@click.argument("source", shell_complete=completion.runs)
@options.diagnostics_data
@click.option(
    "--operations",
    callback=options.words,
    help="Operations to look for, for example rotate,brightness.  [default: those that the run used]",
    metavar="NAME,...",
    shell_complete=partial(completion.choices, OPERATIONS),
)
@click.option(
    "--augment",
    help=f"Operations to look for, as a preset: {', '.join((*PRESETS, DIFFAUG))}.",
    metavar="NAME",
    shell_complete=partial(completion.choices, (*PRESETS, DIFFAUG)),
)
@options.diagnostics_fakes
@options.which
@options.diagnostics_place
@amount
def command(
    source: str, operations: Sequence[str] | None, augment: str | None, **given: Any
) -> None:
    """Estimate how many generated images show an augmentation.

    SOURCE is a run, a generator file, or a folder or zip of generated images. For each operation a small
    network learns from real images to see it; its alarms on generated images are corrected by its
    errors on other real images. Takes one to two minutes per operation on a CPU.

    Writes leaks.json and leaks.png.

    \b
    adavit leaks runs/00000-small_set-resnet-bgc
    adavit leaks my_fakes.zip --data my_photos.zip --augment bgc --out diagnosis
    """
    if operations is not None and augment is not None:
        raise UserError(
            "--operations and --augment were both given, expected one of them. Leave one out."
        )
    if operations is not None:
        check_operations(operations)
    if augment is not None:
        check_preset(augment)
    from adavit.diagnostics.diagnosed_images import open_diagnosis
    from adavit.diagnostics.leaks.diagnosis import leaks, summarise_leaks
    from adavit.runs.directory import DiagnosticsFolder

    with console_for(err=True) as console:
        diagnosis = open_diagnosis(source, console=console, **given)
        record = leaks(diagnosis, operations=operations, augment=augment)
    click.echo(summarise_leaks(record))
    files = DiagnosticsFolder(diagnosis.folder)
    say_written(files.path, [files.leaks.name, files.leak_rates.name])
