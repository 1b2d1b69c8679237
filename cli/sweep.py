"""`adavit sweep`."""

from functools import partial
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.experiments.sweep_file import read_sweep, sweep_names
from adavit.runtime.paths import expand_home


@click.command(epilog="Shipped sweeps: " + ", ".join(sweep_names()) + ".")
@click.argument(
    "source", metavar="SWEEP", shell_complete=partial(completion.choices, tuple(sweep_names()))
)
@click.option(
    "--metric",
    help="The metric to minimise, one of metrics.names.  [default: the file's, or the first]",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Number of runs, including those that are done.  [default: the file's]",
)
@options.experiment("runs/sweeps/NAME")
@amount
def command(
    source: str, data__source: str | None, assignments: tuple[str, ...], **given: Any
) -> None:
    """Search settings for the lowest metric, as SWEEP says: a YAML file or the name of a shipped one.

    A sampler (TPE) chooses the settings of each run from the results of earlier ones; a run that is
    worse than the median of the others at an evaluation is stopped there. Run the same command again
    after an interruption, and it continues.

    \b
    adavit sweep r1-gamma-cpu --data my_photos.zip --dry-run
    adavit sweep my_sweep.yaml --metric kid --trials 30 --devices cuda:0,cuda:1
    """
    layers = options.setting_layers({"data__source": data__source}, assignments=assignments)
    read_sweep(expand_home(source))  # mistakes first: torch takes seconds
    from adavit.experiments.sweep import sweep

    with console_for() as console:
        text = sweep(source, layers=layers, console=console, **given)
    click.echo(text)
