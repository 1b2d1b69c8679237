"""Lists for people: a name with a line, or as many as a narrow terminal needs, and all of it as JSON."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

PIPE_WIDTH = 200
"""Columns where there is no terminal to ask."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def terminal_width() -> int:
    """Columns of the terminal that is written to; COLUMNS says otherwise."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def print_list(lines: Sequence[tuple[str, str]]) -> None:
    """Prints names, and beside each what it is; below each other what has no room."""
    formatter = click.HelpFormatter(width=terminal_width(), indent_increment=0)
    formatter.write_dl(lines, col_max=28)
    click.echo(formatter.getvalue(), nl=False)


def print_json(items: Sequence[Any], *, without: Sequence[str] = ()) -> None:
    """Prints data classes as a list of JSON objects.

    Args:
        items: Of plain values.
        without: Fields that are left out.
    """
    described: list[Mapping[str, Any]] = [
        {key: value for key, value in dataclasses.asdict(item).items() if key not in without}
        for item in items
    ]
    click.echo(json.dumps(described, indent=2))
