"""What `adavit ablate` and `adavit sweep` have in common on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from adavit.config.layers import Values, parse_assignment

Command = Callable[..., Any]


def experiment_options(default_out: str) -> Callable[[Command], Command]:
    """Options of both commands, in the order of use."""
    options = [
        click.option("--data", help="A folder, a zip, or a name, in place of the file's."),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            help="One setting of all runs: --set training.batch=16.",
        ),
        click.option(
            "--out", type=click.Path(path_type=Path), help=f"Where the runs go. {default_out}"
        ),
        click.option("--workers", type=click.IntRange(min=1), help="Processes. [one per device]"),
        click.option(
            "--devices", default="", callback=_devices, help="cpu, cuda or cuda:0,cuda:1; in turn."
        ),
        click.option(
            "--storage",
            help="Database URL of the queue: postgresql+psycopg://... [a file in --out]",
        ),
        click.option("--retry-failed", is_flag=True, help="Take up again what has failed before."),
        click.option("--dry-run", is_flag=True, help="Show what would be run; train nothing."),
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def layers_from(data: str | None, assignments: tuple[str, ...]) -> list[Values]:
    """Settings of the flags, weakest first."""
    layers = [parse_assignment(text) for text in assignments]
    return layers if data is None else [*layers, {"data": {"source": data}}]


def _devices(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
