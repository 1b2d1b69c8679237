"""`adavit grids`."""

import click

from adavit.cli.listed import as_json, print_json, print_list
from adavit.experiments.shipped import shipped_experiments
from adavit.runtime.wording import counted


@click.command()
@as_json
def command(as_json: bool) -> None:
    """List the grids of adavit ablate and the sweeps of adavit sweep with a line each.

    \b
    adavit grids
    adavit grids --json
    """
    experiments = shipped_experiments()
    if as_json:
        print_json(experiments)
        return
    for kind, title in (("grid", "Grids"), ("sweep", "Sweeps")):
        listed = [each for each in experiments if each.kind == kind]
        click.echo(f"{title}, for {listed[0].command.rpartition(' ')[0]} NAME:")
        print_list(
            [(each.name, f"{counted(each.runs, 'run', 'runs')}: {each.meaning}") for each in listed]
        )
        click.echo()
    click.echo("With --dry-run behind the command runs and time are told; nothing is trained then.")
