"""`adavit train`."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.cli.grouped import GroupedCommand
from adavit.config.layers import Values, build_config, preset_names
from adavit.data.known_names import check_source
from adavit.errors import UserError
from adavit.runtime.launch import QUIET, check_processes_meet, launch
from adavit.runtime.place import Place
from adavit.runtime.slurm import told_by_srun
from adavit.runtime.time_spans import process_began

_BEGAN = "ADAVIT_BEGAN"
"""Environment variable by which the processes of a run know when the command was typed."""


@click.command(cls=GroupedCommand)
@options.data
@options.setting("--out")
@options.setting("--kimg")
@options.setting("--budget")
@options.setting("--discriminator")
@options.setting("--features")
@options.setting("--init-discriminator")
@options.image_settings
@options.setting("--cond/--no-cond")
@options.setting("--mirror/--no-mirror")
@options.setting("--augment")
@options.setting("--aug")
@options.setting("--p")
@options.setting("--heuristic")
@options.setting("--target")
@options.setting("--extra")
@options.setting("--transfer")
@options.setting("--freeze-d")
@options.setting("--batch")
@options.setting("--microbatch")
@options.setting("--memory")
@options.setting("--precision")
@options.setting("--compile/--no-compile")
@options.setting("--deterministic/--no-deterministic")
@options.setting("--fast-reduce/--no-fast-reduce")
@options.setting("--metrics")
@options.setting("--extractor")
@options.setting("--inception-weights")
@options.setting("--fakes")
@options.setting("--metric-data")
@options.setting("--patience")
@options.run_settings
@options.setting("--keep", metavar="N[,every:KIMG]")
@click.option(
    "--preset",
    metavar="NAME",
    shell_complete=completion.presets,
    help="Settings shipped with adavit: " + ", ".join(preset_names()) + ".",
)
@options.config
@options.assignments("One setting, for example --set training.r1_gamma=0.1; may be repeated.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    shell_complete=completion.runs,
    help="Continue the run in this directory; on a CPU it ends with the bits of one that was never stopped.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Processes of this machine that train together, one for each GPU. The weights are those that one"
    " process would have with the same --microbatch.  [default: 1]",
)
@click.option(
    "--max-restarts",
    type=click.IntRange(min=0),
    help="How often all of them start anew from the checkpoint where one fails.  [default: 0]",
)
@click.option(
    "--dry-run", is_flag=True, help="Print settings, parameters, memory and time; train nothing."
)
@amount
def command(
    preset: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: Path | None,
    processes: int | None,
    max_restarts: int | None,
    dry_run: bool,
    **settings: Any,
) -> None:
    """Train a GAN on a folder, a zip or a known set of images; continue a run.

    Any other setting goes by --set or into a file for --config; adavit settings prints them all.

    \b
    adavit train --data small_set
    adavit train --data my_photos.zip --kimg 200
    adavit train --resume runs/00000-small_set-resnet-bgc
    """
    os.environ.update(told_by_srun(os.environ))
    layers = options.setting_layers(settings, preset=preset, config=config, assignments=assignments)
    apart = _apart(processes, max_restarts, dry_run=dry_run)
    if resume is not None:
        if apart is None or dry_run:
            _resume(resume, layers, dry_run=dry_run)
        else:
            _launch(apart, max_restarts)
        return
    options.check_images_are_named(layers, "train")
    built = build_config(layers)
    check_source(built.data.source)
    # Torch takes seconds: first comes whatever can be wrong without it.
    if apart is not None and max_restarts and built.run.out is None:
        raise UserError(
            f"--max-restarts is {max_restarts}, but there is no --out, expected a directory in which the run is"
            " found again. Give one, such as --out runs/mine."
        )
    if apart is not None and not dry_run:
        _launch(apart, max_restarts)
        return
    from adavit.training.plan import describe_plan
    from adavit.training.train import train

    with console_for() as console:
        if dry_run:
            click.echo(describe_plan(built, console, processes=processes or 1, began=_began()))
        else:
            train(built, console=console, began=_began())


def _began() -> float:
    """When the command was typed: of processes that were started by another, when that one was."""
    place, told = Place.here(), os.environ.get(_BEGAN)
    return float(told) if told and not place.attempt else process_began()


def _apart(processes: int | None, max_restarts: int | None, *, dry_run: bool) -> int | None:
    """How many processes are to be started; None where this one trains, alone or among those that were started."""
    place = Place.here()
    if dry_run and place.size > 1:
        raise UserError(
            f"--dry-run foresees the steps of many processes in one, but torchrun or srun has started {place.size}."
            f" Leave that out: adavit train --dry-run --processes {place.size}."
        )
    if place.launch is not None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if processes not in (None, place.size):
            raise UserError(
                f"--processes is {processes}, but torchrun or srun has started {place.size}, expected one of"
                " both. Leave --processes out."
            )
        return None
    if max_restarts is not None and processes is None:
        raise UserError(
            f"--max-restarts is {max_restarts}, but nothing starts processes anew without --processes. Give"
            " both, or neither."
        )
    check_processes_meet(processes)
    return processes


def _launch(processes: int, max_restarts: int | None) -> None:
    os.environ[_BEGAN] = str(process_began())
    code = launch(processes, sys.argv[1:], restarts=max_restarts or 0)
    if code:
        sys.exit(code)


def _resume(run: Path, layers: list[Values], *, dry_run: bool) -> None:
    if dry_run:
        raise UserError(
            "--dry-run and --resume were both given, expected one of them. Leave one out."
        )
    from adavit.training.train import resume

    with console_for() as console:
        resume(run, layers, console=console, began=_began())
