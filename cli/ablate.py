"""`adavit ablate`."""

from functools import partial
from typing import Any

import click

from adavit.cli import completion, options
from adavit.cli.consoles import amount, console_for
from adavit.config.section import SEED_END
from adavit.experiments.grid_file import grid_names, read_grid
from adavit.runtime.paths import expand_home
from adavit.styles.numbers import parse_seeds


@click.command(epilog="Shipped grids: " + ", ".join(grid_names()) + ".")
@click.argument("grid", shell_complete=partial(completion.choices, tuple(grid_names())))
@click.option(
    "--seeds", help="Run every cell with each of these seeds: 0-2, or 0,5.  [default: the grid's]"
)
@options.experiment("runs/ablations/NAME")
@amount
def command(
    grid: str,
    seeds: str | None,
    data__source: str | None,
    assignments: tuple[str, ...],
    **given: Any,
) -> None:
    """Train every cell of GRID, a YAML file or the name of a shipped grid.

    A cell is an ordinary run directory, named by the digest of its settings. Run the
    same command again after an interruption, and it continues; run it in two terminals or on two
    machines, and they share the work.

    \b
    adavit ablate smoke
    adavit ablate groups-cpu --data my_photos.zip --dry-run
    adavit ablate groups --devices cuda:0,cuda:1 --seeds 0-2
    """
    numbers = None if seeds is None else parse_seeds(seeds, end=SEED_END)
    layers = options.setting_layers({"data__source": data__source}, assignments=assignments)
    read_grid(expand_home(grid)).with_overrides(
        layers, numbers
    )  # mistakes first: torch takes seconds
    from adavit.experiments.ablation import ablate

    with console_for() as console:
        text = ablate(grid, layers=layers, seeds=numbers, console=console, **given)
    click.echo(text)
